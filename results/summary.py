"""`summary.json`: a run in figures, whole, by policy and by trace."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from results.sums import Figures, Sums, figures_by, total
from results.words import many

__all__ = [
    "StepError",
    "Summary",
    "Tally",
    "summarise",
    "told_errors",
]

_NAMED = 3  # episodes of an error


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

    def sums(self) -> Sums:
        """Return its sums."""
        rewards = [row["reward"] for row in self.steps.values() if row["reward"] is not None]
        count = len(self.steps)
        return Sums(
            episodes=1,
            unassessable=int(self.success is None),
            steps=count,
            errors=int(self.error is not None),
            rewards=sum(rewards),
            rewarded=len(rewards),
            took=Counter([count] if self.success else []),
        )

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
        groups: dict[tuple[str, str], Sums] = {}
        for one in self._episodes.values():
            groups.setdefault((one.policy, one.trace), Sums()).add(one.sums())
        return {
            **total(groups),
            "by_policy": figures_by(groups, lambda key: key[0]),
            "by_trace": figures_by(groups, lambda key: key[1]),
            "error_list": [
                error for one in self._episodes.values() if (error := one.error) is not None
            ],
        }


def summarise(rows: Iterable[Mapping[str, Any]]) -> Summary:
    """Return the figures of the rows."""
    tally = Tally()
    for row in rows:
        tally.add(row)
    return tally.summary()
