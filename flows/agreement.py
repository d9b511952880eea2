"""What the UI shows of a comparison of the embedded cluster with a real one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact

from flows.artifacts import escape, table
from results.words import many
from sim_arena.fidelity import Comparison, Found

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

__all__ = ["Compared", "headline", "page", "publish"]

_SHOWN = 50  # differences on the page
_EXPLAINED = (
    "A moment agrees if what the real cluster counts is among what the embedded one gives for its "
    "seeds; it is equal where they give nothing else."
)


@dataclass(frozen=True)
class Compared:
    """What came of one trace.

    Attributes:
        trace: the file
        comparison: both sides, event by event; None where the trace could not be compared
        error: why not, or what the API server refused on the way
    """

    trace: str
    comparison: Comparison | None
    error: str | None

    @classmethod
    def of(cls, trace: str, state: "State[Comparison]") -> "Compared":
        """Return what the task made of a trace."""
        found: Any = state.result(raise_on_failure=False)
        if isinstance(found, Comparison):
            return cls(trace, found, found.error)
        return cls(trace, None, f"{type(found).__name__}: {found}")

    @property
    def agrees(self) -> bool:
        """Whether the two agree after every event, and all could be played."""
        return self.comparison is not None and self.comparison.agrees

    @property
    def moments(self) -> int:
        """How often the two were compared."""
        return 0 if self.comparison is None else len(self.comparison.events)

    @property
    def different(self) -> int:
        """At how many moments they differ."""
        events = () if self.comparison is None else self.comparison.events
        return sum(not event.agrees for event in events)

    def line(self) -> str:
        """Return the outcome as one line for the log."""
        name = Path(self.trace).stem
        if self.error is not None:
            return f"{name}: {self.error}"
        return f"{name}: {self.moments} moments, {self.different} different"


def publish(found: Sequence[Compared]) -> None:
    """Write the page. That the UI shows less is no reason to fail what was compared."""
    try:
        create_markdown_artifact(page(found), key="fidelity")
    except Exception as error:  # noqa: BLE001 # told in the log
        get_run_logger().warning("the page of the comparison could not be written: %s", error)


def headline(found: Sequence[Compared]) -> str:
    """Return the outcome in a sentence."""
    moments = sum(one.moments for one in found)
    different = sum(one.different for one in found)
    failed = sum(one.error is not None for one in found)
    parts = [many(len(found), "trace"), many(moments, "moment")]
    if moments:
        parts.append(f"{different} different" if different else "all agree")
    if failed:
        whose = "its" if failed == 1 else "their"
        parts.append(f"{many(failed, 'trace')} could not be played to {whose} end")
    return ", ".join(parts)


def page(found: Sequence[Compared]) -> str:
    """Return the comparison as Markdown."""
    parts = [
        f"# {escape(headline(found))}",
        _EXPLAINED,
        table(("trace", "moments", "equal", "left open", "different", "remarks"), _traces(found)),
    ]
    if differences := list(_differences(found)):
        columns = ("trace", "event", "at", "workload", "real", "embedded")
        parts += ["## Differences (ready / pending / total)", table(columns, differences[:_SHOWN])]
        if len(differences) > _SHOWN:
            parts.append(f"And {len(differences) - _SHOWN} more\\.")
    return "\n\n".join(parts) + "\n"


def _traces(found: Iterable[Compared]) -> Iterator[tuple[str, ...]]:
    for one in found:
        events = () if one.comparison is None else one.comparison.events
        equal = sum(event.exact is True for event in events)
        left_open = sum(event.agrees and event.exact is None for event in events)
        remarks = [] if one.error is None else [one.error]
        if one.comparison is not None:
            remarks += [f"not modelled: {line}" for line in one.comparison.warnings]
        remarks += [f"not settled: {event.unsettled}" for event in events if event.unsettled]
        numbers = (len(events), equal, left_open, one.different)
        yield (Path(one.trace).stem, *map(str, numbers), "; ".join(remarks))


def _differences(found: Iterable[Compared]) -> Iterator[tuple[str, ...]]:
    for one in found:
        for event in () if one.comparison is None else one.comparison.events:
            if event.agrees:
                continue
            # Each count alone may be possible, and all of them together not.
            alone = [own for own in event.workloads if not own.agrees]
            for own in alone or event.workloads:
                name = str(own.real) if alone else f"{own.real}, not together with the others"
                where = (Path(one.trace).stem, str(event.number), f"{event.due} s", name)
                yield (*where, _counts(own.real.numbers), _given(own))


def _given(own: Found) -> str:
    given = list(own.embedded.items())
    return "; ".join(f"{_counts(numbers)} by {seeds} seeds" for numbers, seeds in given[:3])


def _counts(numbers: tuple[int, int, int]) -> str:
    return " / ".join(map(str, numbers))
