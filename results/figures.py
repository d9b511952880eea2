"""A sweep in figures, chunk by chunk: its rows are never in memory together."""

from typing import TYPE_CHECKING

from results.arrow import aggregated
from results.summary import StepError, Summary
from results.sums import Sums, figures_by, total
from results.sweep import Sweep

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["summarise_sweep"]

_ERRORS = 100  # as many are named; the episodes table has all

_Key = tuple[str, str]  # policy, trace


def summarise_sweep(sweep: Sweep) -> Summary:
    """Return the figures of a sweep's finished chunks; `errors` counts failed episodes.

    Raises:
        ResultsError: a file is damaged
    """
    groups: dict[_Key, Sums] = {}
    failed: list[StepError] = []
    wanted = ("policy", "trace", "steps", "success", "steps_to_success", "error", "episode")
    for part in sweep.read("episodes", (*wanted, "reward_name")):
        _count_episodes(part, groups)
        _note_errors(part, failed)
    for part in sweep.read("steps", ("policy", "trace", "reward")):
        _count_rewards(part, groups)
    return {
        **total(groups),
        "by_policy": figures_by(groups, lambda key: key[0]),
        "by_trace": figures_by(groups, lambda key: key[1]),
        "error_list": failed,
    }


def _count_episodes(part: "pa.Table", groups: dict[_Key, Sums]) -> None:
    keys = ["policy", "trace"]
    sums = aggregated(
        part,
        keys,
        [("episode", "count"), ("steps", "sum"), ("success", "count"), ("error", "count")],
    )
    for row in sums.to_pylist():
        group = groups.setdefault((row["policy"], row["trace"]), Sums())
        group.episodes += row["episode_count"]
        group.unassessable += row["episode_count"] - row["success_count"]
        group.steps += row["steps_sum"] or 0
        group.errors += row["error_count"]
    for row in aggregated(part, [*keys, "reward_name"]).to_pylist():
        groups[row["policy"], row["trace"]].reward_names.add(row["reward_name"])
    took = aggregated(part, [*keys, "steps_to_success"], [("episode", "count")])
    for row in took.to_pylist():
        if row["steps_to_success"] is not None:
            group = groups[row["policy"], row["trace"]]
            group.took[row["steps_to_success"]] += row["episode_count"]


def _count_rewards(part: "pa.Table", groups: dict[_Key, Sums]) -> None:
    sums = aggregated(part, ["policy", "trace"], [("reward", "sum"), ("reward", "count")])
    for row in sums.to_pylist():
        group = groups.setdefault((row["policy"], row["trace"]), Sums())
        group.rewards += row["reward_sum"] or 0.0
        group.rewarded += row["reward_count"]


def _note_errors(part: "pa.Table", failed: list[StepError]) -> None:
    import pyarrow.compute as pc  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

    rows = part.filter(pc.is_valid(part["error"])).slice(0, _ERRORS - len(failed))
    for row in rows.select(["episode", "steps", "error"]).to_pylist():
        step = row["steps"] - 1 if row["steps"] else None
        failed.append({"episode": row["episode"], "step": step, "error": row["error"]})
