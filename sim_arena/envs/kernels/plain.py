"""The plain functions that say what actions, rewards and encodings are, compiled.

Nothing is said here a second time: the kernels run the very functions that the single
environment and the loop call.
"""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from pathlib import Path
from typing import Any

from sim_arena import observation, rewards
from sim_arena.actions import REGISTRY
from sim_arena.engine.jit import entry, jit, jit_arithmetic, jit_plain
from sim_arena.envs import drawing, encoding

__all__ = [
    "OPERATIONS",
    "REWARDS",
    "count_of",
    "draw",
    "effective_request",
    "is_healthy",
    "kernel",
    "pair_of",
    "reward_of",
    "scaled",
]

_HERE = sorted(Path(__file__).parent.glob("*.py"))
_PLAIN = [Path(str(module.__file__)) for module in (observation, rewards, drawing, encoding)]

kernel: Callable[..., Any] = partial(entry, beside=(*_HERE, *_PLAIN))
"""Compile a function that Python calls; see `engine.jit.entry`."""

OPERATIONS: tuple[str, ...] = tuple(
    dict.fromkeys(str(kind.op) for kind in REGISTRY.values() if kind.resource is not None)
)
"""The functions of `traces.arithmetic` that actions use; kernels know them by their places."""

REWARDS: tuple[str, ...] = tuple(rewards.FORMULAS)
"""The rewards; kernels know them by their places."""

scaled = jit_plain(encoding.scaled)
draw = jit_plain(drawing.drawn)
is_healthy = jit_plain(observation.healthy)
effective_request = jit_arithmetic("effective_request")


def _chosen(functions: Sequence[tuple[int, Callable[..., Any]]]) -> Callable[..., Any]:
    """Return a compiled function that calls the one whose number is its first argument."""
    (_, last), *others = reversed(functions)

    @jit
    def only(number: int, *arguments: Any) -> Any:  # noqa: ARG001
        return last(*arguments)

    return reduce(_either, others, only)


def _either(rest: Callable[..., Any], this: tuple[int, Callable[..., Any]]) -> Callable[..., Any]:
    mine, function = this

    @jit
    def choose(number: int, *arguments: Any) -> Any:
        if number == mine:
            return function(*arguments)
        return rest(number, *arguments)

    return choose


def _operations(*, on_replicas: bool) -> list[tuple[int, Callable[..., Any]]]:
    found = {
        str(kind.op): jit_arithmetic(str(kind.op))
        for kind in REGISTRY.values()
        if kind.resource is not None and (kind.resource == "replicas") == on_replicas
    }
    return [(OPERATIONS.index(name), function) for name, function in found.items()]


pair_of = _chosen(_operations(on_replicas=False))
"""`(operation, request, limit, amount, low, high)`: the new request and limit."""

count_of = _chosen(_operations(on_replicas=True))
"""`(operation, replicas, amount, low, high)`: the new number of replicas."""

reward_of = _chosen([(i, jit_plain(f)) for i, f in enumerate(rewards.FORMULAS.values())])
"""`(reward, outcome, target, duration)`: what a step pays."""
