"""SimKube's real sk-ctrl and sk-driver on a test's control plane.

What stands in for others is small: for cert-manager, which would sign the webhook's certificate,
and for the kubelet of one node, which would run the driver's pod.
"""

import base64
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import yaml

from sim_arena.clusters.kube.api import Api, Json, RefusedError
from tests.cluster.harness import ControlPlane
from tests.cluster.manifests import custom_kind
from tests.cluster.processes import Child, free_ports
from tests.cluster.waiting import wait_until

NAMESPACE = "simkube"
HOST = "driver-host"
_LOOK_S = 0.2
_READY_S = 60.0
_MOUNTED = "/usr/local/etc/ssl"
_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_CERTIFICATES = "/apis/cert-manager.io/v1/certificates"


class SimKubeHost:
    """Everything that SimKube needs on a cluster; a context manager that takes it away again.

    Attributes:
        port: for the driver's webhook, free at the start.
        drivers: the running drivers by their pod's name.
    """

    def __init__(self, plane: ControlPlane, api: Api, programs: dict[str, Path]) -> None:
        self.plane = plane
        self.api = api
        self.programs = programs
        self.drivers: dict[str, Child] = {}
        self.port, self._logs_port = free_ports(2)
        self._logs: dict[str, Path] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._log_server: ThreadingHTTPServer | None = None
        self._made: list[Json] = []
        self._controller: Child | None = None
        self._certificates = plane.folder / "driver-certificates"

    def __enter__(self) -> Self:
        crds = subprocess.run(
            [self.programs["skctl"], "crd"], capture_output=True, text=True, check=True
        ).stdout
        documents = [one for one in yaml.safe_load_all(crds) if one]
        kinds = (
            custom_kind("cert-manager.io/v1", "Certificate", "certificates"),
            custom_kind("cert-manager.io/v1", "ClusterIssuer", "clusterissuers", "Cluster"),
        )
        for obj in (*documents, *kinds, *map(_namespace, (NAMESPACE, "monitoring"))):
            self.api.apply(obj)
            self._made.append(obj)
        wait_until(self._unknown_kind, _READY_S)
        self.api.apply({**_ISSUER, "spec": {"selfSigned": {}}})
        self._serve_logs()
        self._make_node()
        self._certificates.mkdir(exist_ok=True)
        shutil.copy(self.plane.pki.certificate, self._certificates / "tls.crt")
        shutil.copy(self.plane.pki.key, self._certificates / "tls.key")
        self.start_controller()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.stop_controller()
        for driver in self.drivers.values():
            self.plane.processes.kill(driver)
        if self._log_server is not None:
            self._log_server.shutdown()
            self._log_server.server_close()
        self.api.delete({"apiVersion": "v1", "kind": "Node"}, None, HOST)
        for obj in reversed(self._made):
            self.api.delete(obj, None, obj["metadata"]["name"])

    def start_controller(self) -> None:
        """Start the real sk-ctrl."""
        variables = {
            "KUBECONFIG": str(self.plane.kubeconfig),
            "CTRL_NAMESPACE": NAMESPACE,
            "POD_SVC_ACCOUNT": "default",
        }
        self._controller = self._start("sk-ctrl", variables, [])

    def ensure_controller(self) -> None:
        """Start sk-ctrl if it does not run."""
        if self._controller is None:
            self.start_controller()

    def stop_controller(self) -> None:
        """Kill sk-ctrl."""
        if self._controller is not None:
            self.plane.processes.kill(self._controller)
            self._controller = None

    def kill_drivers(self) -> None:
        """Kill the drivers, as a node that has no memory left would."""
        for driver in self.drivers.values():
            driver.process.kill()

    def _start(
        self, program: str, variables: dict[str, str], words: list[str], name: str | None = None
    ) -> Child:
        command = ["env", *(f"{key}={value}" for key, value in variables.items())]
        started = [*command, self.programs[program], *words]
        return self.plane.processes.start(name or program, started)

    def _serve_logs(self) -> None:
        """In the place of a kubelet: show the API server what the drivers said."""
        logs = self._logs

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                # /containerLogs/NAMESPACE/POD/CONTAINER?tailLines=N
                asked = urlsplit(self.path)
                [lines] = parse_qs(asked.query).get("tailLines", ["1000"])
                log = logs[asked.path.split("/")[3]]
                said = log.read_text(errors="replace").splitlines()[-int(lines) :]
                body = "\n".join(said).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's
                """Say nothing."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.plane.pki.certificate, self.plane.pki.key)
        self._log_server = ThreadingHTTPServer(("127.0.0.1", self._logs_port), Handler)
        self._log_server.daemon_threads = True
        self._log_server.socket = context.wrap_socket(self._log_server.socket, server_side=True)
        threading.Thread(target=self._log_server.serve_forever, daemon=True).start()

    def _unknown_kind(self) -> str | None:
        kinds = (
            ("simkube.io/v1", "Simulation"),
            ("cert-manager.io/v1", "Certificate"),
            ("cert-manager.io/v1", "ClusterIssuer"),
        )
        return next((kind for version, kind in kinds if not self.api.knows(version, kind)), None)

    def _make_node(self) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": HOST}}
        resources = {"cpu": "4", "memory": "8Gi", "pods": "10"}
        ready = {"type": "Ready", "status": "True", "reason": "Test", "message": "for drivers"}
        status = {
            "capacity": resources,
            "allocatable": resources,
            "conditions": [ready],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._logs_port}},
        }
        self.api.create({**node, "status": status})

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_S):
            try:
                self._sign()
                self._run_pods()
            except RefusedError as error:
                if error.status not in {404, 409}:  # gone or changed meanwhile: look again
                    raise

    def _sign(self) -> None:
        """In the place of cert-manager: a Secret for each Certificate, and the authority."""
        for certificate in self.api.list(_CERTIFICATES):
            self._make_secret(certificate)
        authority = base64.b64encode(self.plane.pki.authority.read_bytes()).decode()
        for found in self.api.list(_WEBHOOKS):
            name = found["metadata"]["name"]
            if not (name.startswith("sk-") and name.endswith("-mutatepods")):
                continue
            if all("url" in webhook["clientConfig"] for webhook in found["webhooks"]):
                continue
            url = f"https://127.0.0.1:{self.port}/"
            for webhook in found["webhooks"]:
                webhook["clientConfig"] = {"url": url, "caBundle": authority}
            self.api.request("put", f"{_WEBHOOKS}/{name}", found)

    def _make_secret(self, certificate: Json) -> None:
        spec, namespace = certificate["spec"], certificate["metadata"]["namespace"]
        kind = {"apiVersion": "v1", "kind": "Secret"}
        if self.api.exists(kind, namespace, spec["secretName"]):
            return
        owner = {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "name": certificate["metadata"]["name"],
            "uid": certificate["metadata"]["uid"],
        }
        metadata = {
            "name": spec["secretName"],
            "namespace": namespace,
            "labels": (spec.get("secretTemplate") or {}).get("labels") or {},
            "ownerReferences": [owner],
        }
        # The driver gets the files by their path; SimKube only looks whether there is a Secret.
        self.api.create({**kind, "metadata": metadata})

    def _run_pods(self) -> None:
        """In the place of a kubelet: run the drivers' pods of this node."""
        there = set()
        for pod in self.api.list(f"/api/v1/namespaces/{NAMESPACE}/pods"):
            name = pod["metadata"]["name"]
            if pod["spec"].get("nodeName") != HOST:
                continue
            there.add(name)
            if "deletionTimestamp" in pod["metadata"]:
                self._end(name)
                self.api.delete(_pod(), NAMESPACE, name, grace_period_seconds=0)
            elif name not in self.drivers and pod["status"].get("phase") == "Pending":
                self._run_pod(pod)
            elif name in self.drivers and pod["status"].get("phase") == "Running":
                self._tell(name)
        for name in set(self.drivers) - there:
            self._end(name)

    def _run_pod(self, pod: Json) -> None:
        name = pod["metadata"]["name"]
        words = [
            word.replace(_MOUNTED, str(self._certificates))
            for word in pod["spec"]["containers"][0]["args"]
        ]
        variables = {"KUBECONFIG": str(self.plane.kubeconfig), "DRIVER_NAME": name}
        variables |= self._secrets(pod)
        self.drivers[name] = self._start("sk-driver", variables, words, name)
        self._logs[name] = self.drivers[name].log
        self._set_status(name, "Running", {"running": {}})

    def _secrets(self, pod: Json) -> dict[str, str]:
        """What a container gets of Secrets as its environment."""
        found: dict[str, str] = {}
        for source in pod["spec"]["containers"][0].get("envFrom") or []:
            kind = {"apiVersion": "v1", "kind": "Secret"}
            secret = self.api.get(kind, NAMESPACE, source["secretRef"]["name"])
            assert secret is not None
            found |= {k: base64.b64decode(v).decode() for k, v in secret["data"].items()}
        return found

    def _tell(self, name: str) -> None:
        code = self.drivers[name].process.poll()
        if code is not None:
            ended = {"terminated": {"exitCode": abs(code)}}
            self._set_status(name, "Failed" if code else "Succeeded", ended)

    def _end(self, name: str) -> None:
        driver = self.drivers.pop(name, None)
        if driver is not None:
            self.plane.processes.kill(driver)

    def _set_status(self, name: str, phase: str, state: Json) -> None:
        container = {
            "name": "driver",
            "image": "sk-driver",
            "imageID": "",
            "restartCount": 0,
            "ready": phase == "Running",
            "state": state,
        }
        body = {"status": {"phase": phase, "containerStatuses": [container]}}
        path = self.api.path(_pod(), NAMESPACE, name) + "/status"
        self.api.request("patch", path, body, content_type="application/merge-patch+json")


_ISSUER: Json = {
    "apiVersion": "cert-manager.io/v1",
    "kind": "ClusterIssuer",
    "metadata": {"name": "selfsigned"},
}


def _pod() -> Json:
    return {"apiVersion": "v1", "kind": "Pod"}


def _namespace(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
