"""The task `reward`: return the reward for an observation."""

from sim_arena import verbs
from sim_arena.observation import Observation
from tasks.options import verb

__all__ = ["reward"]


@verb(lambda given: f"{given['name']} reward", touches_cluster=False)
def reward(name: str, observation: Observation, target: int, duration: float) -> float:
    """Return the reward for an observation. See `sim_arena.verbs.reward`."""
    return verbs.reward(name, observation, target, duration)
