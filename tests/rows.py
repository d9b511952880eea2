"""Rows, to compare with another run's."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from results import Sweep, load_episodes, load_steps, rows_of

__all__ = ["both_tables", "timeless"]

_CLOCK = {"started_at", "wall_seconds"}


def timeless(rows: Iterable[Mapping[str, Any]], *more: str) -> list[dict[str, Any]]:
    """Return rows without what the clock said, and without some more columns."""
    without = _CLOCK | set(more)
    return [{name: value for name, value in row.items() if name not in without} for row in rows]


def both_tables(sweep: Sweep | str | Path) -> list[list[dict[str, Any]]]:
    """Return a sweep's rows of both tables, without what the clock said."""
    return [timeless(rows_of(load(sweep, form="arrow"))) for load in (load_steps, load_episodes)]
