"""Confidence intervals of shares and means, at 95 %, where episodes share traces.

What a policy does on one trace says little of another trace, and much of the same trace with
another seed. So the traces are what was drawn, and the episodes of one trace are a cluster:
a thousand seeds on ten traces are ten observations and not ten thousand.

- A mean is a ratio of totals over the clusters, its variance by linearisation, its interval from
  Student's t with one degree of freedom less than there are clusters (W. G. Cochran, Sampling
  Techniques, 3rd ed., sections 6.3 and 9A.6).
- A share has Korn and Graubard's interval: that of Clopper and Pearson with the effective number
  of episodes (NCHS, Data Presentation Standards for Proportions, Vital and Health Statistics
  2(175), 2017). With an episode a trace it is Clopper and Pearson's.
- A difference of shares of the same episodes has Bonett and Price's interval for paired
  proportions (Journal of Educational and Behavioral Statistics 37(4), 2012), likewise.

With a single trace the episodes themselves are what was drawn, and the interval is about its
seeds. Of fewer than two there is no interval.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Estimate", "Sums", "difference", "mean", "share"]

_LEVEL = 0.95
_NORMAL = 1.959963984540054  # the quantile of the normal distribution for it


class Sums(NamedTuple):
    """What is needed of the episodes of one trace: their number, the sum of values and squares."""

    episodes: int
    total: float
    squares: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval.

    Args:
        value: the figure; None if there is nothing to compute it from
        low: the interval's lower end; None if there is no interval
        high: the interval's upper end; None likewise
        episodes: of how many
        traces: of how many
    """

    value: float | None
    low: float | None
    high: float | None
    episodes: int
    traces: int


_ROUNDING = 1e-12  # relative: of sums of equal numbers
_NOTHING = Estimate(None, None, None, 0, 0)


def mean(clusters: Sequence[Sums]) -> Estimate:
    """Return the mean of all episodes.

    Args:
        clusters: the sums of each trace
    """
    units = _Units.of(clusters)
    if units is None:
        return _NOTHING
    # A single one, or all alike: nothing tells how far others would be.
    if units.variance <= (_ROUNDING * units.mean) ** 2:
        return units.estimate()
    reach = _student(units.number - 1) * math.sqrt(units.variance)
    return units.estimate(units.mean - reach, units.mean + reach)


def share(clusters: Sequence[Sums]) -> Estimate:
    """Return the share of episodes that have something; each of them counts 1 or 0.

    Args:
        clusters: the sums of each trace
    """
    from scipy.special import betaincinv  # noqa: PLC0415 # heavy: only a report needs it

    units = _Units.of(clusters)
    if units is None:
        return _NOTHING
    if units.number < 2:
        return units.estimate()
    value = units.mean
    size = units.effective(value * (1 - value))
    tail = (1 - _LEVEL) / 2
    hits, misses = value * size, (1 - value) * size
    low = float(betaincinv(hits, misses + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, misses, 1 - tail)) if misses > 0 else 1.0
    return units.estimate(low, high)


def difference(clusters: Sequence[Sums]) -> Estimate:
    """Return the difference of two shares of the same episodes; each counts 1, 0 or -1.

    Args:
        clusters: the sums of each trace
    """
    units = _Units.of(clusters)
    if units is None:
        return _NOTHING
    if units.number < 2:
        return units.estimate()
    value = units.mean
    changed = sum(one.squares for one in clusters) / units.count
    size = units.effective(changed - value**2)
    gained = (size * (changed + value) / 2 + 1) / (size + 2)
    lost = (size * (changed - value) / 2 + 1) / (size + 2)
    middle = gained - lost
    reach = _NORMAL * math.sqrt((gained + lost - middle**2) / (size + 2))
    low, high = max(-1.0, middle - reach), min(1.0, middle + reach)
    return units.estimate(min(low, value), max(high, value))


@dataclass(frozen=True, slots=True)
class _Units:
    """What was drawn: the traces or, of a single one, its episodes.

    Args:
        number: how many were drawn
        mean: over all episodes
        variance: of that mean
        count: of the episodes
        traces: how many there are
    """

    number: int
    mean: float
    variance: float
    count: int
    traces: int

    @classmethod
    def of(cls, clusters: Sequence[Sums]) -> "_Units | None":
        there = [one for one in clusters if one.episodes]
        if not there:
            return None
        count = sum(one.episodes for one in there)
        middle = sum(one.total for one in there) / count
        if len(there) == 1:
            number = count
            scatter = max(0.0, there[0].squares - count * middle**2)
        else:
            number = len(there)
            scatter = sum((one.total - middle * one.episodes) ** 2 for one in there)
        variance = number / (number - 1) * scatter / count**2 if number > 1 else 0.0
        return cls(number, middle, variance, count, len(there))

    def estimate(self, low: float | None = None, high: float | None = None) -> Estimate:
        """Return the mean over all episodes with an interval, or without one."""
        return Estimate(self.mean, low, high, self.count, self.traces)

    def effective(self, scatter: float) -> float:
        """Return how many independent episodes would say as much.

        Args:
            scatter: the mean square of the episodes' distance from the mean
        """
        scatter *= self.count / max(1, self.count - 1)
        if self.variance <= 0 or scatter <= 0:  # all alike: no more is known than of each unit
            return float(self.number)
        # Korn and Graubard's correction for the few degrees of freedom of the variance.
        few = (_student(max(1, self.count - 1)) / _student(self.number - 1)) ** 2
        return min(float(self.count), max(1.0, scatter / self.variance * few))


def _student(freedom: int) -> float:
    """Return the quantile of Student's t for the level."""
    from scipy.special import stdtrit  # noqa: PLC0415 # heavy: only a report needs it

    return float(stdtrit(freedom, (1 + _LEVEL) / 2))
