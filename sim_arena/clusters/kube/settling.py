"""Has the cluster done all that it can do for now? Read from the objects that it shows.

Settled means: every controller has seen the newest form of its objects, and what it counts is what
is there; every pod is on a node and plays its part, or the scheduler has tried it; nothing has
changed for a while; and where pods wait for a place, none was given up so lately that the
scheduler may still hold them back.
"""

import time
from collections.abc import Callable, Iterator

from sim_arena.clusters.kube.api import Json
from sim_arena.clusters.kube.mirror import Mirror
from sim_arena.clusters.kube.objects import (
    TERMINAL,
    State,
    controller,
    is_active,
    is_deleted,
    is_ready,
    scheduled_condition,
)

__all__ = ["JOB_FINALIZER", "settled", "timers", "unsettled", "waits_for_scheduler"]

JOB_FINALIZER = "batch.kubernetes.io/job-tracking"

_QUIET_S = 0.8
# The longest back-off of a pod in the scheduler's queue (podMaxBackoffSeconds), and some more.
_BACK_OFF_S = 11.0


def settled(mirror: Mirror) -> str | None:
    """Why a cluster is not settled; None if it is.

    Raises:
        RefusedError: it cannot be read.
    """
    state, now = mirror.state(), time.monotonic()
    if (late := mirror.behind()) is not None:
        return late
    if (reason := next(unsettled(state), None)) is not None:
        return reason
    waiting = any(map(waits_for_scheduler, state.pods))
    if waiting and now - mirror.freed_at < _BACK_OFF_S:
        return "pods wait, and a place became free a moment ago"
    return "something changed a moment ago" if now - mirror.changed_at < _QUIET_S else None


def unsettled(state: State) -> Iterator[str]:
    """Reasons why a state cannot be the last one, from its objects alone."""
    yield from _unseen(state)
    yield from _ending(state)
    yield from _pods_on_the_way(state)
    yield from _miscounted(state)


def _unseen(state: State) -> Iterator[str]:
    """Objects whose newest form their controller has not seen."""
    for obj in state.owners():
        status = obj.get("status") or {}
        if obj["kind"] in _OBSERVED and (
            status.get("observedGeneration", 0) < obj["metadata"]["generation"]
        ):
            yield f"{_name(obj)}: its controller has not seen its newest form"
        if obj["kind"] == "Job" and not obj["spec"].get("suspend") and "startTime" not in status:
            yield f"{_name(obj)}: its controller has not seen it"


_OBSERVED = frozenset({"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"})


def _ending(state: State) -> Iterator[str]:
    """Objects that are about to go: deleted, or left behind by their owner."""
    living = {obj["metadata"]["uid"] for objects in state.objects.values() for obj in objects}
    for objects in state.objects.values():
        for obj in objects:
            if is_deleted(obj):
                yield f"{_name(obj)}: being deleted"
            owner = controller(obj)
            if owner is not None and owner["kind"] in state.objects and owner["uid"] not in living:
                yield f"{_name(obj)}: its owner is gone"


def _pods_on_the_way(state: State) -> Iterator[str]:
    """Pods that are on a node and do not run yet, or that nobody has tried to place."""
    for pod in state.pods:
        if "nodeName" in pod["spec"]:
            if pod["status"].get("phase") == "Pending":
                yield f"{_name(pod)}: on a node, not running yet"
        elif waits_for_scheduler(pod):
            condition = scheduled_condition(pod)
            if condition is None or condition["status"] != "False":
                yield f"{_name(pod)}: not tried by the scheduler yet"
        if pod["status"].get("phase") in TERMINAL and JOB_FINALIZER in (
            pod["metadata"].get("finalizers") or []
        ):
            yield f"{_name(pod)}: finished, not counted by its Job yet"


def waits_for_scheduler(pod: Json) -> bool:
    """Whether the scheduler has yet to find a node for a pod."""
    return (
        "nodeName" not in pod["spec"]
        and pod["status"].get("phase") not in TERMINAL
        and pod["spec"].get("schedulerName") == "default-scheduler"
    )


def _miscounted(state: State) -> Iterator[str]:
    """Owners whose status does not say what is there."""
    pods = state.pods_by_owner()
    sets: dict[str, list[Json]] = {}
    for replica_set in state.objects["ReplicaSet"]:
        if (owner := controller(replica_set)) is not None:
            sets.setdefault(owner["uid"], []).append(replica_set)
    for obj in state.owners():
        uid = obj["metadata"]["uid"]
        check = _CHECKS.get(obj["kind"])
        if check is not None and not check(obj, pods.get(uid, []), sets.get(uid, [])):
            yield f"{_name(obj)}: its status is behind its pods"


def _replica_set_counts(obj: Json, pods: list[Json], _: list[Json]) -> bool:
    status = obj["status"]
    active = [pod for pod in pods if is_active(pod)]
    refused = any(
        c["type"] == "ReplicaFailure" and c["status"] == "True"
        for c in status.get("conditions") or []
    )
    return (
        status.get("replicas", 0) == len(active)
        and status.get("readyReplicas", 0) == sum(map(is_ready, active))
        and (refused or obj["spec"]["replicas"] == len(active))
    )


def _deployment_counts(obj: Json, _: list[Json], sets: list[Json]) -> bool:
    return all(
        obj["status"].get(field, 0) == sum(s["status"].get(field, 0) for s in sets)
        for field in ("replicas", "readyReplicas", "availableReplicas")
    )


def _stateful_set_counts(obj: Json, pods: list[Json], _: list[Json]) -> bool:
    # Its controller deletes finished pods and makes them anew.
    status = obj["status"]
    return (
        all(is_active(pod) for pod in pods)
        and status.get("replicas", 0) == len(pods)
        and status.get("readyReplicas", 0) == sum(map(is_ready, pods))
    )


def _daemon_set_counts(obj: Json, pods: list[Json], _: list[Json]) -> bool:
    status = obj["status"]
    return (
        status["desiredNumberScheduled"] == status["currentNumberScheduled"]
        and all(pod["status"].get("phase") != "Failed" for pod in pods)
        and status["numberReady"] + status["numberMisscheduled"] >= sum(map(is_ready, pods))
    )


def _job_counts(obj: Json, pods: list[Json], _: list[Json]) -> bool:
    # Its count of ready pods comes up to a second late and decides nothing.
    active = sum(map(is_active, pods))
    status = obj["status"]
    return status.get("active", 0) == active and not status.get("uncountedTerminatedPods")


_CHECKS: dict[str, Callable[[Json, list[Json], list[Json]], bool]] = {
    "ReplicaSet": _replica_set_counts,
    "Deployment": _deployment_counts,
    "StatefulSet": _stateful_set_counts,
    "DaemonSet": _daemon_set_counts,
    "Job": _job_counts,
}


def timers(state: State) -> Iterator[str]:
    """What will happen in a settled state by the passing of time alone, within the hour."""
    for pod in state.pods:
        if pod["status"].get("phase") == "Running" and (
            "simkube.io/kwok-stage-complete" in (pod["metadata"].get("labels") or {})
        ):
            yield f"{_name(pod)}: will end"
    for obj in state.owners():
        if _waits_for_time(obj):
            yield f"{_name(obj)}: waits"


def _waits_for_time(obj: Json) -> bool:
    spec, status = obj["spec"], obj.get("status") or {}
    if obj["kind"] == "CronJob":
        return not spec.get("suspend")
    if obj["kind"] == "Job":
        return _job_waits(spec, status)
    if any(c["type"] == "ReplicaFailure" for c in status.get("conditions") or []):
        return True  # tries again, after longer and longer pauses
    if obj["kind"] == "DaemonSet":
        return bool(status.get("numberReady", 0) != status.get("numberAvailable", 0))
    return bool(status.get("readyReplicas", 0) != status.get("availableReplicas", 0))


def _job_waits(spec: Json, status: Json) -> bool:
    finished = any(
        c["type"] in ("Complete", "Failed") and c["status"] == "True"
        for c in status.get("conditions") or []
    )
    if finished:
        return "ttlSecondsAfterFinished" in spec
    if spec.get("suspend"):
        return False
    left = spec.get("completions", spec["parallelism"]) - status.get("succeeded", 0)
    wanted = min(spec["parallelism"], left)
    return "activeDeadlineSeconds" in spec or bool(status.get("active", 0) < wanted)


def _name(obj: Json) -> str:
    metadata = obj["metadata"]
    return f"{obj['kind']} {metadata['namespace']}/{metadata['name']}"
