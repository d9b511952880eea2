"""Policies that always answer alike: what the others are measured against."""

from sim_arena.actions import Action
from sim_arena.observation import Observation
from sim_arena.policies.base import pure

__all__ = ["bump_cpu", "bump_mem", "noop", "scale_replicas"]

# Every policy is called with the observation, also one that does not look at it.


@pure
def noop(obs: Observation, deploy: str) -> Action:
    """Change nothing."""
    del obs
    return Action(type="noop", deploy=deploy)


@pure
def bump_cpu(obs: Observation, deploy: str) -> Action:
    """Raise the first container's CPU request, whatever is wrong."""
    del obs
    return Action(type="bump_cpu_small", deploy=deploy)


@pure
def bump_mem(obs: Observation, deploy: str) -> Action:
    """Raise the first container's memory request, whatever is wrong."""
    del obs
    return Action(type="bump_mem_small", deploy=deploy)


@pure
def scale_replicas(obs: Observation, deploy: str) -> Action:
    """Add a replica, whatever is wrong."""
    del obs
    return Action(type="scale_up_replicas", deploy=deploy)
