"""The webhook through which SimKube's driver changes every pod of a simulation.

Written from SimKube 2.7, `sk-driver/src/mutation.rs`. A pod gets its node selector and
toleration, the delays for KWOK, a hash of its spec and a sequence number when it is created, and
the time of its end when it starts to run.
"""

import base64
import datetime as dt
import json
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from sim_arena.clusters.kube.api import Api, ApiError, Json
from sim_arena.clusters.kube.simkube_objects import ORIGINAL_NAMESPACE, SIMKUBE_LABEL
from sim_arena.clusters.kwok.lifecycles import stable_spec
from sim_arena.clusters.kwok.rewriting import TOLERATION, Tenant
from tests.cluster.pki import Pki
from tests.cluster.waiting import wait_until
from traces import Trace, object_hash

HASH = "static.simkube.io/pod-spec-stable-hash"
SEQUENCE = "static.simkube.io/pod-sequence-number"
COMPLETE = "simkube.io/kwok-stage-complete"
COMPLETE_TIME = "simkube.io/kwok-stage-complete-time"

_KNOWN_OWNERS = frozenset(
    {
        "apps/v1.DaemonSet",
        "apps/v1.Deployment",
        "apps/v1.ReplicaSet",
        "apps/v1.StatefulSet",
        "batch/v1.CronJob",
        "batch/v1.Job",
        "v1.Pod",
    }
)
_READY_S = 30.0


class Delays(NamedTuple):
    """SimKube's lifecycle parameters, in milliseconds."""

    image_pull_delay: int = 0
    image_pull_jitter: int = 0
    pod_startup_delay: int = 0
    pod_startup_jitter: int = 0

    def annotations(self) -> dict[str, str]:
        """The annotations that KWOK's stages read."""
        values = {
            "create-delay": self.image_pull_delay,
            "create-delay-jitter": self.image_pull_jitter,
            "ready-delay": self.pod_startup_delay,
            "ready-delay-jitter": self.pod_startup_jitter,
        }
        return {f"simkube.io/kwok-stage-{name}": f"{ms}ms" for name, ms in values.items()}


class PodMutator:
    """What the webhook answers: a list of JSON patch operations for a pod."""

    def __init__(
        self, api: Api, tenant: Tenant, trace: Trace, delays: Delays, speed: float
    ) -> None:
        self.api = api
        self.tenant = tenant
        self.trace = trace
        self.delays = delays
        self.speed = speed
        self._counts: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._owners: dict[str, list[Json]] = {}

    def patch(self, request: Json) -> list[Json]:
        """The operations for one admission request."""
        pod: Json = request["object"]
        if pod["metadata"].get("deletionTimestamp"):
            return []
        annotations = pod["metadata"].get("annotations") or {}
        labels = pod["metadata"].get("labels") or {}
        hash_, sequence = self._identify(pod, annotations, dry_run=bool(request.get("dryRun")))
        operations: list[Json] = []
        if request["operation"] == "CREATE":
            labels[SIMKUBE_LABEL] = self.tenant.name
            annotations |= {HASH: str(hash_), SEQUENCE: str(sequence)}
            annotations |= self.delays.annotations()
            operations += _placement(pod["spec"])
        if (pod.get("status") or {}).get("phase") == "Running" and COMPLETE not in labels:
            end = self._completion(pod, annotations, hash_, sequence)
            if end is not None:
                labels[COMPLETE] = "true"
                annotations[COMPLETE_TIME] = end.isoformat()
        return [
            *operations,
            {"op": "add", "path": "/metadata/labels", "value": labels},
            {"op": "add", "path": "/metadata/annotations", "value": annotations},
        ]

    def _identify(self, pod: Json, annotations: Json, *, dry_run: bool) -> tuple[int, int]:
        """The pod's hash and sequence number: what it carries, else what comes next."""
        if HASH in annotations and SEQUENCE in annotations:
            return int(annotations[HASH]), int(annotations[SEQUENCE])
        hash_ = object_hash(stable_spec(pod["spec"]))
        with self._lock:
            sequence = self._counts[hash_]
            if not dry_run:
                self._counts[hash_] += 1
        return hash_, sequence

    def _completion(
        self, pod: Json, annotations: Json, hash_: int, sequence: int
    ) -> dt.datetime | None:
        """When the pod ends, from the lifecycles of the first owner that has one with an end."""
        original = annotations.get(ORIGINAL_NAMESPACE)
        if original is None or not self.trace["pod_lifecycles"]:
            return None
        for kind, name in self._owner_names(pod):
            if f"{original}/{name}" not in self.trace["index"].get(kind, {}):
                continue
            seconds = self._running_time(kind, f"{original}/{name}", hash_, sequence)
            if seconds is not None:
                return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
        return None

    def _running_time(self, kind: str, name: str, hash_: int, sequence: int) -> int | None:
        by_hash = self.trace["pod_lifecycles"].get((kind, name)) or {}
        if kind in _KNOWN_OWNERS:
            entries = next(iter(by_hash.values()), None)
        else:
            entries = by_hash.get(hash_)
        entry = entries[sequence % len(entries)] if entries else {}
        if "Finished" not in entry:
            return None
        start, end = entry["Finished"]
        return int(max(0, end - start) / self.speed)

    def _owner_names(self, pod: Json) -> Iterator[tuple[str, str]]:
        """Kind and name of the pod's owners, nearest first, and of the pod itself."""
        for owner in self._owner_chain(pod):
            yield f"{owner['apiVersion']}.{owner['kind']}", owner["name"]
        yield "v1.Pod", pod["metadata"]["name"]

    def _owner_chain(self, obj: Json) -> list[Json]:
        chain: list[Json] = []
        for owner in obj["metadata"].get("ownerReferences") or []:
            if owner["uid"] not in self._owners:
                self._owners[owner["uid"]] = self._owners_of(owner, obj["metadata"]["namespace"])
            chain += [owner, *self._owners[owner["uid"]]]
        return chain

    def _owners_of(self, owner: Json, namespace: str) -> list[Json]:
        path = self.api.path(owner, namespace, owner["name"])
        try:
            return self._owner_chain(self.api.request("get", path))
        except ApiError as error:
            if error.status == 404:  # the owner is gone already
                return []
            raise


def _placement(spec: Json) -> list[Json]:
    selector = {**(spec.get("nodeSelector") or {}), "type": "virtual"}
    tolerations = [*(spec.get("tolerations") or []), TOLERATION]
    return [
        {"op": "add", "path": "/spec/nodeSelector", "value": selector},
        {"op": "add", "path": "/spec/tolerations", "value": tolerations},
    ]


class PodWebhook:
    """Serves a mutator over HTTPS on loopback, and registers it for the virtual namespaces."""

    def __init__(self, mutator: PodMutator, pki: Pki) -> None:
        self.mutator = mutator
        self.name = f"sk-{mutator.tenant.prefix}-mutatepods"
        self._pki = pki
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.certificate, pki.key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(mutator))
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def start(self, namespace: str) -> None:
        """Serve, register, and wait until the API server calls.

        Args:
            namespace: an existing virtual namespace to try it in.
        """
        self._thread.start()
        self.mutator.api.create(self._configuration())
        wait_until(lambda: self._not_called(namespace), _READY_S)

    def stop(self) -> None:
        """Take the registration back and stop serving."""
        kind = {"apiVersion": _ADMISSION, "kind": "MutatingWebhookConfiguration"}
        self.mutator.api.delete(kind, None, self.name)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _not_called(self, namespace: str) -> str | None:
        pod: Json = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"generateName": "probe-", "namespace": namespace},
            "spec": {"containers": [{"name": "probe", "image": "probe"}]},
        }
        answer = self.mutator.api.create(pod, dry_run="All")
        if SEQUENCE in (answer["metadata"].get("annotations") or {}):
            return None
        return "the API server does not call the webhook yet"

    def _configuration(self) -> Json:
        prefix = self.mutator.tenant.prefix
        authority = base64.b64encode(self._pki.authority.read_bytes()).decode()
        port = self._server.server_address[1]
        rule = {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["pods", "pods/status"],
            "scope": "Namespaced",
        }
        condition = {
            "name": "virtual-namespaces-only",
            "expression": f"object.metadata.namespace.startsWith('{prefix}-')",
        }
        return {
            "apiVersion": _ADMISSION,
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": self.name},
            "webhooks": [
                {
                    "name": "create-update.mutatepods.simkube.io",
                    "admissionReviewVersions": ["v1"],
                    "clientConfig": {
                        "url": f"https://127.0.0.1:{port}/",
                        "caBundle": authority,
                    },
                    "failurePolicy": "Fail",
                    "sideEffects": "None",
                    "rules": [rule],
                    "matchConditions": [condition],
                }
            ],
        }


_ADMISSION = "admissionregistration.k8s.io/v1"


def _handler(mutator: PodMutator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            answer = _review(mutator, json.loads(self.rfile.read(length)))
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Say nothing: the API server's log has every failed call."""

    return Handler


def _review(mutator: PodMutator, review: Json) -> Json:
    """The answer to an admission review; a fault of ours refuses the pod, as SimKube does."""
    response: Json = {"uid": review["request"]["uid"], "allowed": True}
    try:
        operations = mutator.patch(review["request"])
    except Exception as error:  # noqa: BLE001 - the API server must get an answer
        response |= {"allowed": False, "status": {"message": f"webhook failed: {error!r}"}}
    else:
        patch = base64.b64encode(json.dumps(operations).encode()).decode()
        response |= {"patchType": "JSONPatch", "patch": patch}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
