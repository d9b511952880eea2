"""The rewards: how good an observation is, as a number.

Every reward is called as `reward(obs, target, duration)`, with the observation of the
deployment, the number of pods that should be ready (at least 1) and the length of the
simulated window in seconds. To add a reward, write its formula here and register it. A formula
sees an `Outcome` and uses plain arithmetic only, because the vector environment compiles it.

A reward is not success: an episode ends when `sim_arena.observation.is_success` holds,
whatever reward is used.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import NamedTuple, cast

from sim_arena.errors import SimArenaError
from sim_arena.observation import ContainerObservation, Observation, healthy
from traces.arithmetic import UNSET, effective_request

__all__ = [
    "FORMULAS",
    "REGISTRY",
    "Formula",
    "Outcome",
    "Reward",
    "binary",
    "get",
    "progress",
    "shaped",
    "unused_share",
    "waste",
]


class Outcome(NamedTuple):
    """What a reward sees of an observation, in plain numbers.

    Attributes:
        ready: pods that are ready
        pending: pods in phase Pending
        sick: failed pods and containers killed for memory, as far as they are known
        cpu_request: what the containers request together, milli-CPU
        cpu_usage: what they use together; `UNSET` if that is unknown of one of them
        memory_request: likewise, bytes
        memory_usage: likewise
    """

    ready: int
    pending: int
    sick: int
    cpu_request: int
    cpu_usage: int
    memory_request: int
    memory_usage: int


Reward = Callable[[Observation, int, float], float]
Formula = Callable[[Outcome, int, float], float]
REGISTRY: dict[str, Reward] = {}
FORMULAS: dict[str, Formula] = {}

WASTE_PENALTY = 0.5
_UNKNOWN = -1.0  # a share that is not known


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


def _register(formula: Formula) -> Reward:
    @wraps(formula)
    def reward(obs: Observation, target: int, duration: float) -> float:
        if target < 1:
            raise SimArenaError(f"expected a target of at least 1 ready pod, found {target}")
        return formula(_outcome(obs), target, duration)

    FORMULAS[formula.__name__] = formula
    REGISTRY[formula.__name__] = reward
    return reward


@_register
def binary(outcome: Outcome, target: int, duration: float) -> float:  # noqa: ARG001 - all are called alike
    """Pay for success only.

    `1 if ready == target and pending == 0, else 0`
    """
    return 1.0 if healthy(outcome.ready, outcome.pending, target) else 0.0


@_register
def progress(outcome: Outcome, target: int, duration: float) -> float:  # noqa: ARG001 - all are called alike
    """Pay for each pod that is ready.

    `min(ready / target, 1)`

    Capped at 1, so that more pods than the target are never worth more than the target.
    """
    return _progress(outcome.ready, target)


@_register
def waste(outcome: Outcome, target: int, duration: float) -> float:  # noqa: ARG001 - all are called alike
    """Pay for success, less where more is requested than used.

    `1 - 0.5 * unused` on success, `progress` otherwise

    `unused` is the share of the request that is not used, `max(0, 1 - usage / request)`, with
    requests and usage summed over the containers, and the mean of CPU and memory taken. A
    resource is left out where the usage or every request is unknown; if both are, nothing is
    known to be wasted and the reward is 1. See `unused_share`.
    """
    if not healthy(outcome.ready, outcome.pending, target):
        return _progress(outcome.ready, target)
    return 1.0 - WASTE_PENALTY * max(_unused_share(outcome), 0.0)


@_register
def shaped(outcome: Outcome, target: int, duration: float) -> float:  # noqa: ARG001 - all are called alike
    """Cost every step until success, more the further away it is.

    `1` on success, otherwise
    `-0.1 - 0.4 * (1 - p) - 0.25 * min(pending / target, 1) - 0.25 * min(sick / target, 1)`

    `p = min(ready, target) / max(ready, target)` also counts pods too many; `sick` is the number
    of failed pods and of containers killed for memory, as far as they are known. Between -1 and
    -0.1 before success, so that an agent gains nothing by staying almost there.
    """
    ready = outcome.ready
    if healthy(ready, outcome.pending, target):
        return 1.0
    missed = 1.0 - min(ready, target) / max(ready, target)
    waiting = min(outcome.pending / target, 1.0)
    return -0.1 - 0.4 * missed - 0.25 * waiting - 0.25 * min(outcome.sick / target, 1.0)


def unused_share(obs: Observation) -> float | None:
    """Return the share of what is requested that is not used, the mean of CPU and memory.

    Returns:
        between 0 (all is used) and 1, or None where no usage is known
    """
    share = _unused_share(_outcome(obs))
    return None if share == _UNKNOWN else share


def _progress(ready: int, target: int) -> float:
    return min(ready / target, 1.0)


def _unused_share(outcome: Outcome) -> float:
    cpu = _unused(outcome.cpu_request, outcome.cpu_usage)
    memory = _unused(outcome.memory_request, outcome.memory_usage)
    if cpu == _UNKNOWN:
        return memory
    return cpu if memory == _UNKNOWN else (cpu + memory) / 2


def _unused(request: int, usage: int) -> float:
    """Return one resource's unused share; unknown without requests or without the usage."""
    if usage == UNSET or request == 0:
        return _UNKNOWN
    return max(0.0, 1.0 - usage / request)


def _outcome(obs: Observation) -> Outcome:
    containers = obs.get("containers") or []
    sick = (obs.get("failed") or 0) + (obs.get("oom_killed") or 0)
    cpu, memory = _summed(containers, "cpu"), _summed(containers, "memory")
    return Outcome(obs["ready"], obs["pending"], sick, *cpu, *memory)


def _summed(containers: Sequence[ContainerObservation], resource: str) -> tuple[int, int]:
    """Return one resource's requests, and its usage if it is known of every container."""
    requested, used = 0, 0
    for container in containers:
        values = cast("dict[str, int | None]", container)
        usage = values.get(f"{resource}_usage")
        used = UNSET if usage is None or used == UNSET else used + usage
        request, limit = values.get(f"{resource}_request"), values.get(f"{resource}_limit")
        requested += effective_request(_or_unset(request), _or_unset(limit))
    return requested, used


def _or_unset(value: int | None) -> int:
    return UNSET if value is None else value
