"""The rewards: how good an observation is, as a number.

Every reward is called as `reward(obs, target, duration)`, with the observation of the
deployment, the number of pods that should be ready (at least 1) and the length of the
simulated window in seconds. To add a reward, write a function here and register it.

A reward is not success: an episode ends when `sim_arena.observation.is_success` holds,
whatever reward is used.
"""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import cast

from sim_arena.errors import SimArenaError
from sim_arena.observation import ContainerObservation, Observation, is_success
from traces.arithmetic import UNSET, effective_request

__all__ = ["REGISTRY", "Reward", "binary", "get", "progress", "shaped", "unused_share", "waste"]

Reward = Callable[[Observation, int, float], float]
REGISTRY: dict[str, Reward] = {}

WASTE_PENALTY = 0.5


def get(name: str) -> Reward:
    """Return the reward that is registered under a name.

    Raises:
        SimArenaError: there is no such reward
    """
    try:
        return REGISTRY[name]
    except KeyError:
        known = ", ".join(sorted(REGISTRY))
        raise SimArenaError(f"expected a reward, one of {known}; found {name!r}") from None


def _register(reward: Reward) -> Reward:
    REGISTRY[reward.__name__] = reward
    return reward


@_register
def binary(obs: Observation, target: int, duration: float) -> float:
    """Pay for success only.

    `1 if ready == target and pending == 0, else 0`
    """
    del duration  # every reward is called alike
    return float(is_success(obs, _checked(target)))


@_register
def progress(obs: Observation, target: int, duration: float) -> float:
    """Pay for each pod that is ready.

    `min(ready / target, 1)`

    Capped at 1, so that more pods than the target are never worth more than the target.
    """
    del duration  # every reward is called alike
    return min(obs["ready"] / _checked(target), 1.0)


@_register
def waste(obs: Observation, target: int, duration: float) -> float:
    """Pay for success, less where more is requested than used.

    `1 - 0.5 * unused` on success, `progress` otherwise

    `unused` is the share of the request that is not used, `max(0, 1 - usage / request)`, with
    requests and usage summed over the containers, and the mean of CPU and memory taken. A
    resource is left out where the usage or every request is unknown; if both are, nothing is
    known to be wasted and the reward is 1. See `unused_share`.
    """
    if not is_success(obs, _checked(target)):
        return progress(obs, target, duration)
    return 1.0 - WASTE_PENALTY * (unused_share(obs) or 0.0)


@_register
def shaped(obs: Observation, target: int, duration: float) -> float:
    """Cost every step until success, more the further away it is.

    `1` on success, otherwise
    `-0.1 - 0.4 * (1 - p) - 0.25 * min(pending / target, 1) - 0.25 * min(sick / target, 1)`

    `p = min(ready, target) / max(ready, target)` also counts pods too many; `sick` is the number
    of failed pods and of containers killed for memory, as far as they are known. Between -1 and
    -0.1 before success, so that an agent gains nothing by staying almost there.
    """
    del duration  # every reward is called alike
    if is_success(obs, _checked(target)):
        return 1.0
    ready = obs["ready"]
    missed = 1.0 - min(ready, target) / max(ready, target)
    sick = (obs.get("failed") or 0) + (obs.get("oom_killed") or 0)
    waiting = min(obs["pending"] / target, 1.0)
    return -0.1 - 0.4 * missed - 0.25 * waiting - 0.25 * min(sick / target, 1.0)


def unused_share(obs: Observation) -> float | None:
    """Return the share of what is requested that is not used, the mean of CPU and memory.

    Returns:
        between 0 (all is used) and 1, or None where no usage is known
    """
    containers = obs.get("containers") or []
    shares = [_unused(containers, "cpu"), _unused(containers, "memory")]
    known = [share for share in shares if share is not None]
    return fmean(known) if known else None


def _unused(containers: Sequence[ContainerObservation], resource: str) -> float | None:
    """Return one resource's unused share; None without requests or with any usage unknown."""
    requested, used = 0, 0
    for container in containers:
        values = cast("dict[str, int | None]", container)
        usage = values.get(f"{resource}_usage")
        if usage is None:
            return None
        request, limit = values.get(f"{resource}_request"), values.get(f"{resource}_limit")
        requested += effective_request(_or_unset(request), _or_unset(limit))
        used += usage
    return max(0.0, 1.0 - used / requested) if requested else None


def _or_unset(value: int | None) -> int:
    return UNSET if value is None else value


def _checked(target: int) -> int:
    if target < 1:
        raise SimArenaError(f"expected a target of at least 1 ready pod, found {target}")
    return target
