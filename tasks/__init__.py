"""The verbs of the loop as Prefect tasks: with retries, names for people, and no caching.

This package can stand where `sim_arena.verbs` can: `play(spec, tasks)`. What an interrupted step
made must be removed also where no task can start any more, so `clean_up` is a plain function.
"""

from sim_arena.verbs import clean_up
from tasks.decide import decide
from tasks.logs import hand_on
from tasks.mutate import mutate
from tasks.observe import observe
from tasks.preflight import preflight
from tasks.record import record
from tasks.reward import reward
from tasks.simulate import simulate
from tasks.wait import wait

__all__ = [
    "clean_up",
    "decide",
    "mutate",
    "observe",
    "preflight",
    "record",
    "reward",
    "simulate",
    "wait",
]

hand_on()
