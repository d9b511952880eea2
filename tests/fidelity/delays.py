"""How late things really were, against the engine's own rules.

A guided run takes every beginning from what really happened, so each delay is compared by
itself: the engine says when a pod was due to start, to end, to be made or to be deleted.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sim_arena.engine.guided import FAR
from tests.fidelity.account import RealPod
from tests.fidelity.recording import Recording
from traces.arithmetic import UNSET

_MS = 1_000_000


class Delay(NamedTuple):
    """One thing that happened after a while.

    Attributes:
        what: what happened, of what kind of workload.
        late_s: by how much later than the engine has it; negative where it was earlier.
    """

    what: str
    late_s: float


def delays(recording: Recording, pods: Sequence[RealPod], rows: Any) -> Iterator[Delay]:
    """Compare real pods with the engine's.

    Args:
        recording: the scenario.
        pods: the real ones.
        rows: `REAL_POD` records of them, filled in by a guided run.
    """
    seen = recording.moments[-1].seen
    for real, row in zip(pods, rows, strict=False):
        if row.pod == UNSET:
            continue
        for what, own, theirs in _happenings(recording, pods, real, row):
            if own not in (UNSET, FAR) and theirs <= seen:
                yield Delay(what, (theirs - own) / 1e9)


def _happenings(
    recording: Recording, pods: Sequence[RealPod], real: RealPod, row: Any
) -> Iterator[tuple[str, int, int]]:
    kind = real.root.kind
    if any(recording.scenario.delays):
        yield from _start(recording.scenario.delays, real)
    yield "end of a lifecycle", row.own_end, real.ended
    if kind in ("StatefulSet", "DaemonSet"):
        yield f"{kind}: a pod is made", row.own_creation, real.thing.created
        yield f"{kind}: a pod is deleted", row.own_deletion, real.deleted
    if kind in ("Job", "CronJob"):
        yield _making(pods, real), row.own_creation, real.thing.created
        finished = real.ended < real.deleted
        what = "finished pods are deleted" if finished else "a running pod is deleted"
        yield f"{kind}: {what}", row.own_deletion, real.deleted


def _start(delays_ms: tuple[int, int, int, int], real: RealPod) -> Iterator[tuple[str, int, int]]:
    """A start's delay is random where a delay differs from its jitter: the last moment counts."""
    least = most = 0
    for delay, jitter in (delays_ms[:2], delays_ms[2:]):
        least += min(delay, jitter) if jitter > delay else jitter
        most += jitter
    if real.bound == FAR:
        return
    if least == most:
        yield "start after fixed delays", real.bound + most * _MS, real.running
    else:
        early, late = real.bound + least * _MS, real.bound + most * _MS
        # Inside its bounds it is on time.
        own = min(max(real.running, early), late) if real.running != FAR else FAR
        yield "start after random delays", own, real.running


def _making(pods: Sequence[RealPod], real: RealPod) -> str:
    kind = real.root.kind
    siblings = [other for other in pods if other.thing.owner is real.thing.owner]
    if kind == "CronJob" and siblings[0] is real:
        return "CronJob: the first pod of a slot"
    lost = any(other.deleted < min(other.ended, real.thing.created) for other in siblings)
    return f"{kind}: a pod is made" + (" after others were lost" if lost else "")
