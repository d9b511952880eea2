"""What the real control plane did, change by change: a log of watches.

Only what matters is kept of an object, and of a change only what it changed. A change's
revision is etcd's, so that it orders the changes of all kinds; its time is that of its arrival.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

from sim_arena.clusters.kube.api import Api, ApiError, Json
from tests.cluster.state import State, controller, is_ready

_COLLECTIONS = {
    "Pod": "/api/v1/pods",
    "ReplicaSet": "/apis/apps/v1/replicasets",
    "Deployment": "/apis/apps/v1/deployments",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "DaemonSet": "/apis/apps/v1/daemonsets",
    "Job": "/apis/batch/v1/jobs",
    "CronJob": "/apis/batch/v1/cronjobs",
    "Event": "/api/v1/events",
}
# Events that say what is not in any object.
_TELLING = frozenset({"FailedCreate", "Preempted", "FailedDelete", "TooManyMissedTimes"})
_RETRY_S = 0.1
_SILENCE_S = 150.0  # bookmarks come about every minute


class Change(NamedTuple):
    """One change of one object.

    Attributes:
        at: when it arrived, nanoseconds of wall time.
        revision: etcd's.
        verb: `ADDED`, `MODIFIED` or `DELETED`.
        uid: the object's.
        fields: those that it changed; after an addition all, with kind, namespace and name.
    """

    at: int
    revision: int
    verb: str
    uid: str
    fields: Json


class Watcher:
    """Watches pods and all that make them, for as long as a control plane runs."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._changes: list[Change] = []
        self._last: dict[str, Json] = {}
        self._newest: dict[str, int] = {}
        self._first: dict[str, Json] = {}
        self._stopped = False

    def __enter__(self) -> Self:
        """Watch, each kind in a thread that ends with the process."""
        for kind, path in _COLLECTIONS.items():
            threading.Thread(target=self._follow, args=(kind, path), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take no notice any more of what still comes."""
        self._stopped = True

    def clear(self) -> None:
        """Forget what came so far."""
        with self._lock:
            self._changes.clear()
            self._first.clear()

    def changes(self) -> list[Change]:
        """What came since the last `clear`, in etcd's order."""
        with self._lock:
            return sorted(self._changes, key=lambda change: change.revision)

    def first_forms(self) -> list[Json]:
        """Each object that appeared since the last `clear`, as it was first seen."""
        with self._lock:
            return list(self._first.values())

    def behind(self, state: State) -> str | None:
        """Say which object of a state has not been seen yet in that form; None if all have."""
        with self._lock:
            for objects in state.objects.values():
                for obj in objects:
                    metadata = obj["metadata"]
                    newest = self._newest.get(metadata["uid"], 0)
                    if newest < int(metadata["resourceVersion"]):
                        return f"{obj['kind']} {metadata['name']} is newer than the log"
        return None

    def _follow(self, kind: str, path: str) -> None:
        since: str | None = None
        while not self._stopped:
            try:
                if since is None:
                    since = self._api.request("get", path)["metadata"]["resourceVersion"]
                for message in self._api.watch(path, since, None, _SILENCE_S):
                    since = message["object"]["metadata"]["resourceVersion"]
                    if message["type"] != "BOOKMARK":
                        self._note(kind, message["type"], message["object"])
            except ApiError:
                since = None
            except Exception:
                if self._stopped:  # its control plane went away
                    return
                raise
            time.sleep(_RETRY_S)

    def _note(self, kind: str, verb: str, obj: Json) -> None:
        if kind == "Event" and obj.get("reason") not in _TELLING:
            return
        at = time.time_ns()
        uid = obj["metadata"]["uid"]
        revision = int(obj["metadata"]["resourceVersion"])
        fields = describe(kind, obj)
        with self._lock:
            before = self._last.get(uid, {})
            changed = {key: value for key, value in fields.items() if before.get(key) != value}
            changed |= dict.fromkeys(before.keys() - fields.keys())
            self._newest[uid] = revision
            if verb == "DELETED":
                self._last.pop(uid, None)
            else:
                self._last[uid] = fields
                self._first.setdefault(uid, {**obj, "kind": kind})
            if changed or verb != "MODIFIED":
                self._changes.append(Change(at, revision, verb, uid, changed))


def describe(kind: str, obj: Json) -> Json:
    """What is kept of an object; fields without a value are left out."""
    metadata = obj["metadata"]
    owner = controller(obj)
    found = {
        "kind": kind,
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "owner": owner["uid"] if owner else None,
        "created": metadata["creationTimestamp"],
        "deleted": "deletionTimestamp" in metadata,
        **_DESCRIBE.get(kind, _of_owner)(obj),
    }
    return {key: value for key, value in found.items() if value not in (None, False, [], {}, "")}


def _of_pod(pod: Json) -> Json:
    annotations = pod["metadata"].get("annotations") or {}
    labels = pod["metadata"].get("labels") or {}
    status = pod["status"]
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    scheduled = conditions.get("PodScheduled") or {}
    return {
        "node": pod["spec"].get("nodeName"),
        "phase": status.get("phase"),
        "ready": is_ready(pod),
        "refused": scheduled.get("message"),
        "reason": scheduled.get("reason"),
        "nominated": status.get("nominatedNodeName"),
        "disrupted": (conditions.get("DisruptionTarget") or {}).get("message"),
        "sequence": annotations.get("static.simkube.io/pod-sequence-number"),
        "completes": annotations.get("simkube.io/kwok-stage-complete-time"),
        "index": annotations.get("batch.kubernetes.io/job-completion-index"),
        "revision": labels.get("controller-revision-hash") or labels.get("pod-template-hash"),
        "priority": pod["spec"].get("priority"),
        "finalizers": metadata_finalizers(pod),
    }


def metadata_finalizers(obj: Json) -> list[str]:
    """The object's finalizers."""
    found: list[str] = obj["metadata"].get("finalizers") or []
    return found


def _of_event(event: Json) -> Json:
    return {
        "about": event["involvedObject"].get("uid"),
        "reason": event["reason"],
        "message": event.get("message"),
        "count": event.get("count"),
    }


_SPEC = ("replicas", "paused", "parallelism", "completions", "suspend", "schedule")
_STATUS = (
    "replicas",
    "readyReplicas",
    "availableReplicas",
    "updatedReplicas",
    "currentReplicas",
    "currentRevision",
    "updateRevision",
    "desiredNumberScheduled",
    "currentNumberScheduled",
    "numberMisscheduled",
    "numberReady",
    "numberAvailable",
    "updatedNumberScheduled",
    "active",
    "succeeded",
    "failed",
    "startTime",
    "completionTime",
    "lastScheduleTime",
    "lastSuccessfulTime",
)


def _of_owner(obj: Json) -> Json:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    seen = {f"spec.{field}": spec.get(field) for field in _SPEC}
    seen |= {f"status.{field}": status.get(field) for field in _STATUS}
    if isinstance(status.get("active"), list):
        seen["status.active"] = [job["name"] for job in status["active"]]
    annotations = obj["metadata"].get("annotations") or {}
    return seen | {
        "generation": obj["metadata"].get("generation"),
        "revision": annotations.get("deployment.kubernetes.io/revision"),
        "conditions": [
            [c["type"], c["status"], c.get("reason")] for c in status.get("conditions") or []
        ],
    }


_DESCRIBE: dict[str, Callable[[Json], Json]] = {"Pod": _of_pod, "Event": _of_event}


class LogRow(NamedTuple):
    """A change as it is kept: times since the start, objects by number.

    Attributes:
        at: nanoseconds after the recording's start.
        revision: etcd's, since the first of the log.
        verb: the first letter of the change's.
        thing: number of the object, by first appearance.
        fields: JSON.
    """

    at: int
    revision: int
    verb: str
    thing: int
    fields: str


def as_log(changes: list[Change], start: int, namespaces: dict[str, str]) -> Iterator[LogRow]:
    """Make the rows of a log.

    Args:
        changes: in etcd's order.
        start: nanoseconds of wall time.
        namespaces: the trace's name of each namespace; others are left out.
    """
    numbers: dict[str, int] = {}
    base = changes[0].revision if changes else 0
    for change in changes:
        fields: dict[str, Any] = dict(change.fields)
        if change.uid not in numbers:
            if fields.get("namespace") not in namespaces:
                continue
            fields["namespace"] = namespaces[fields["namespace"]]
            numbers[change.uid] = len(numbers)
        for reference in ("owner", "about"):
            if fields.get(reference) is not None:
                fields[reference] = numbers.get(fields[reference], -1)
        text = json.dumps(fields, separators=(",", ":")) if fields else ""
        number = numbers[change.uid]
        yield LogRow(change.at - start, change.revision - base, change.verb[0], number, text)
