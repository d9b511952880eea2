"""Which events of a trace a replay plays, and when: the one rule for all clusters."""

import math
from collections.abc import Iterator
from itertools import takewhile

from traces.document import Event, Trace

__all__ = ["due_events", "events_within"]


def events_within(trace: Trace, duration: float | None) -> Iterator[Event]:
    """Yield the events that are played.

    Args:
        trace: the trace
        duration: events this many seconds after the first one, and later ones, are not; None
            plays all
    """
    events = trace["events"]
    after = math.inf if duration is None else duration
    return takewhile(lambda event: event["ts"] < events[0]["ts"] + after, events)


def due_events(
    trace: Trace, duration: float | None = None, speed: float = 1.0
) -> Iterator[tuple[int, Event]]:
    """Yield the events that are played, each with the second of the replay at which it is due.

    As in SimKube (`sk-driver/src/runner.rs`) each pause is divided by the speed and truncated to
    whole seconds, and time does not go back where the trace's does.

    Args:
        trace: the trace
        duration: as for `events_within`
        speed: divides the pauses
    """
    due = 0
    before = None
    for event in events_within(trace, duration):
        if before is not None:
            due += int(max(0, event["ts"] - before) / speed)
        before = event["ts"]
        yield due, event
