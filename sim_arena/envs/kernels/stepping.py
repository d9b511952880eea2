"""One step of a slice of the environments: begin, reset, run, observe.

Each step replays the whole window, so nothing of a run has to be kept: a few states serve all
environments of a thread, a few environments at a time, and never leave the processor's cache.
"""

from typing import Any

from sim_arena.engine import loop
from sim_arena.engine.bundle import bundle
from sim_arena.engine.state import FULL
from sim_arena.envs.kernels import beginning, observing
from sim_arena.envs.kernels.plain import kernel

__all__ = ["step"]

_NO_LIMIT = 1 << 62


def _begin(
    tables: Any, own: Any, programs: Any, states: Any, actions: Any, first: int, end: int
) -> None:
    """Apply the actions, or put new episodes in place; give each its problem's program."""
    for b in range(first, end):
        beginning.begin(tables, own, programs, b, actions[b])
        loop.state_at(states, b).clock[0].program = own.episodes[b].problem


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
        state = bundle(loop.state_at(states, b))
        if state.clock[0].status == FULL:
            full += 1
        else:
            program = bundle(loop.program_at(programs, own.episodes[b].problem, b))
            observing.observe(tables, own, program, state, output, reward, b)
    return full


_begin_some = kernel(_begin)
_observe_some = kernel(_observe)


def _step(
    tables: Any,
    own: Any,
    programs: Any,
    states: Any,
    actions: Any,
    output: Any,
    reward: int,
    whole: Any,
    first: int,
    end: int,
) -> int:
    """Step the environments `first` to `end - 1`.

    Args:
        tables: `Tables`
        own: `Own`
        programs: stacked `Arrays`; containers and applications are the environments' own, the
            others a problem's
        states: stacked `State`, for as many environments as are to run one beside the other; no
            other thread's
        actions: [environment]: the number of a choice, or `HELD`
        output: `Output`
        reward: a place in `plain.REWARDS`
        whole: see `engine.loop.advance`
        first: the first environment
        end: the one after the last

    Returns:
        how many environments need more room: their actions are applied, but nothing is written
    """
    full = 0
    at_once = states.clock.shape[0]
    for start in range(first, end, at_once):
        stop = min(start + at_once, end)
        _begin_some(tables, own, programs, states, actions, start, stop)
        loop.reset(programs, states, own.seeds, whole, start, stop)
        loop.advance(programs, states, own.until, _NO_LIMIT, whole, start, stop)
        full += _observe_some(tables, own, programs, states, output, reward, start, stop)
    return full


step = kernel(_step)
