"""How far a sweep is, and how long it will take."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic

from sim_arena.errors import PermanentError

__all__ = ["ChunkReport", "Progress", "TooManyFailedError", "UnplayedError"]

_WINDOW = 20  # chunks: the rate is that of the last ones


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """What came of a chunk.

    Args:
        chunk: its number
        episodes, steps, successes, failed: how many
        size: of its files in bytes
        seconds: by stage: engine, policies, rows, files, whole
    """

    chunk: int
    episodes: int
    steps: int
    successes: int
    failed: int
    size: int
    seconds: dict[str, float] = field(default_factory=dict)


class TooManyFailedError(PermanentError):
    """More episodes of a sweep failed than it allows."""


class UnplayedError(PermanentError):
    """Chunks of a sweep could not be played. Nothing of them is written; a resume plays them."""


class Progress:
    """Counts what is done.

    Args:
        total: episodes of the sweep
        max_failed: share of them that may fail
        done, failed: episodes that were played before, in an earlier process
        ends: numbers of episodes after which another cluster plays, which has a speed of its own
        clock: in seconds
    """

    def __init__(  # noqa: PLR0913 # each by its name
        self,
        total: int,
        max_failed: float = 1.0,
        *,
        done: int = 0,
        failed: int = 0,
        ends: Iterable[int] = (),
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.total = total
        self.done = done
        self.failed = failed
        self.lost = 0
        self.problem: str | None = None  # why, of the last ones
        self.steps = 0
        self.successes = 0
        self.size = 0
        self.seconds: dict[str, float] = {}
        self._max_failed = max_failed
        self._ends = sorted({*ends, total})
        self._clock = clock
        self._begun = clock()
        self._marks: deque[tuple[float, int]] = deque([(self._begun, done)], maxlen=_WINDOW + 1)

    def add(self, report: ChunkReport) -> None:
        """Take in a chunk.

        Raises:
            TooManyFailedError: more episodes failed than the sweep allows
        """
        self.note(report.episodes, report.failed)
        self.steps += report.steps
        self.successes += report.successes
        self.size += report.size
        for stage, seconds in report.seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
        self.check()

    def note(self, episodes: int, failed: int) -> None:
        """Take in episodes that were played, without more of what came of them.

        Args:
            episodes: how many
            failed: those of them that failed
        """
        before = self._end
        self.done += episodes
        self.failed += failed
        if self._end != before:  # what was measured says nothing of this cluster
            self._marks.clear()
        self._marks.append((self._clock(), self.done))

    def lose(self, episodes: int, problem: str) -> None:
        """Take in a chunk that could not be played: its episodes count as failed.

        Args:
            episodes: how many
            problem: why

        Raises:
            TooManyFailedError: more episodes failed than the sweep allows
        """
        self.lost += episodes
        self.problem = problem
        self.check()

    def check(self) -> None:
        """Raise if more episodes failed than the sweep allows."""
        allowed = self._max_failed * self.total
        failed = self.failed + self.lost
        if failed > allowed:
            why = "the rows that were written say why"
            if self.lost:
                why = f"{self.lost:,} of them could not be played: {self.problem}"
            raise TooManyFailedError(
                f"{failed:,} of {self.done + self.lost:,} episodes failed, more than the "
                f"{allowed:,.0f} that may (max_failed {self._max_failed:g}): {why}; mend the cause "
                "and resume with retry_failed, which plays them again, or with a larger max_failed"
            )

    def require_all(self) -> None:
        """Raise if something could not be played.

        Raises:
            UnplayedError: and how much
        """
        if self.lost:
            raise UnplayedError(
                f"{self.lost:,} of {self.total:,} episodes could not be played: {self.problem}; "
                "the others are written, and a resume plays these"
            )

    @property
    def elapsed(self) -> float:
        """Seconds since the counting began."""
        return self._clock() - self._begun

    @property
    def rate(self) -> float | None:
        """Episodes a second, over the last chunks; None before the first has ended."""
        (then, before), (now, after) = self._marks[0], self._marks[-1]
        return (after - before) / (now - then) if now > then and after > before else None

    @property
    def remaining(self) -> float | None:
        """Seconds to the end at this rate; None without one, or if another cluster's comes yet."""
        rate = self.rate
        if rate is None or self._end < self.total:
            return None
        return max(0.0, (self.total - self.done - self.lost) / rate)

    @property
    def share(self) -> float:
        """How much of the sweep is done, between 0 and 1."""
        return self.done / self.total if self.total else 1.0

    def line(self) -> str:
        """Return the progress in a line."""
        parts = [f"{self.done:,} of {self.total:,} episodes"]
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.lost:
            parts.append(f"{self.lost:,} could not be played")
        rate, remaining = self.rate, self.remaining
        if rate is not None:
            parts.append(f"{rate:,.0f} a second" if rate >= 10 else f"{rate:.2g} a second")
        if self.done >= self.total:
            parts.append("done")
        elif self.done + self.lost >= self.total:
            parts.append("ended")
        elif remaining is None:
            parts.append("remaining time not known yet")
        else:
            parts.append(f"about {told(remaining)} left")
        return ", ".join(parts)

    @property
    def _end(self) -> int:
        """The number of episodes after which the present cluster has no more."""
        return next((end for end in self._ends if end > self.done + self.lost), self.total)


def told(seconds: float) -> str:
    """Return a time as people say it: 45 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
