"""Plays a trace on a real cluster, and records what it showed after each event, and when.

The times are the real ones: the engine is then run on the same times, so that ages of pods and
elapsed delays are the same on both sides. Pauses in which nothing would happen are left out.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from sim_arena.afterwards import afterwards
from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.cleaning import remove
from sim_arena.clusters.kube.lease import LEASE, Lease
from sim_arena.clusters.kube.objects import Status
from sim_arena.clusters.kwok.replay import Pace, Replay
from sim_arena.errors import PermanentError
from sim_arena.nodes import Node
from sim_arena.spec import Replay as ReplayMode
from traces import Trace

__all__ = ["NS", "Counts", "Moment", "Recording", "record"]

NS = 1_000_000_000

_BEFORE_NEXT_S = 0.5
_AFTER_LAST_S = 5.0
_SETTLE_S = 60.0


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

    @classmethod
    def of(cls, status: Status) -> "Counts":
        """Return what a status says."""
        reasons = tuple(sorted(status.reasons.items()))
        return cls(*status.workload, status.ready, status.pending, status.total, reasons)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class Moment(NamedTuple):
    """One event, and what was there when the cluster had settled after it.

    Times are nanoseconds on a clock that was at a whole second of wall time when it was 0.

    Attributes:
        event: the event's number, from 0.
        due: seconds after the first event, in the trace.
        applied: when it was begun to be applied.
        seen: when the cluster was looked at.
        workloads: what it showed.
        unsettled: why the cluster was not settled; None where it was.
    """

    event: int
    due: int
    applied: int
    seen: int
    workloads: tuple[Counts, ...]
    unsettled: str | None = None


@dataclass(frozen=True)
class Recording:
    """A trace and what a real cluster made of it.

    Attributes:
        trace: what was played.
        nodes: on which nodes.
        replay: how.
        moments: one for each event, up to an error.
        error: what the API server refused, if it did.
        start_s: when the moments' clock was 0, in seconds since 1970: schedules go by that.
    """

    trace: Trace
    nodes: Sequence[Node]
    replay: ReplayMode
    moments: tuple[Moment, ...]
    error: str | None = None
    start_s: int | None = None


def record(  # noqa: PLR0913 # each is needed
    api: Api,
    trace: Trace,
    nodes: Sequence[Node],
    run_id: str,
    *,
    replay: ReplayMode = "simkube",
    duration: int | None = None,
    queue_s: float = 600.0,
) -> Recording:
    """Play a trace, and remove it again.

    Args:
        api: the cluster.
        trace: what to play.
        nodes: the nodes that are there.
        run_id: under which everything is labelled.
        replay: `simkube` rewrites the objects as SimKube does; `plain` leaves them.
        duration: later events are dropped.
        queue_s: seconds to wait for the cluster while another run has it.

    Raises:
        ClusterError: the cluster could not be used or read.
    """
    lease = Lease(api, LEASE)
    lease.acquire(run_id, {"simulation": run_id}, queue_s)
    try:
        with (
            lease.kept(run_id) as keeper,
            afterwards(lambda: remove(api, run_id), BaseException),
        ):
            pace = Pace(rewrite=replay == "simkube", duration=duration)
            with Replay(api, trace, run_id, run_id, pace, check=keeper.check) as playing:
                start_s, moments, error = _moments(playing)
    finally:
        lease.release(run_id)
    return Recording(trace, nodes, replay, tuple(moments), error, start_s)


def _moments(playing: Replay) -> tuple[int | None, list[Moment], str | None]:
    """Play all events; those that are due at one time are one moment.

    Returns:
        the whole second at which the moments' clock was 0, the moments, and what was refused
    """
    moments: list[Moment] = []
    together = [(due, list(steps)) for due, steps in groupby(playing.steps, lambda s: s.due)]
    ends = [due - _BEFORE_NEXT_S for due, _ in together[1:]]
    ends += [due + _AFTER_LAST_S for due, _ in together[-1:]]
    start = 0
    for (due, steps), end in zip(together, ends, strict=True):
        playing.skip(due)
        applied = time.time_ns()
        start = start or applied // NS * NS
        try:
            for step in steps:
                playing.play(step)
        except PermanentError as error:
            return start // NS, moments, str(error)
        playing.settle(_SETTLE_S)
        playing.skip(end)
        unsettled = playing.settle(_SETTLE_S)
        counts = tuple(map(Counts.of, playing.statuses()))
        seen = time.time_ns()
        times = (due, applied - start, seen - start)
        moments.append(Moment(steps[0].number, *times, counts, unsettled))
    return start // NS if moments else None, moments, None
