"""A sweep in figures, chunk by chunk: its rows are never in memory together."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from results.arrow import aggregated
from results.summary import Figures, StepError, StepsToSuccess, Summary
from results.sweep import Sweep

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["summarise_sweep"]

_ERRORS = 100  # as many are named; the episodes table has all

_Key = tuple[str, str]  # policy, trace


@dataclass
class _Sums:
    """The sums of some episodes."""

    episodes: int = 0
    unassessable: int = 0
    steps: int = 0
    errors: int = 0
    rewards: float = 0.0
    rewarded: int = 0
    reward_names: set[str] = field(default_factory=set)
    took: Counter[int] = field(default_factory=Counter)

    def add(self, other: "_Sums") -> None:
        self.episodes += other.episodes
        self.unassessable += other.unassessable
        self.steps += other.steps
        self.errors += other.errors
        self.rewards += other.rewards
        self.rewarded += other.rewarded
        self.reward_names |= other.reward_names
        self.took += other.took

    def figures(self) -> Figures:
        successes = self.took.total()
        assessed = self.episodes - self.unassessable
        alike = self.rewarded > 0 and len(self.reward_names) <= 1
        return {
            "episodes": self.episodes,
            "steps": self.steps,
            "successes": successes,
            "unassessable": self.unassessable,
            "errors": self.errors,
            "success_rate": successes / assessed if assessed else None,
            "mean_reward": self.rewards / self.rewarded if alike else None,
            "steps_to_success": _spread(self.took),
        }


def summarise_sweep(sweep: Sweep) -> Summary:
    """Return the figures of a sweep's finished chunks; `errors` counts failed episodes.

    Raises:
        ResultsError: a file is damaged
    """
    groups: dict[_Key, _Sums] = {}
    failed: list[StepError] = []
    wanted = ("policy", "trace", "steps", "success", "steps_to_success", "error", "episode")
    for part in sweep.read("episodes", (*wanted, "reward_name")):
        _count_episodes(part, groups)
        _note_errors(part, failed)
    for part in sweep.read("steps", ("policy", "trace", "reward")):
        _count_rewards(part, groups)
    whole = _Sums()
    for sums in groups.values():
        whole.add(sums)
    return {
        **whole.figures(),
        "by_policy": _by(groups, lambda key: key[0]),
        "by_trace": _by(groups, lambda key: key[1]),
        "error_list": failed,
    }


def _count_episodes(part: "pa.Table", groups: dict[_Key, _Sums]) -> None:
    keys = ["policy", "trace"]
    sums = aggregated(
        part,
        keys,
        [("episode", "count"), ("steps", "sum"), ("success", "count"), ("error", "count")],
    )
    for row in sums.to_pylist():
        group = groups.setdefault((row["policy"], row["trace"]), _Sums())
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


def _count_rewards(part: "pa.Table", groups: dict[_Key, _Sums]) -> None:
    sums = aggregated(part, ["policy", "trace"], [("reward", "sum"), ("reward", "count")])
    for row in sums.to_pylist():
        group = groups.setdefault((row["policy"], row["trace"]), _Sums())
        group.rewards += row["reward_sum"] or 0.0
        group.rewarded += row["reward_count"]


def _note_errors(part: "pa.Table", failed: list[StepError]) -> None:
    import pyarrow.compute as pc  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

    rows = part.filter(pc.is_valid(part["error"])).slice(0, _ERRORS - len(failed))
    for row in rows.select(["episode", "steps", "error"]).to_pylist():
        step = row["steps"] - 1 if row["steps"] else None
        failed.append({"episode": row["episode"], "step": step, "error": row["error"]})


def _by(groups: Mapping[_Key, _Sums], name: Callable[[_Key], str]) -> dict[str, Figures]:
    joined: dict[str, _Sums] = {}
    for key, sums in groups.items():
        joined.setdefault(name(key), _Sums()).add(sums)
    return {key: joined[key].figures() for key in sorted(joined)}


def _spread(took: Counter[int]) -> StepsToSuccess | None:
    count = took.total()
    if not count:
        return None
    ordered = sorted(took)
    middle = [_at(took, ordered, place) for place in ((count - 1) // 2, count // 2)]
    return {
        "min": ordered[0],
        "median": sum(middle) / 2,
        "mean": sum(steps * times for steps, times in took.items()) / count,
        "max": ordered[-1],
    }


def _at(took: Counter[int], ordered: list[int], place: int) -> int:
    """Return the value at a place among all, in ascending order."""
    for steps in ordered:
        place -= took[steps]
        if place < 0:
            return steps
    return ordered[-1]
