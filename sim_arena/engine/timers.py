"""Things that will happen later, in order of time and, at one time, of their setting."""

from __future__ import annotations

from typing import Any

from sim_arena.engine.heap import push
from sim_arena.engine.jit import jit

__all__ = ["set_early_timer", "set_timer"]

_EARLIER = 1 << 50


@jit
def set_timer(state: Any, time: int, kind: int, p: int, container: int, token: int) -> None:
    """Let `kind` happen to a pod at `time`.

    Timers are never taken back: `token` tells the one who handles it whether it still holds.
    """
    _set(state, time, 0, kind, p, container, token)


@jit
def set_early_timer(state: Any, time: int, kind: int, thing: int) -> None:
    """Let `kind` happen before all else that `set_timer` sets for that time."""
    _set(state, time, -_EARLIER, kind, thing, 0, 0)


@jit
def _set(state: Any, time: int, shift: int, kind: int, p: int, container: int, token: int) -> None:
    clock = state.clock[0]
    clock.serial += 1
    entry = state.timers[clock.timers]
    entry.a = time
    entry.b = clock.serial + shift
    entry.c = 0
    entry.kind = kind
    entry.pod = p
    entry.container = container
    entry.token = token
    push(state.timers, clock.timers)
    clock.timers += 1
