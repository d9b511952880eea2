"""Compares a recording with what the embedded cluster may show, event by event.

Kubernetes leaves much open: which of equal nodes, which of equally old pods, whose pods come
first. So the embedded cluster runs with many seeds, and what really happened has to be among
what they give: `agrees`. Where they all give the same, it has to be just that: `exact`.
"""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from sim_arena.fidelity.embedded import Outcome, Times, compile_at, outcomes
from sim_arena.fidelity.recording import Counts, Moment, Recording

__all__ = ["MORE_SEEDS", "SEEDS", "Comparison", "Event", "Found", "Numbers", "compare"]

SEEDS = 256
MORE_SEEDS = 8192
"""What the first seeds did not show is looked for in more: rare is not impossible."""

Numbers = tuple[int, int, int]
"""Ready, pending, total."""


class Found(NamedTuple):
    """One workload after one event, on both sides.

    Attributes:
        real: what the real cluster counted; its messages too.
        embedded: how many seeds gave which counts, the most frequent first.
        agrees: whether the real counts are among them.
        reasons: whether the real messages are among those of the seeds with these counts.
    """

    real: Counts
    embedded: dict[Numbers, int]
    agrees: bool
    reasons: bool


@dataclass(frozen=True)
class Event:
    """One event, on both sides.

    Attributes:
        number: the event's number in the trace, from 0.
        due: seconds after the first event.
        workloads: what is seen of each workload.
        agrees: whether some seed gives the real counts of all workloads at once.
        exact: whether the only possible counts are the real ones; None where seeds differ.
        share: of the seeds that gave the real counts.
        width: how many different counts the seeds gave.
        seeds: how many were run.
        unsettled: why the real cluster was not settled when it was looked at.
    """

    number: int
    due: int
    workloads: tuple[Found, ...]
    agrees: bool
    exact: bool | None
    share: float
    width: int
    seeds: int
    unsettled: str | None


@dataclass(frozen=True)
class Comparison:
    """A whole trace, on both sides.

    Attributes:
        events: one for each moment at which events were played.
        warnings: what the embedded cluster does not model.
        error: what the API server refused, if it did.
    """

    events: tuple[Event, ...]
    warnings: tuple[str, ...]
    error: str | None

    @property
    def agrees(self) -> bool:
        """Whether the two agree after every event, and all could be played."""
        return self.error is None and all(event.agrees for event in self.events)


def compare(recording: Recording, seeds: int = SEEDS, more: int = MORE_SEEDS) -> Comparison:
    """Compare a recording with the embedded cluster.

    Args:
        recording: what the real cluster showed.
        seeds: runs of the embedded cluster.
        more: runs in all, where those did not give what the real one showed.
    """
    if not recording.moments:
        return Comparison((), (), recording.error)
    times = [Times(moment.due, moment.applied, moment.seen) for moment in recording.moments]
    program = compile_at(
        recording.trace, recording.nodes, recording.replay, times, recording.start_s
    )
    seen = [moment.seen for moment in recording.moments]
    supports = outcomes(program, seen, range(seeds))
    events = _events(recording, supports)
    if not all(event.agrees for event in events) and more > seeds:
        wider = outcomes(program, seen, range(seeds, more))
        events = _events(recording, [a + b for a, b in zip(supports, wider, strict=True)])
    return Comparison(events, tuple(program.warnings), recording.error)


def _events(recording: Recording, supports: list[Counter[Outcome]]) -> tuple[Event, ...]:
    moments = zip(recording.moments, supports, strict=True)
    return tuple(_event(moment, support) for moment, support in moments)


def _event(moment: Moment, support: Counter[Outcome]) -> Event:
    counts: Counter[tuple[tuple[str, Numbers], ...]] = Counter()
    for outcome, seeds in support.items():
        counts[_numbers(outcome)] += seeds
    real = _numbers(moment.workloads)
    agrees = real in counts
    return Event(
        number=moment.event,
        due=moment.due,
        workloads=tuple(_found(own, support) for own in moment.workloads),
        agrees=agrees,
        exact=agrees if len(counts) == 1 else None,
        share=counts[real] / counts.total(),
        width=len(counts),
        seeds=counts.total(),
        unsettled=moment.unsettled,
    )


def _numbers(outcome: Outcome) -> tuple[tuple[str, Numbers], ...]:
    return tuple(sorted((str(own), own.numbers) for own in outcome))


def _found(real: Counts, support: Counter[Outcome]) -> Found:
    """One workload's counts among the seeds; one that a seed does not show counts nothing."""
    counts: Counter[Numbers] = Counter()
    reasons = False
    for outcome, seeds in support.items():
        own = next((one for one in outcome if str(one) == str(real)), None)
        numbers = own.numbers if own is not None else (0, 0, 0)
        counts[numbers] += seeds
        if numbers == real.numbers:
            reasons |= (own.reasons if own is not None else ()) == real.reasons
    ordered = dict(counts.most_common())
    return Found(real, ordered, agrees=real.numbers in ordered, reasons=reasons)
