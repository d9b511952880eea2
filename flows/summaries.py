"""What the UI shows of a sweep."""

from collections.abc import Mapping
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact

from flows.artifacts import escape, fenced
from results import Summary, Sweep
from sim_arena.sweeps import Progress

__all__ = ["headline", "page", "publish"]


def publish(sweep: Sweep, figures: Summary, progress: Progress) -> None:
    """Write the page of a sweep. That the UI shows less is no reason to fail what was played."""
    try:
        create_markdown_artifact(page(sweep, figures, progress), key="sweep")
    except Exception as error:  # noqa: BLE001 # told in the log
        get_run_logger().warning("the page of the sweep could not be written: %s", error)


def headline(sweep: Sweep, figures: Summary) -> str:
    """Return a sweep's outcome in a sentence."""
    rate = figures["success_rate"]
    parts = [f"{figures['episodes']:,} episodes of {figures['steps']:,} steps"]
    parts.append("nothing was played" if rate is None else f"{rate:.1%} ended in success")
    if figures["errors"]:
        parts.append(f"{figures['errors']:,} failed")
    return f"{', '.join(parts)}: {sweep.store.url}"


def page(sweep: Sweep, figures: Summary, progress: Progress) -> str:
    """Return a sweep as Markdown."""
    parts = [f"# {escape(headline(sweep, figures))}", _table(figures["by_policy"], "policy")]
    if figures["error_list"]:
        parts += ["## Failed", fenced("\n".join(_error(one) for one in figures["error_list"][:20]))]
    if progress.steps:
        parts.append(
            escape(
                f"Played now: {progress.steps:,} steps in {progress.elapsed:.0f} s, "
                f"{progress.size / progress.steps:.0f} bytes a step."
            )
        )
    return "\n\n".join(parts) + "\n"


def _table(groups: Mapping[str, Any], name: str) -> str:
    head = [name, "episodes", "success", "steps to success", "mean reward", "failed"]
    lines = [head, ["---"] * len(head)]
    for key, group in groups.items():
        took = group["steps_to_success"]
        cells = [
            key,
            f"{group['episodes']:,}",
            "" if group["success_rate"] is None else f"{group['success_rate']:.1%}",
            "" if took is None else f"{took['mean']:.2f}",
            "" if group["mean_reward"] is None else f"{group['mean_reward']:.3f}",
            f"{group['errors']:,}",
        ]
        lines.append([escape(cell) for cell in cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _error(one: Mapping[str, Any]) -> str:
    return f"episode {one['episode']}: {' '.join(one['error'].split())}"
