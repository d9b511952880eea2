"""The discrete actions: each action type, and for those on a container each container slot."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_arena.actions import REGISTRY, Action, ActionType, validate
from sim_arena.guardrails import Guardrails
from sim_arena.observation import Observation
from traces.arithmetic import UNSET

__all__ = ["Choice", "Mask", "choices"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One discrete action: an action type, and the slot of the container that it edits."""

    type: str
    slot: int | None = None

    def __str__(self) -> str:
        return self.type if self.slot is None else f"{self.type} of container {self.slot}"

    def action(self, deploy: str, obs: Observation, steps: Mapping[str, str | int]) -> Action:
        """Return the action as the loop knows it.

        Args:
            deploy: the workload's name
            obs: names the containers; an empty slot gives `noop`
            steps: step sizes by action, used instead of the defaults
        """
        if self.slot is None:
            return validate({"type": self.type, "deploy": deploy}, steps=steps)
        containers = obs.get("containers") or []
        if self.slot >= len(containers):
            return Action(type="noop", deploy=deploy)
        name = containers[self.slot]["name"]
        return validate({"type": self.type, "deploy": deploy, "container": name}, steps=steps)


def choices(containers: int) -> tuple[Choice, ...]:
    """Return every discrete action, in the order of their numbers.

    Args:
        containers: the number of container slots
    """
    return tuple(
        Choice(kind.name, slot)
        for kind in REGISTRY.values()
        for slot in (range(containers) if kind.takes_container else (None,))
    )


class Mask:
    """Tells which actions would change the workload.

    Args:
        table: the discrete actions
        guardrails: the bounds that no action crosses
        steps: step sizes by action, used instead of the defaults

    Raises:
        ActionError: a step is malformed, or there is no such action
    """

    def __init__(
        self,
        table: tuple[Choice, ...],
        guardrails: Guardrails,
        steps: Mapping[str, str | int],
    ) -> None:
        for name, step in steps.items():
            validate({"type": name, "deploy": "any", "step": step})
        edits = {
            name: kind.edit(steps.get(name), *guardrails.bounds(kind.resource))
            for name, kind in REGISTRY.items()
            if kind.resource is not None
        }
        self._edits = [(REGISTRY[one.type], one.slot, edits.get(one.type)) for one in table]

    def of(self, obs: Observation) -> npt.NDArray[np.int8]:
        """Return 1 for each action that would change the workload, and for `noop`; else 0.

        An action is masked out if its container does not exist, if the guardrails refuse it, or
        if there is nothing to move, such as a limit that is not set.
        """
        return np.array(
            [
                edit is None or _changes(edit, _current(kind, slot, obs))
                for kind, slot, edit in self._edits
            ],
            dtype=np.int8,
        )


def _changes(edit: Callable[..., Any], current: tuple[int, ...] | None) -> bool:
    if current is None:
        return False
    after = edit(*current)
    return bool((after if isinstance(after, tuple) else (after,)) != current)


def _current(kind: ActionType, slot: int | None, obs: Observation) -> tuple[int, ...] | None:
    """Return the numbers that an action would move; None if there are none."""
    if slot is None:
        desired = obs.get("desired")
        return None if desired is None else (desired,)
    containers = obs.get("containers") or []
    if slot >= len(containers):
        return None
    container: Mapping[str, Any] = containers[slot]
    pair = (container[f"{kind.resource}_request"], container[f"{kind.resource}_limit"])
    return tuple(UNSET if value is None else value for value in pair)
