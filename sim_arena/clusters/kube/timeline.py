"""When a replay does what: the events of a trace in scaled real time."""

from typing import NamedTuple

from sim_arena.clusters.kube.api import Json
from traces import Trace, due_events

__all__ = ["Step", "timeline"]


class Step(NamedTuple):
    """One event: when it is due, in seconds after the first, and what it does."""

    due: int
    number: int
    applied: list[Json]
    deleted: list[Json]


def timeline(trace: Trace, duration: int | None = None, speed: float = 1.0) -> list[Step]:
    """The events that are played, with their times.

    Args:
        trace: the trace.
        duration: events this many seconds after the first one, and later ones, are dropped;
            None keeps all.
        speed: divides the pauses, each truncated to whole seconds, as in SimKube.
    """
    return [
        Step(due, number, event["applied_objs"], event["deleted_objs"])
        for number, (due, event) in enumerate(due_events(trace, duration, speed))
    ]
