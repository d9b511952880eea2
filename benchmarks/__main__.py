"""Prints the benchmarks: `python -m benchmarks` all, `python -m benchmarks windows steps` some."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.figures import Figure

PARTS = (
    "windows",
    "steps",
    "placing",
    "real",
    "production",
    "growing",
    "memory",
    "starting",
)


def main(chosen: list[str]) -> int:
    """Measure the chosen parts, or all."""
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        print(f"expected some of {', '.join(PARTS)}, found {', '.join(unknown)}", file=sys.stderr)
        return 2
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f} before")
    print(f"{'':46} {'figure':>14} {'goal':>14} {'reached':>8}")
    below = []
    for name in chosen or PARTS:
        for figure in importlib.import_module(f"benchmarks.{name}").measure():
            print(line(figure), flush=True)
            if figure.ratio is not None and figure.ratio < 1:
                below.append(figure.name.strip())
    print(f"\nBelow their goals: {', '.join(below)}." if below else "\nAll goals are reached.")
    return 0


def line(figure: Figure) -> str:
    """Return a figure as one line of the table."""
    goal = "" if figure.goal is None else amount(figure.goal, figure.unit)
    reached = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    value = amount(figure.value, figure.unit)
    note = f"  {figure.note}" if figure.note else ""
    return f"{figure.name:46} {value:>14} {goal:>14} {reached:>8}{note}"


def amount(value: float, unit: str) -> str:
    """Return a number with its unit."""
    return f"{value:,.0f} {unit}" if value >= 1000 else f"{value:.2f} {unit}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
