"""What a container uses over time, read from the pod template's annotations.

KWOK's `kwok.x-k8s.io/usage-cpu` and `kwok.x-k8s.io/usage-memory` give every regular container
the full value (1m and 1Mi where they are missing, as in KWOK's stage). Our own
`usage.sim-arena.io/CONTAINER: "cpu=200m, memory=100Mi + ramp(0, 800Mi, 10m)"` names one container
and goes before. docs/usage.md has the grammar.

A profile is compiled to a sum of terms, each a line through points that may repeat. What the
points mean is said in `engine/usage.py`, which reads them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from traces import TraceError
from traces.errors import QuantityError
from traces.quantities import parse_cpu, parse_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["OURS", "Profile", "Usage", "usage_of"]

OURS = "usage.sim-arena.io/"
_CPU = "kwok.x-k8s.io/usage-cpu"
_MEMORY = "kwok.x-k8s.io/usage-memory"

Point = tuple[int, int]
"""Seconds, and milli-CPU or bytes."""


class Term(NamedTuple):
    """A line through points, from some moment on.

    Attributes:
        points: in order of time; before the first the last holds, and behind the last as well.
        by_trace: the seconds count from the trace's first event, else from the container's start.
        origin: what is taken from the seconds.
        period: after how many seconds the line begins again; 0: never.
        shared: it is the load of all replicas together.
    """

    points: tuple[Point, ...]
    by_trace: bool
    origin: int = 0
    period: int = 0
    shared: bool = False

    def numbers(self) -> list[int]:
        """Return the term as it stands in `Arrays.timelines`."""
        head = [int(self.by_trace), int(self.shared), self.origin, self.period, len(self.points)]
        return head + [number for point in self.points for number in point]


@dataclass(frozen=True)
class Profile:
    """What is used of one resource: a constant amount, and terms that vary.

    Attributes:
        constant: milli-CPU or bytes.
        terms: what comes on top.
        watched: whether it is written as a profile, so that the nodes are looked at as well.
    """

    constant: int = 0
    terms: tuple[Term, ...] = ()
    watched: bool = False

    def __add__(self, other: Profile) -> Profile:
        return Profile(
            self.constant + other.constant,
            self.terms + other.terms,
            self.watched or other.watched,
        )

    @property
    def most(self) -> int:
        """The most that it can come to, if one replica bears the whole load."""
        return self.constant + sum(max(y for _, y in term.points) for term in self.terms)

    def numbers(self) -> list[int]:
        """Return the terms as they stand in `Arrays.timelines`."""
        return [number for term in self.terms for number in term.numbers()]


class Usage(NamedTuple):
    """What a container uses: cpu in milli-CPU, memory in bytes."""

    cpu: Profile
    memory: Profile


def usage_of(annotations: Mapping[str, str], container: str, *, regular: bool) -> Usage:
    """Return what a container uses.

    Args:
        annotations: of its pod template.
        container: its name.
        regular: whether KWOK's annotations are about it.

    Raises:
        TraceError: if an annotation cannot be read.
    """
    found = {"cpu": Profile(), "memory": Profile()}
    if regular:
        found["cpu"] = Profile(parse_cpu(annotations.get(_CPU, "1m")))
        found["memory"] = Profile(parse_memory(annotations.get(_MEMORY, "1Mi")))
    text = annotations.get(OURS + container)
    if text is not None:
        try:
            found |= _Reader(str(text)).usage()
        except (_UnreadableError, QuantityError) as error:
            raise TraceError(f"annotation {OURS}{container}: {error}") from error
    return Usage(found["cpu"], found["memory"])


class _UnreadableError(Exception):
    """Says what was expected and what was found."""


_PARSERS: dict[str, Callable[[str], int]] = {"cpu": parse_cpu, "memory": parse_memory}
_TOKEN = re.compile(r"\s*([(),+=]|[^\s(),+=]+)")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SECONDS = (86400, 3600, 60, 1)
_LONGEST = 10 * 365 * 86400
_MOST = {"cpu": 1_000_000_000, "memory": 1 << 50}
# A cosine from 0 to 1000 and back, every 1/24 of its period.
_WAVE = (0, 17, 67, 146, 250, 371, 500, 629, 750, 854, 933, 983, 1000)
_EXAMPLES = {
    "constant": "constant(VALUE), such as constant(300Mi)",
    "ramp": "ramp(FROM, TO, TIME), such as ramp(100Mi, 900Mi, 10m)",
    "diurnal": "diurnal(LOW, HIGH, PERIOD) or diurnal(LOW, HIGH, PERIOD, PEAK), such as "
    "diurnal(200m, 2, 24h, 14h)",
    "spike": "spike(BASE, PEAK, AT, FOR) or spike(BASE, PEAK, AT, FOR, EVERY), such as "
    "spike(100m, 2, 60s, 30s, 10m)",
    "series": "series(STEP, VALUE, VALUE, ...), such as series(30s, 100Mi, 250Mi, 180Mi)",
}


class _Reader:
    """Reads `cpu=PROFILE, memory=PROFILE`, where a profile is a sum of parts."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = _TOKEN.findall(text)
        self._at = 0
        self._resource = "cpu"

    def usage(self) -> dict[str, Profile]:
        found: dict[str, Profile] = {}
        while True:
            self._resource = self._take()
            if self._resource not in _PARSERS or self._take() != "=":
                raise _UnreadableError(
                    f"expected 'cpu=200m, memory=300Mi', one of them or both, found {self._text!r}"
                )
            if self._resource in found:
                raise _UnreadableError(f"expected {self._resource} once, found it twice")
            found[self._resource] = self._sum()
            end = self._take()
            if not end:
                return found
            if end != ",":
                raise self._wrong("',' or the end", end)

    def _take(self) -> str:
        """Return the next token; nothing at the end."""
        self._at += 1
        return self._tokens[self._at - 1] if self._at <= len(self._tokens) else ""

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _sum(self) -> Profile:
        total = self._part()
        while self._next() == "+":
            self._at += 1
            total += self._part()
        return total

    def _part(self) -> Profile:
        name = self._take()
        if self._next() != "(":
            return Profile(self._value(name))
        self._at += 1
        if name == "shared":
            inner = self._sum()
            self._close()
            return _shared(inner)
        if name not in _EXAMPLES:
            known = ", ".join([*_EXAMPLES, "shared"])
            raise _UnreadableError(f"{self._resource}: expected one of {known}, found {name!r}")
        arguments = [self._take()]
        while self._next() == ",":
            self._at += 1
            arguments.append(self._take())
        self._close()
        try:
            return _made(name, arguments, self._value)
        except (_UnreadableError, QuantityError) as error:
            found = f"{name}({', '.join(arguments)})"
            raise _UnreadableError(
                f"{self._resource}: expected {_EXAMPLES[name]}, found {found}: {error}"
            ) from error

    def _close(self) -> None:
        if (found := self._take()) != ")":
            raise self._wrong("')'", found)

    def _value(self, text: str) -> int:
        amount = _PARSERS[self._resource](text)
        if amount > _MOST[self._resource]:
            raise _UnreadableError(f"expected less than a million CPU and 1Pi, found {text}")
        return amount

    def _wrong(self, expected: str, found: str) -> _UnreadableError:
        where = f"{found!r}" if found else "the end"
        return _UnreadableError(f"{self._resource}: expected {expected}, found {where}")


def _shared(inner: Profile) -> Profile:
    """Let a profile be that of all replicas together, the constant part as well."""
    terms = (Term(((0, inner.constant),), by_trace=True), *inner.terms)
    return Profile(0, tuple(term._replace(shared=True) for term in terms), watched=True)


def _made(name: str, arguments: Sequence[str], value: Callable[[str], int]) -> Profile:
    if name == "constant":
        _count(arguments, 1, 1)
        return Profile(value(arguments[0]), watched=True)
    make = {"ramp": _ramp, "diurnal": _diurnal, "spike": _spike, "series": _series}[name]
    return Profile(0, (make(arguments, value),), watched=True)


def _count(arguments: Sequence[str], least: int, most: int) -> None:
    if not least <= len(arguments) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise _UnreadableError(f"{wanted} arguments are needed, not {len(arguments)}")


def _seconds(text: str, least: int = 1) -> int:
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise _UnreadableError(f"{text!r} is no time such as 90s, 10m or 1h30m")
    seconds = sum(int(n or 0) * unit for n, unit in zip(match.groups(), _SECONDS, strict=True))
    if not least <= seconds <= _LONGEST:
        raise _UnreadableError(f"{text} is not between {least}s and ten years")
    return seconds


def _ramp(arguments: Sequence[str], value: Callable[[str], int]) -> Term:
    """From the container's start: a leak, or a cache that fills, begins anew with it."""
    _count(arguments, 3, 3)
    start, end, time = arguments
    return Term(((0, value(start)), (_seconds(time), value(end))), by_trace=False)


def _diurnal(arguments: Sequence[str], value: Callable[[str], int]) -> Term:
    _count(arguments, 3, 4)
    low, high = value(arguments[0]), value(arguments[1])
    period = _seconds(arguments[2], 24)
    peak = _seconds(arguments[3], 0) if len(arguments) > 3 else period // 2
    wave = [*_WAVE, *reversed(_WAVE[:-1])]
    points = tuple(
        (period * k // 24, low + (high - low) * share // 1000) for k, share in enumerate(wave)
    )
    begun = (peak - period // 2) % period - period  # when the line began last, before the trace
    return Term(points, by_trace=True, origin=begun, period=period)


def _spike(arguments: Sequence[str], value: Callable[[str], int]) -> Term:
    _count(arguments, 4, 5)
    base, peak = value(arguments[0]), value(arguments[1])
    at, length = _seconds(arguments[2], 0), _seconds(arguments[3])
    every = _seconds(arguments[4]) if len(arguments) > 4 else 0
    if 0 < every <= length:
        raise _UnreadableError("EVERY has to be longer than FOR")
    return Term(((0, peak), (length, peak), (length, base)), by_trace=True, origin=at, period=every)


def _series(arguments: Sequence[str], value: Callable[[str], int]) -> Term:
    """Straight lines between what was recorded."""
    if len(arguments) < 2:
        raise _UnreadableError("a step and at least one value are needed")
    step = _seconds(arguments[0])
    points = tuple((step * k, value(text)) for k, text in enumerate(arguments[1:]))
    return Term(points, by_trace=True)
