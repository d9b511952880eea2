"""A sweep's rows, to compare with another's."""

from pathlib import Path
from typing import Any

from results import Sweep, load_episodes, load_steps, rows_of

__all__ = ["timeless"]

_CLOCK = {"started_at", "wall_seconds"}


def timeless(sweep: Sweep | str | Path) -> list[list[dict[str, Any]]]:
    """Return the rows of both tables without what the clock said."""
    return [
        [
            {name: value for name, value in row.items() if name not in _CLOCK}
            for row in rows_of(load(sweep, form="arrow"))
        ]
        for load in (load_steps, load_episodes)
    ]
