"""What comes first within a moment: the next object, a controller, or the scheduler?

In a real cluster they work side by side: the objects of one event are applied some milliseconds
apart, controllers make pods in batches meanwhile, the scheduler places what is there, and what
became of a pod is known only when it has been bound and started. Where pods compete for room,
this order decides who gets it. So within a moment there is a clock of its own, `clock.serial`,
that counts milliseconds or so, and the seed draws how long each step takes. The time that is
observed stands still meanwhile, and where nothing competes nothing is drawn.

The scheduler's order among the pods that are there is its queue's (queue.py); a pod counts as
there from its stamp on.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.choice import ORDER, choose, draw, draw_quickly
from sim_arena.engine.jit import jit, rare
from sim_arena.engine.state import RETRY

__all__ = [
    "APPLY",
    "CONTROL",
    "RETURN",
    "SCHEDULE",
    "choose_pace",
    "delay",
    "next_actor",
    "see_races",
    "time_within",
]

# RETURN: a controller that was refused a pod tries again.
APPLY, CONTROL, SCHEDULE, RETURN = range(4)

_FAR = 1 << 62
_SLOW = 2
_TICK = 1_000_000  # nanoseconds, about: see `delay`


@jit
def delay(state: Any, least: int) -> int:
    """Draw how long a step takes: `least` to 16 times as long, about equally often each doubling.

    Args:
        state: the run.
        least: a power of two, in ticks; nothing is drawn, and the delay is 0, where the order
            cannot matter.
    """
    clock = state.clock[0]
    if not clock.racing:
        return 0
    if clock.choices == 0:
        clock.order = draw(clock.seed, ORDER, 0)
    clock.choices += 1
    bits = draw_quickly(clock.order, clock.choices)
    return least + (bits & (least - 1)) << (bits >> 16 & 3) + clock.slow


@rare
def choose_pace(state: Any) -> None:
    """Draw whether the machine is a busy one, on which all steps take four times as long.

    What depends on the clock does not: when a refused controller tries again.
    """
    clock = state.clock[0]
    clock.slow = choose(clock.seed, ORDER, 1, 2) * _SLOW


@jit
def see_races(program: Any, state: Any) -> None:
    """Note at a moment's first application whether the order within the moment can matter.

    It can where several objects are applied at once, and where a pod waits for room. (A pod that
    finds none in the course of the moment notes it as well.)
    """
    clock = state.clock[0]
    applications = program.applications
    cursor = clock.cursor
    if cursor > 0 and applications[cursor - 1].time == applications[cursor].time:
        return
    clock.began = clock.serial
    last = cursor + 1 == program.header[0].applications
    alone = last or applications[cursor + 1].time != applications[cursor].time
    clock.racing = 0 if alone and clock.waiting == 0 else 1


@jit
def time_within(state: Any) -> int:
    """Return the time, in nanoseconds, that it has become in the course of the moment."""
    clock = state.clock[0]
    if clock.racing and not clock.guided:
        return clock.now + (clock.serial - clock.began) * _TICK
    return clock.now


@jit
def _due(state: Any, thing: int) -> int:
    sets = state.sets.shape[0]
    return state.sets[thing].due if thing < sets else state.workloads[thing - sets].due


@jit
def _first_controller(state: Any) -> int:
    """Put the thing that is due first at the head of the controllers' queue; return its time."""
    clock = state.clock[0]
    head = clock.dirty_first
    if clock.dirty == 1:
        return _due(state, state.dirty[head])
    room = state.dirty.shape[0]
    best = head
    time = _due(state, state.dirty[head])
    for i in range(1, clock.dirty):
        place = (head + i) % room
        due = _due(state, state.dirty[place])
        if due < time:
            best = place
            time = due
    state.dirty[head], state.dirty[best] = state.dirty[best], state.dirty[head]
    return time


@jit
def next_actor(program: Any, state: Any, whole: Any) -> int:
    """Return who acts next in a moment in which the order matters, and move its clock there."""
    clock = state.clock[0]
    actor = SCHEDULE
    time = state.active[0].b if clock.active > 0 else _FAR
    if clock.backoff > 0 and clock.serial < time:
        time = clock.serial  # an idle scheduler takes pods out of back-off
    if clock.dirty > 0:
        control = _first_controller(state)
        if control <= time:
            actor = CONTROL
            time = control
    if clock.cursor < program.header[0].applications:
        if clock.apply_at < time:
            if program.applications[clock.cursor].time <= clock.now:
                actor = APPLY
                time = clock.apply_at
    if whole is not None and program.header[0].admission and clock.timers > 0:
        timer = state.timers[0]
        again = clock.began + (timer.a - clock.now) // _TICK
        if timer.kind == RETRY and again < time < _FAR:
            actor = RETURN
            time = again
    if clock.serial < time < _FAR:
        clock.serial = time
    return actor
