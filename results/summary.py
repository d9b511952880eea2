"""`summary.json`: a run in figures, whole, by policy and by trace."""

from collections.abc import Iterable, Mapping
from statistics import fmean, median
from typing import Any, TypedDict

from results.words import many

__all__ = [
    "Figures",
    "StepError",
    "StepsToSuccess",
    "Summary",
    "Tally",
    "summarise",
    "told_errors",
]

_NAMED = 3  # episodes of an error


class StepsToSuccess(TypedDict):
    """How many steps the successful episodes took, the one that saw the success included."""

    min: int
    median: float
    mean: float
    max: int


class Figures(TypedDict):
    """The figures of some episodes. None where there is nothing to compute a figure from.

    `mean_reward` is the mean over the steps that have a reward, None also where the episodes have
    different rewards: no mean of those says anything; `unassessable` counts episodes of
    which nobody can say whether they succeeded, `success_rate` is the share of the others that did.
    """

    episodes: int
    steps: int
    successes: int
    unassessable: int
    errors: int
    success_rate: float | None
    mean_reward: float | None
    steps_to_success: StepsToSuccess | None


class StepError(TypedDict):
    """A step that failed."""

    episode: int | None
    step: int | None
    error: str


class Summary(Figures):
    """The figures of a whole run, then by policy and by trace, and its errors."""

    by_policy: dict[str, Figures]
    by_trace: dict[str, Figures]
    error_list: list[StepError]


def told_errors(figures: Summary, most: int) -> list[str]:
    """Return a line for each of the errors that differ, with the episodes that it ended.

    Args:
        figures: the figures of a sweep
        most: so many lines are enough; one more says what they leave out
    """
    ended: dict[str, list[int | None]] = {}
    for one in figures["error_list"]:
        ended.setdefault(" ".join(one["error"].split()), []).append(one["episode"])
    shown = list(ended.items())[:most]
    lines = [f"{_named(episodes)} failed: {error}" for error, episodes in shown]
    if left := figures["errors"] - sum(len(episodes) for _, episodes in shown):
        lines.append(f"{many(left, 'more episode')} failed: the table of the episodes has them all")
    return lines


def _named(episodes: list[int | None]) -> str:
    if len(episodes) == 1:
        return f"episode {episodes[0]}"
    first = ", ".join(map(str, episodes[:_NAMED]))
    more = len(episodes) - _NAMED
    return f"episodes {first} and {more:,} more" if more > 0 else f"episodes {first}"


class _Group:
    """The sums of one group of episodes."""

    def __init__(self) -> None:
        self.steps = 0
        self.errors = 0
        self.rewards: list[float] = []
        self.success_at: dict[object, int | None] = {}  # episode -> its steps to success
        self.steps_of: dict[object, int] = {}
        self.unassessable: set[object] = set()

    def add(self, row: Mapping[str, Any]) -> None:
        episode = (row.get("run_id"), row.get("episode"))
        self.steps += 1
        self.steps_of[episode] = self.steps_of.get(episode, 0) + 1
        self.success_at.setdefault(episode, None)
        if row.get("error") is not None:
            self.errors += 1
        if row.get("error") is None and row.get("success") is None:
            self.unassessable.add(episode)
        else:  # of a step that was taken again the last row counts
            self.unassessable.discard(episode)
        if row.get("reward") is not None:
            self.rewards.append(row["reward"])
        if row.get("success") and self.success_at[episode] is None:
            step = row.get("step")
            self.success_at[episode] = self.steps_of[episode] if step is None else step + 1

    def figures(self) -> Figures:
        took = [steps for steps in self.success_at.values() if steps is not None]
        episodes = len(self.success_at)
        assessed = episodes - len(self.unassessable)
        return {
            "episodes": episodes,
            "steps": self.steps,
            "successes": len(took),
            "unassessable": len(self.unassessable),
            "errors": self.errors,
            "success_rate": len(took) / assessed if assessed else None,
            "mean_reward": fmean(self.rewards) if self.rewards else None,
            "steps_to_success": _spread(took),
        }


class Tally:
    """Rows in, one after another; figures out at any time."""

    def __init__(self) -> None:
        self._whole = _Group()
        self._by_policy: dict[str, _Group] = {}
        self._by_trace: dict[str, _Group] = {}
        self._errors: list[StepError] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one step."""
        self._whole.add(row)
        self._by_policy.setdefault(str(row.get("policy")), _Group()).add(row)
        self._by_trace.setdefault(str(row.get("trace")), _Group()).add(row)
        if row.get("error") is not None:
            self._errors.append(
                {"episode": row.get("episode"), "step": row.get("step"), "error": row["error"]}
            )

    def summary(self) -> Summary:
        """Return the figures of what was counted so far."""
        return {
            **self._whole.figures(),
            "by_policy": {
                name: self._by_policy[name].figures() for name in sorted(self._by_policy)
            },
            "by_trace": {name: self._by_trace[name].figures() for name in sorted(self._by_trace)},
            "error_list": list(self._errors),
        }


def summarise(rows: Iterable[Mapping[str, Any]]) -> Summary:
    """Return the figures of the rows."""
    tally = Tally()
    for row in rows:
        tally.add(row)
    return tally.summary()


def _spread(took: list[int]) -> StepsToSuccess | None:
    if not took:
        return None
    return {"min": min(took), "median": float(median(took)), "mean": fmean(took), "max": max(took)}
