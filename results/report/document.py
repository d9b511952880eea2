"""A report as plain data: sections of tables and charts, which HTML and Markdown then show.

Every text in it is data. What it takes to show it as it is, and never as markup, is the
business of those who write it down.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Bar", "Cell", "Chart", "Code", "Document", "Head", "Section", "Strip", "Table", "head"]


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure as a length, in shares of the whole width.

    Args:
        value: its length, from 0 to 1
        low: where its interval begins; None without one
        high: where its interval ends
        whole: the length of what it is a part of
    """

    value: float
    low: float | None = None
    high: float | None = None
    whole: float | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Args:
        text: what it says
        bar: the same as a length
        heat: the same as a shade, from 0 to 1
        note: what there is to say besides
    """

    text: str
    bar: Bar | None = None
    heat: float | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column; numbers stand on the right."""

    name: str
    number: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table. One that is `folded` has to be opened, for it only says in numbers what is drawn."""

    caption: str
    columns: Sequence[Head]
    rows: Sequence[Sequence[Cell]]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of a chart over time: areas on top of each other.

    Args:
        label: what it shows
        areas: state -> the outline, in a box of the chart's width and height
        end: what it comes to
    """

    label: str
    areas: dict[str, str]
    end: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Strips over one axis of time.

    Args:
        title: what is shown
        description: the same in words, for those who do not see it
        strips: from the top
        ticks: places on the axis, from 0 to 1, with their labels
        width: of each strip's box
        height: of each strip's box
        states: state -> what the legend calls it
        table: the same in numbers
        folded: whether it has to be opened
    """

    title: str
    description: str
    strips: Sequence[Strip]
    ticks: Sequence[tuple[float, str]]
    width: int
    height: int
    states: dict[str, str]
    table: Table
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """Text that is to be copied, or a difference whose lines begin with + and -."""

    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A section, under a heading."""

    id: str
    title: str
    blocks: Sequence[Table | Chart | Code]
    lines: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report.

    Args:
        title: what it is about
        headline: how it went, in a sentence
        facts: name and value, of the run
        sections: in order
        notes: how to read it
    """

    title: str
    headline: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    notes: Sequence[str] = field(default=())


def head(*names: str) -> list[Head]:
    """Return heads of columns; `#` at the end of a name says numbers, a unit follows a bar."""
    heads = []
    for name in names:
        title, _, unit = name.partition("|")
        heads.append(Head(title.removesuffix("#"), title.endswith("#"), unit))
    return heads
