"""The sums of some episodes, and the figures that come of them: the one place for both."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypedDict, TypeVar

__all__ = ["Figures", "StepsToSuccess", "Sums", "figures_by", "total"]


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


@dataclass
class Sums:
    """The sums of some episodes.

    Attributes:
        episodes: their number
        unassessable: of them, those of which nobody can say whether they succeeded
        steps: their steps
        errors: episodes that an error ended
        rewards: the rewards of the steps that have one
        rewarded: the number of these steps
        reward_names: the rewards' names, as far as they are known
        took: steps to success, and how many episodes took as many
    """

    episodes: int = 0
    unassessable: int = 0
    steps: int = 0
    errors: int = 0
    rewards: float = 0.0
    rewarded: int = 0
    reward_names: set[str] = field(default_factory=set)
    took: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Sums") -> None:
        """Take in the sums of other episodes."""
        self.episodes += other.episodes
        self.unassessable += other.unassessable
        self.steps += other.steps
        self.errors += other.errors
        self.rewards += other.rewards
        self.rewarded += other.rewarded
        self.reward_names |= other.reward_names
        self.took += other.took

    def figures(self) -> Figures:
        """Return the figures."""
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


Key = TypeVar("Key")


def total(groups: Mapping[Key, Sums]) -> Figures:
    """Return the figures of all groups together."""
    whole = Sums()
    for sums in groups.values():
        whole.add(sums)
    return whole.figures()


def figures_by(groups: Mapping[Key, Sums], name: Callable[[Key], str]) -> dict[str, Figures]:
    """Return the figures of the groups that are called alike, in the order of their names."""
    joined: dict[str, Sums] = {}
    for key, sums in groups.items():
        joined.setdefault(name(key), Sums()).add(sums)
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
