"""One measured figure beside its goal, and how to measure it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Figure", "best_seconds"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that was measured.

    Attributes:
        name: what was measured.
        value: the figure.
        unit: its unit.
        goal: what it should reach; None where there is no goal.
        better: whether more is better, or less.
        note: what one needs to know to read it.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None
    better: Literal["more", "less"] = "more"
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the goal is reached: 1 and above is good."""
        if self.goal is None:
            return None
        return self.value / self.goal if self.better == "more" else self.goal / self.value


def best_seconds(work: Callable[[], object], *, threads: int = 1, at_least: float = 1.0) -> float:
    """Return the shortest of several times, in seconds: what others do only makes it longer.

    Args:
        work: what to measure.
        threads: how many threads work; the time of one is processor time, which other
            processes disturb less, that of several is wall time.
        at_least: for how many seconds of wall time to try.
    """
    clock = time.thread_time if threads == 1 else time.perf_counter
    shortest = float("inf")
    end = time.perf_counter() + at_least
    while shortest == float("inf") or time.perf_counter() < end:
        start = clock()
        work()
        shortest = min(shortest, clock() - start)
    return shortest
