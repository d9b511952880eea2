"""How answers look: tables for people, JSON for programs."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = [
    "UNKNOWN",
    "console",
    "counted",
    "duration",
    "moment",
    "number",
    "print_json",
    "printable",
    "seconds",
    "show",
    "table",
    "tell_of_compiling",
    "warn",
    "write",
]

_PIPE_WIDTH = 200  # who reads a pipe wants lines, not the folds of an 80 column terminal
UNKNOWN = "-"


def console(*, stderr: bool = False) -> "Console":
    """Return a rich console for stdout or stderr. NO_COLOR and COLUMNS have their effect."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(stderr=stderr, width=wide, highlight=False, soft_wrap=False)


def table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> "Table":
    """Return a table. A column whose name ends in `#` is one of numbers, aligned right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    result = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        right = name.endswith("#")
        result.add_column(
            name.removesuffix("#"),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=right,  # on a narrow terminal texts fold, numbers stay whole
            min_width=None if right else min(8, len(name)),
        )
    for row in rows:
        # Text: brackets in a message are no markup
        result.add_row(*(Text(printable(cell)) for cell in row))
    return result


def printable(text: str) -> str:
    """Return a text with its control characters written out: a trace must not steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def show(*parts: Any) -> None:
    """Print tables and texts to stdout."""
    target = console()
    for part in parts:
        target.print(printable(part) if isinstance(part, str) else part, markup=False)


def print_json(document: Any) -> None:
    """Print one JSON document to stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def write(text: str) -> None:
    """Write a document to stdout as it is."""
    sys.stdout.write(text)


def warn(lines: Iterable[str]) -> None:
    """Print warnings to stderr, a line each."""
    for line in lines:
        print(f"sim-arena: warning: {printable(' '.join(line.splitlines()))}", file=sys.stderr)


def tell_of_compiling() -> None:
    """Say on stderr that the engine will be compiled, if it was not yet."""
    from sim_arena.engine.compiled import cache_folder

    if not os.environ.get("NUMBA_DISABLE_JIT") and not any(cache_folder().glob("*/*.nbi")):
        text = "compiling the engine, once after an installation; it takes a minute or two"
        print(f"sim-arena: {text}", file=sys.stderr, flush=True)


def number(value: float | None, digits: int = 3) -> str:
    """Return a number as people read it; a hyphen for what is not known."""
    if value is None:
        return UNKNOWN
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def seconds(value: float) -> int | float:
    """Return seconds as an int where they are whole, as 20 and not 20.0."""
    return int(value) if float(value).is_integer() else value


def moment(value: str | None) -> str:
    """Return a moment, kept in ISO's form and UTC, as people read it: 2026-05-04 17:20:03."""
    return UNKNOWN if value is None else value[:19].replace("T", " ")


def duration(value: float | None) -> str:
    """Return seconds as people read them: 90s, 18m54s."""
    if value is None:
        return UNKNOWN
    if value < 120:
        return f"{seconds(round(value, 3))}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}m{rest:02}s" if rest else f"{minutes}m"


def counted(reasons: Mapping[str, int] | None) -> str:
    """Return messages with their counts, a line each, the most frequent first."""
    ordered = sorted((reasons or {}).items(), key=lambda item: (-item[1], item[0]))
    return "\n".join(f"{count} x {message}" for message, count in ordered)
