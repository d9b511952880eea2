"""Has the control plane done all that it can do for now? Read from what it reports.

Settled means: every controller has seen the newest form of its objects, what it counts is what
is there, its work queues are empty; every pod is on a node and plays its part, or the scheduler
has tried it and put it aside; and nothing changed between two looks.
"""

import re
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.cluster.api import Json
from tests.cluster.harness import ControlPlane
from tests.cluster.state import (
    TERMINAL,
    WORKLOAD_KINDS,
    State,
    controller,
    is_active,
    is_deleted,
    is_ready,
    read_state,
    scheduled_condition,
)

_QUEUES = (
    "cronjob",
    "daemonset",
    "deployment",
    "job",
    "job_orphan_pod",
    "replicaset",
    "statefulset",
    "garbage_collector_attempt_to_delete",
    "garbage_collector_attempt_to_orphan",
    "garbage_collector_graph_changes",
)
_SAMPLE = re.compile(
    r"^(workqueue_adds_total|workqueue_work_duration_seconds_count|scheduler_pending_pods)"
    r'\{(?:name|queue)="([^"]+)"\} (\S+)$',
    re.MULTILINE,
)
_ATTEMPTS = re.compile(r"^scheduler_schedule_attempts_total\{[^}]*\} (\S+)$", re.MULTILINE)
_POLL_S = 0.04
DEADLINE_S = 120.0
JOB_FINALIZER = "batch.kubernetes.io/job-tracking"


class NotSettledError(TimeoutError):
    """The control plane was still at work when the deadline passed; says at what."""


class Work(NamedTuple):
    """What the scheduler and the controllers report of their queues.

    Attributes:
        active: pods that the scheduler is going to try, back-off included.
        aside: pods that it tried in vain, or that are gated.
        busy: names of the controllers' queues with something to do.
        attempts: how often the scheduler tried a pod, and the controllers an object.
    """

    active: int
    aside: int
    busy: tuple[str, ...]
    attempts: float


def read_work(plane: ControlPlane) -> Work:
    """Read the metrics of the scheduler and of the controller manager."""
    scheduler = plane.scheduler_metrics()
    pods = {queue: int(float(n)) for _, queue, n in _SAMPLE.findall(scheduler)}
    added: dict[str, float] = {}
    done: dict[str, float] = {}
    for metric, queue, number in _SAMPLE.findall(plane.manager_metrics()):
        (added if metric.endswith("adds_total") else done)[queue] = float(number)
    return Work(
        active=pods.get("active", 0) + pods.get("backoff", 0),
        aside=pods.get("unschedulable", 0) + pods.get("gated", 0),
        busy=tuple(q for q in _QUEUES if added.get(q, 0) != done.get(q, 0)),
        attempts=sum(map(float, _ATTEMPTS.findall(scheduler))) + sum(added[q] for q in _QUEUES),
    )


class Settler:
    """Waits until a control plane has settled.

    Attributes:
        quiet_s: for how long nothing may have changed, in seconds.
        poll_s: the pause between two looks, in seconds.
        kinds: the kinds of workload that there can be.
    """

    def __init__(self, plane: ControlPlane, quiet_s: float = 0.2, poll_s: float = _POLL_S) -> None:
        self.plane = plane
        self.quiet_s = quiet_s
        self.poll_s = poll_s
        self.kinds = WORKLOAD_KINDS

    def look(self) -> tuple[State, str | None]:
        """One look: the state, and why it is not settled; None where nothing says so."""
        state = read_state(self.plane.api, self.kinds)
        reason = next(unsettled(state), None)
        return state, reason

    def wait(
        self, deadline_s: float = DEADLINE_S, on_look: Callable[[State], None] | None = None
    ) -> State:
        """Poll until the control plane has settled.

        Args:
            deadline_s: how long to wait, in seconds.
            on_look: is given every state that was read on the way.

        Returns:
            The settled state.

        Raises:
            NotSettledError: The deadline passed.
            ProcessFailedError: A part of the control plane has died.
        """
        deadline = time.monotonic() + deadline_s
        last: tuple[object, float] | None = None
        while True:
            state, reason = self.look()
            if on_look is not None:
                on_look(state)
            work = read_work(self.plane) if reason is None else None
            if work is not None:
                reason = _at_work(state, work)
            now = time.monotonic()
            if reason is None and work is not None:
                seen = (state.fingerprint(), work.attempts)
                if last is None or last[0] != seen:
                    last = (seen, now)
                elif now - last[1] >= self.quiet_s:
                    return state
                reason = "something changed a moment ago"
            else:
                last = None
            if now > deadline:
                self.plane.processes.check()
                raise NotSettledError(f"not settled after {deadline_s:g} s: {reason}")
            time.sleep(self.poll_s)


def _at_work(state: State, work: Work) -> str | None:
    """What the queues say against the state's being settled."""
    if work.busy:
        return f"controllers at work: {', '.join(work.busy)}"
    if work.active:
        return f"{work.active} pods in the scheduler's queue"
    waiting = sum(1 for pod in state.pods if _waits_for_scheduler(pod))
    if work.aside != waiting:
        return f"{waiting} pods without a node, the scheduler knows of {work.aside}"
    return None


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
        elif _waits_for_scheduler(pod):
            condition = scheduled_condition(pod)
            if condition is None or condition["status"] != "False":
                yield f"{_name(pod)}: not tried by the scheduler yet"
        if pod["status"].get("phase") in TERMINAL and JOB_FINALIZER in (
            pod["metadata"].get("finalizers") or []
        ):
            yield f"{_name(pod)}: finished, not counted by its Job yet"


def _waits_for_scheduler(pod: Json) -> bool:
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
