"""`summary.json`: a run in figures, whole, by policy and by trace."""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    different rewards: no mean of those says anything; `errors` counts the episodes that an error
    ended, `unassessable` those of which nobody can say whether they succeeded, `success_rate` is
    the share of the others that did.
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
    """The step with which an episode failed."""

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


_NEEDED = ("episode", "step", "reward", "success", "error")


class _Episode:
    """The steps of one episode; of a step that was taken again the last row counts.

    What is said of it is what `results.episodes.episode_rows` says.
    """

    def __init__(self, first: Mapping[str, Any]) -> None:
        self.policy, self.trace = str(first.get("policy")), str(first.get("trace"))
        self.steps: dict[object, dict[str, Any]] = {}

    @property
    def error(self) -> StepError | None:
        """What ended it, if that was an error."""
        last = self._last
        if last["error"] is None:
            return None
        return {"episode": last["episode"], "step": last["step"], "error": last["error"]}

    @property
    def success(self) -> bool | None:
        """Whether it succeeded; None where that cannot be assessed."""
        last = self._last
        return False if last["error"] is not None else last["success"]

    @property
    def _last(self) -> dict[str, Any]:
        return next(reversed(self.steps.values()))


class Tally:
    """Rows in, one after another; figures out at any time."""

    def __init__(self) -> None:
        self._episodes: dict[object, _Episode] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one step."""
        key = (row.get("run_id"), row.get("episode"))
        episode = self._episodes.setdefault(key, _Episode(row))
        episode.steps[row.get("step")] = {name: row.get(name) for name in _NEEDED}

    def summary(self) -> Summary:
        """Return the figures of the rows so far."""
        episodes = list(self._episodes.values())
        return {
            **_figures(episodes),
            "by_policy": _grouped(episodes, lambda one: one.policy),
            "by_trace": _grouped(episodes, lambda one: one.trace),
            "error_list": [error for one in episodes if (error := one.error) is not None],
        }


def _grouped(episodes: Iterable[_Episode], name: Callable[[_Episode], str]) -> dict[str, Figures]:
    groups: dict[str, list[_Episode]] = {}
    for one in episodes:
        groups.setdefault(name(one), []).append(one)
    return {key: _figures(groups[key]) for key in sorted(groups)}


def _figures(episodes: Sequence[_Episode]) -> Figures:
    rows = [row for one in episodes for row in one.steps.values()]
    rewards = [row["reward"] for row in rows if row["reward"] is not None]
    took = [len(one.steps) for one in episodes if one.success]
    unassessable = sum(one.success is None for one in episodes)
    assessed = len(episodes) - unassessable
    return {
        "episodes": len(episodes),
        "steps": len(rows),
        "successes": len(took),
        "unassessable": unassessable,
        "errors": sum(one.error is not None for one in episodes),
        "success_rate": len(took) / assessed if assessed else None,
        "mean_reward": fmean(rewards) if rewards else None,
        "steps_to_success": _spread(took),
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
