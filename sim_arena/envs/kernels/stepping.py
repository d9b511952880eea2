"""One step of a slice of the environments: begin, reset, run, observe.

A few environments go through all four before the next few begin, so that what they use is still
in the processor's cache. Each part is a kernel of its own, too, which lets the benchmark time it.
"""

from typing import Any

from sim_arena.engine import loop
from sim_arena.envs.kernels import beginning, observing
from sim_arena.envs.kernels.plain import kernel

__all__ = ["begin", "observe", "step"]

_NO_LIMIT = 1 << 62


def _begin(
    tables: Any, own: Any, programs: Any, states: Any, actions: Any, first: int, end: int
) -> None:
    """Apply the actions, or put new episodes in place."""
    for b in range(first, end):
        beginning.begin(tables, own, programs, states, b, actions[b])


def _observe(
    tables: Any,
    own: Any,
    programs: Any,
    states: Any,
    output: Any,
    reward: int,
    first: int,
    end: int,
) -> int:
    """Write what the environments return; return how many need more room and wrote nothing."""
    full = 0
    for b in range(first, end):
        if not observing.observe(tables, own, programs, states, output, reward, b):
            full += 1
    return full


begin = kernel(_begin)
observe = kernel(_observe)


def _step(
    tables: Any,
    own: Any,
    programs: Any,
    states: Any,
    actions: Any,
    output: Any,
    reward: int,
    whole: Any,
    at_once: int,
    first: int,
    end: int,
) -> int:
    """Step the environments `first` to `end - 1`.

    Args:
        tables: `Tables`
        own: `Own`
        programs: stacked `Arrays`; containers and applications are the environments' own, the
            others a problem's
        states: stacked `State`
        actions: [environment]: the number of a choice, or `HELD`
        output: `Output`
        reward: a place in `plain.REWARDS`
        whole: see `engine.loop.advance`
        at_once: how many go through all four parts before the next begin
        first: the first environment
        end: the one after the last

    Returns:
        how many environments need more room: their actions are applied, but nothing is written
    """
    full = 0
    for start in range(first, end, at_once):
        stop = min(start + at_once, end)
        begin(tables, own, programs, states, actions, start, stop)
        loop.reset(programs, states, own.seeds, whole, start, stop)
        loop.advance(programs, states, own.until, _NO_LIMIT, whole, start, stop)
        full += observe(tables, own, programs, states, output, reward, start, stop)
    return full


step = kernel(_step)
