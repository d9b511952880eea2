"""Has the control plane done all that it can do for now? Read from what it reports.

Settled means: every controller has seen the newest form of its objects, what it counts is what
is there, its work queues are empty; every pod is on a node and plays its part, or the scheduler
has tried it and put it aside; and nothing changed between two looks.
"""

import re
import time
from collections.abc import Callable
from typing import NamedTuple

from sim_arena.clusters.kube.settling import timers, unsettled, waits_for_scheduler
from tests.cluster.harness import ControlPlane
from tests.cluster.state import WORKLOAD_KINDS, State, read_state

__all__ = ["DEADLINE_S", "NotSettledError", "Settler", "Work", "read_work", "timers"]

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
    waiting = sum(1 for pod in state.pods if waits_for_scheduler(pod))
    if work.aside != waiting:
        return f"{waiting} pods without a node, the scheduler knows of {work.aside}"
    return None
