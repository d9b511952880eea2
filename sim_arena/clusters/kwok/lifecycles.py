"""When pods end: from the trace's lifecycles, as SimKube's webhook decides it.

A cluster cannot be asked to call back the machine that the arena runs on, so what SimKube does in
a webhook happens here a moment later: a pod that runs is given the label and the time by which
KWOK's stage `pod-complete` ends it.

Written from SimKube 2.7, `sk-driver/src/mutation.rs`.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator

from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.errors import RefusedError
from sim_arena.clusters.kube.objects import Genealogy, State
from traces import Trace, object_hash

__all__ = ["COMPLETE", "COMPLETE_TIME", "Lifecycles", "stable_spec"]

COMPLETE = "simkube.io/kwok-stage-complete"
COMPLETE_TIME = "simkube.io/kwok-stage-complete-time"

_KNOWN_OWNERS = {
    "DaemonSet": "apps/v1.DaemonSet",
    "Deployment": "apps/v1.Deployment",
    "ReplicaSet": "apps/v1.ReplicaSet",
    "StatefulSet": "apps/v1.StatefulSet",
    "CronJob": "batch/v1.CronJob",
    "Job": "batch/v1.Job",
    "Pod": "v1.Pod",
}


_SEEN_AT_ONCE_S = 2.0


class Lifecycles:
    """Gives running pods their end.

    Args:
        api: the API server.
        trace: the trace with the lifecycles.
        prefix: what stands before the original namespaces' names.
        speed: divides the running times, each truncated to whole seconds.
    """

    def __init__(self, api: Api, trace: Trace, prefix: str, speed: float) -> None:
        self._api = api
        self._trace = trace
        self._prefix = f"{prefix}-"
        self._speed = speed
        self._numbers: dict[str, tuple[int, int]] = {}
        self._counts: Counter[int] = Counter()
        self._done: set[str] = set()
        self.idle = not trace["pod_lifecycles"]

    def update(self, state: State, genealogy: Genealogy) -> None:
        """Number the pods that are new, and let those that now run know their end.

        Args:
            state: the present objects.
            genealogy: has seen the state.

        Raises:
            ClusterError: a pod could not be changed.
        """
        if self.idle:
            return
        for pod in sorted(state.pods, key=_age):
            uid = pod["metadata"]["uid"]
            if uid not in self._numbers:
                hash_ = object_hash(stable_spec(pod["spec"]))
                self._numbers[uid] = (hash_, self._counts[hash_])
                self._counts[hash_] += 1
            if pod["status"].get("phase") == "Running" and uid not in self._done:
                self._done.add(uid)
                self._end(pod, genealogy)

    def _end(self, pod: Json, genealogy: Genealogy) -> None:
        if COMPLETE in (pod["metadata"].get("labels") or {}):
            return
        seconds = self._running_time(pod, genealogy)
        if seconds is None:
            return
        end = _running_since(pod) + dt.timedelta(seconds=seconds)
        metadata = {
            "labels": {COMPLETE: "true"},
            "annotations": {COMPLETE_TIME: end.isoformat()},
        }
        own = pod["metadata"]
        path = self._api.path({"apiVersion": "v1", "kind": "Pod"}, own["namespace"], own["name"])
        kind = "application/merge-patch+json"
        try:
            self._api.request("patch", path, {"metadata": metadata}, content_type=kind)
        except RefusedError as error:
            if error.status != 404:  # else it is gone already
                raise

    def _running_time(self, pod: Json, genealogy: Genealogy) -> int | None:
        """Seconds to run, of the first owner whose recorded pod ended."""
        hash_, sequence = self._numbers[pod["metadata"]["uid"]]
        for key in self._owners(pod, genealogy):
            by_hash = self._trace["pod_lifecycles"].get(key) or {}
            entries = next(iter(by_hash.values()), None)
            if key[0] not in _KNOWN_OWNERS.values():
                entries = by_hash.get(hash_)
            entry = entries[sequence % len(entries)] if entries else {}
            if "Finished" in entry:
                start, end = entry["Finished"]
                return int(max(0, end - start) / self._speed)
        return None

    def _owners(self, pod: Json, genealogy: Genealogy) -> Iterator[tuple[str, str]]:
        """The pod's owners that the trace's index knows, nearest first, then the pod itself."""
        original = pod["metadata"]["namespace"].removeprefix(self._prefix)
        for kind, name in genealogy.line(pod):
            known = _KNOWN_OWNERS.get(kind, kind)
            if f"{original}/{name}" in self._trace["index"].get(known, {}):
                yield known, f"{original}/{name}"


def stable_spec(spec: Json) -> Json:
    """The part of a pod's spec that SimKube hashes."""
    left_out = {"nodeName", "serviceAccount", "serviceAccountName"}
    stable = {key: value for key, value in spec.items() if key not in left_out}
    stable["volumes"] = _own_volumes(spec.get("volumes"))
    for field in ("initContainers", "containers"):
        if field in spec:
            stable[field] = [
                {**container, "volumeMounts": _own_volumes(container.get("volumeMounts"))}
                for container in spec[field]
            ]
    for container in stable["containers"]:
        container.pop("ports", None)
    return stable


def _own_volumes(volumes: list[Json] | None) -> list[Json]:
    return [v for v in volumes or [] if not v["name"].startswith("kube-api-access")]


def _running_since(pod: Json) -> dt.datetime:
    """When a pod's last container started: now, unless that was seen late.

    The API tells it in whole seconds, which is coarser than seeing it is, as a rule.
    """
    now = dt.datetime.now(dt.UTC)
    started = [
        dt.datetime.fromisoformat(running["startedAt"])
        for one in pod["status"].get("containerStatuses") or ()
        if (running := (one.get("state") or {}).get("running")) and running.get("startedAt")
    ]
    last = max(started, default=now)
    return last if now - last > dt.timedelta(seconds=_SEEN_AT_ONCE_S) else now


def _age(pod: Json) -> tuple[str, str]:
    return str(pod["metadata"]["creationTimestamp"]), str(pod["metadata"]["name"])
