"""What the UI shows of a sweep."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from heapq import nsmallest
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.utilities.urls import url_for

from flows.picture import picture
from results import Summary, Sweep
from results.markdown import Marked, escape, fenced, table
from results.summary import told_errors
from results.words import many
from sim_arena.sweeps import Plan, Progress

__all__ = ["headline", "page", "publish"]

_SHOWN = 50  # episodes in the table
_COLUMNS = ("episode", "trace", "policy", "seed", "steps", "success", "total_reward", "error")
_HEAD = ("episode", "trace", "policy", "seed", "steps", "outcome", "reward")
_LONGEST = 200  # characters of an error
_OUTCOMES = {True: "success", False: "no success", None: "not assessable"}


def publish(
    sweep: Sweep, plan: Plan, figures: Summary, progress: Progress, runs: Mapping[int, str]
) -> None:
    """Write the page of a sweep. That the UI shows less is no reason to fail what was played.

    Args:
        sweep: the sweep
        plan: its plan
        figures: what came of it
        progress: what was played just now
        runs: the ids of the task runs that played chunks just now, by the chunk's number
    """
    try:
        text = page(sweep, figures, progress, _episodes(sweep, plan, runs))
        create_markdown_artifact(text, key="sweep")
    except Exception as error:  # noqa: BLE001 # told in the log
        get_run_logger().warning("the page of the sweep could not be written: %s", error)


def headline(sweep: Sweep, figures: Summary) -> str:
    """Return a sweep's outcome in a sentence."""
    rate = figures["success_rate"]
    parts = [f"{many(figures['episodes'], 'episode')} of {many(figures['steps'], 'step')}"]
    if not figures["episodes"]:
        parts.append("nothing was played")
    elif rate is not None:
        parts.append(f"{rate:.1%} ended in success")
    if figures["errors"]:
        parts.append(f"{figures['errors']:,} failed")
    if figures.get("unassessable"):
        parts.append(f"{figures['unassessable']:,} not assessable")
    return f"{', '.join(parts)}: {sweep.store.url}"


def page(
    sweep: Sweep, figures: Summary, progress: Progress, episodes: list[tuple[str, ...]]
) -> str:
    """Return a sweep as Markdown.

    Args:
        sweep: the sweep
        figures: what came of it
        progress: what was played just now
        episodes: cells of those that are worth a look
    """
    parts = [f"# {escape(headline(sweep, figures))}"]
    if drawn := picture(figures["by_policy"]):
        parts.append(f"![Success by policy]({drawn})")
    parts.append(_table(figures["by_policy"], "policy"))
    if figures["error_list"]:
        parts += ["## Failed", fenced("\n".join(told_errors(figures, 20)))]
    if episodes:
        parts += ["## Episodes", escape(_said(figures["episodes"])), table(_HEAD, episodes)]
    if progress.steps:
        parts.append(
            escape(
                f"Played now: {many(progress.steps, 'step')} in {progress.elapsed:.0f} s, "
                f"{progress.size / progress.steps:.0f} bytes a step."
            )
        )
    return "\n\n".join(parts) + "\n"


def _said(episodes: int) -> str:
    first = "Those that failed first, then those without success, then the rest, by number."
    more = f" The first {_SHOWN} of {episodes:,}." if episodes > _SHOWN else ""
    return f"{first}{more} sim-arena runs replay plays one again."


def _episodes(sweep: Sweep, plan: Plan, runs: Mapping[int, str]) -> list[tuple[str, ...]]:
    """Return the episodes that are worth a look, as cells, with links."""
    found = nsmallest(_SHOWN, _ranked(sweep))
    chunks = _chunks(plan, [number for _, number, _ in found])
    return [_episode(row, runs.get(chunks[number])) for _, number, row in found]


def _ranked(sweep: Sweep) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Yield the episodes with what they are sorted by; no two have the same number.

    Of a file only those that can be in the table are made into Python's objects.
    """
    import pyarrow.compute as pc  # noqa: PLC0415 # heavy

    for part in sweep.read("episodes", _COLUMNS):
        ended = pc.coalesce(pc.if_else(part["success"], 3, 1), 2)  # null: not assessable
        rank = pc.if_else(pc.is_valid(part["error"]), 0, ended)
        ranked = part.append_column("rank", rank)
        order = [("rank", "ascending"), ("episode", "ascending")]
        for row in ranked.sort_by(order).slice(0, _SHOWN).to_pylist():
            yield row.pop("rank"), row["episode"], row


def _chunks(plan: Plan, numbers: list[int]) -> dict[int, int]:
    """Return the chunks of some episodes."""
    starts = [chunk.start for chunk in plan.chunks]
    return {number: bisect_right(starts, number) - 1 for number in numbers}


def _episode(row: Mapping[str, Any], run: str | None) -> tuple[str, ...]:
    number = str(row["episode"])
    # Without a UI, or where the chunk was played by an earlier run, there is nothing to link to.
    address = url_for("task-run", obj_id=run) if run is not None else None
    outcome = _OUTCOMES[row["success"]]
    if row["error"] is not None:
        error = " ".join(row["error"].split())
        outcome = f"failed: {error[:_LONGEST]}{'...' if len(error) > _LONGEST else ''}"
    reward = "" if row["total_reward"] is None else f"{row['total_reward']:.3f}"
    texts = [row["trace"], row["policy"], str(row["seed"]), str(row["steps"]), outcome, reward]
    return (Marked(f"[{number}]({address})") if address else number, *texts)


def _table(groups: Mapping[str, Any], name: str) -> str:
    head = [name, "episodes", "success", "steps to success", "mean reward", "failed"]
    unknown = any(group.get("unassessable") for group in groups.values())
    head += ["not assessable"] * unknown
    rows = []
    for key, group in groups.items():
        took = group["steps_to_success"]
        cells = [
            key,
            f"{group['episodes']:,}",
            "" if group["success_rate"] is None else f"{group['success_rate']:.1%}",
            "" if took is None else f"{took['mean']:.2f}",
            "" if group["mean_reward"] is None else f"{group['mean_reward']:.3f}",
            f"{group['errors']:,}",
            *[f"{group['unassessable']:,}" for _ in range(unknown)],
        ]
        rows.append(cells)
    return table(head, rows)
