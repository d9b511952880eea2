"""Plays a scenario on the real control plane, and records what it showed and when.

The times are the real ones: the engine is then run on the same times, so that ages of pods and
elapsed delays are the same on both sides. Pauses in which nothing would happen are left out.
"""

import time
from dataclasses import dataclass
from typing import NamedTuple

from tests.cluster.harness import ControlPlane
from tests.cluster.replay import Options, Replay, Step, timeline, workloads
from tests.cluster.state import WORKLOAD_KINDS, Status
from tests.cluster.waiting import wait_until
from tests.fidelity.scenarios import NAMESPACES, Scenario

_NS = 1_000_000_000
_BEFORE_NEXT_S = 0.5
_AFTER_LAST_S = 5.0
_END_S = 120.0
_OWNED = {"Deployment": "ReplicaSet", "CronJob": "Job"}


class Counts(NamedTuple):
    """What is seen of one workload: pods by state, and the scheduler's messages of pending ones."""

    kind: str
    namespace: str
    name: str
    ready: int
    pending: int
    total: int
    reasons: tuple[tuple[str, int], ...]

    @property
    def numbers(self) -> tuple[int, int, int]:
        """Ready, pending, total."""
        return (self.ready, self.pending, self.total)


class Moment(NamedTuple):
    """One event, and what was there when the control plane had settled after it.

    Times are nanoseconds on a clock that was at a whole second of wall time when it was 0.
    """

    due: int  # seconds after the first event, in the trace
    applied: int
    seen: int
    workloads: tuple[Counts, ...]
    placements: tuple[tuple[str, str], ...]  # pod of which workload, on which node; sorted


@dataclass(frozen=True)
class Recording:
    """A scenario and what the real control plane made of it.

    Attributes:
        scenario: what was played.
        moments: one for each event, up to an error.
        error: what the API server refused, if it did.
        wall_s: how long it took, nodes' coming and going included.
    """

    scenario: Scenario
    moments: tuple[Moment, ...]
    error: str | None
    wall_s: float


class _TimedReplay(Replay):
    """Notes when an event began to be applied; asks for no kinds that cannot be there."""

    applied = 0

    def __init__(self, plane: ControlPlane, scenario: Scenario, options: Options) -> None:
        super().__init__(plane, scenario.trace, list(scenario.nodes), options)
        made = {_OWNED.get(kind, kind) for kind in scenario.kinds}
        self._settler.kinds = WORKLOAD_KINDS & {"Pod", *scenario.kinds, *made}

    def _play(self, step: Step) -> None:
        self.applied = time.time_ns()
        super()._play(step)


def record(plane: ControlPlane, scenario: Scenario, prefix: str) -> Recording:
    """Play a scenario.

    Args:
        plane: a running control plane without nodes.
        scenario: what to play.
        prefix: goes before the namespaces' names; another one each time.
    """
    began = time.monotonic()
    options = Options(rewrite=scenario.replay == "simkube", prefix=prefix)
    dues = [step.due for step in timeline(scenario.trace, options)]
    # Seen at the end of the pause, when what has a delay is over.
    ends = [due - _BEFORE_NEXT_S for due in dues[1:]] + [dues[-1] + _AFTER_LAST_S]
    moments: list[Moment] = []
    if scenario.replay == "plain":
        _await_end_of_namespaces(plane)
    with _TimedReplay(plane, scenario, options) as replay:
        start = 0
        for due, (_, statuses) in zip(dues, replay.play_until(ends), strict=True):
            if replay.error is not None:
                break
            start = start or replay.applied // _NS * _NS
            seen = time.time_ns() - start
            counts = tuple(_counts(status) for status in statuses)
            placed = _placements(replay)
            moments.append(Moment(due, replay.applied - start, seen, counts, placed))
        error = replay.error
    return Recording(scenario, tuple(moments), error, time.monotonic() - began)


def _await_end_of_namespaces(plane: ControlPlane) -> None:
    """Plain replays use the same namespaces, which take some seconds to go."""

    def left() -> str | None:
        found = [obj["metadata"]["name"] for obj in plane.api.list("/api/v1/namespaces")]
        own = [name for name in found if name in NAMESPACES]
        return f"namespaces still there: {', '.join(own)}" if own else None

    wait_until(left, _END_S)


def _counts(status: Status) -> Counts:
    reasons = tuple(sorted(status.reasons.items()))
    return Counts(*status.workload, status.ready, status.pending, status.total, reasons)


def _placements(replay: Replay) -> tuple[tuple[str, str], ...]:
    found = [
        (str(ref), pod["spec"]["nodeName"])
        for ref in workloads(replay.trace)
        for pod in replay.pods(ref)
        if "nodeName" in pod["spec"]
    ]
    return tuple(sorted(found))
