"""The random policy: the least that a learner has to beat."""

import numpy as np

from sim_arena.actions import REGISTRY, Action
from sim_arena.observation import Observation

__all__ = ["RandomPolicy"]


class RandomPolicy:
    """Choose an action type uniformly, and one of the containers where it takes one.

    Args:
        seed: the same seed gives the same choices; `reset` begins again with another
    """

    def __init__(self, seed: int = 0) -> None:
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Begin again with this seed."""
        self._generator = np.random.default_rng(seed)

    def get_action(self, obs: Observation, deploy: str) -> Action:
        """Return an action drawn at random."""
        kind = list(REGISTRY.values())[self._generator.integers(len(REGISTRY))]
        action = Action(type=kind.name, deploy=deploy)
        names = [container["name"] for container in obs.get("containers") or []]
        if kind.takes_container and names:
            action["container"] = names[self._generator.integers(len(names))]
        return action
