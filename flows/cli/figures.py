"""The figures of a run or a sweep as a table: whole, and by group."""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.cli import output

__all__ = ["figures_table", "share"]


def figures_table(figures: Mapping[str, Any], *, by: Sequence[str] = ("policy",)) -> Any:
    """Return the figures of `results.summarise` or `summarise_sweep` as a table.

    Args:
        figures: The figures.
        by: In which groups they are shown beside the whole: `policy`, `trace`. A sweep may have
            thousands of traces.
    """
    unknown = ("Not assessable#",) if figures.get("unassessable") else ()  # older ones count none
    columns = ("", "Episodes#", "Steps#", "Success#", "Reward#", "Steps to success#", "Failed#")
    groups = [("all", figures)]
    for what in by:
        groups += [(f"{what} {name}", group) for name, group in figures[f"by_{what}"].items()]
    rows = [
        (*_row(name, group), *(output.number(group["unassessable"]) for _ in unknown))
        for name, group in groups
    ]
    return output.table(None, (*columns, *unknown), rows)


def share(value: float | None) -> str:
    """Return a share as people read it; a hyphen for what is not known."""
    return output.UNKNOWN if value is None else f"{value:.1%}".replace(".0%", "%")


def _row(name: str, figures: Mapping[str, Any]) -> Sequence[str]:
    took = figures["steps_to_success"]
    return (
        name,
        f"{figures['episodes']:,}",
        f"{figures['steps']:,}",
        share(figures["success_rate"]),
        output.number(figures["mean_reward"]),
        output.UNKNOWN if took is None else output.number(took["mean"], 2),
        f"{figures['errors']:,}",
    )
