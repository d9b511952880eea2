"""When a replay does what: the events of a trace in scaled real time."""

from typing import NamedTuple

from sim_arena.clusters.kube.api import Json
from traces import Trace

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
    steps: list[Step] = []
    due = 0
    previous: int | None = None
    for index, event in enumerate(trace["events"]):
        start = trace["events"][0]["ts"]
        if duration is not None and event["ts"] >= start + duration:
            break
        pause = max(0, event["ts"] - previous) if previous is not None else 0
        due += int(pause / speed)
        previous = event["ts"]
        steps.append(Step(due, index, event["applied_objs"], event["deleted_objs"]))
    return steps
