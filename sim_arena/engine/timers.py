"""Things that will happen later, in order of time and, at one time, of their setting."""

from __future__ import annotations

from typing import Any

from sim_arena.engine.heap import push
from sim_arena.engine.jit import jit

__all__ = ["set_timer"]


@jit
def set_timer(state: Any, time: int, kind: int, p: int, container: int, token: int) -> None:
    """Let `kind` happen to a pod at `time`.

    Timers are never taken back: `token` tells the one who handles it whether it still holds.
    """
    clock = state.clock[0]
    clock.serial += 1
    entry = state.timers[clock.timers]
    entry.a = time
    entry.b = clock.serial
    entry.c = 0
    entry.kind = kind
    entry.pod = p
    entry.container = container
    entry.token = token
    push(state.timers, clock.timers)
    clock.timers += 1
