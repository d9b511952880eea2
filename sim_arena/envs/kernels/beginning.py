"""Before a window is replayed: an action edits the program, or a new episode's is put in place."""

from typing import Any

from sim_arena.engine.jit import jit
from sim_arena.engine.loop import program_at
from sim_arena.envs.kernels.edits import edit_container, edit_replicas
from sim_arena.envs.kernels.plain import draw
from sim_arena.envs.kernels.records import ALL, HELD, NOTHING, REPLICAS
from traces.arithmetic import UNSET

__all__ = ["begin"]


@jit
def begin(tables: Any, own: Any, programs: Any, b: int, action: int) -> None:
    """Apply an action to environment `b`; where its episode is over, load the next one instead."""
    if action == HELD:
        return
    episode = own.episodes[b]
    episode.changed = 0
    if episode.over:
        _load(tables, own, programs, b)
        return
    episode.fresh = 0
    episode.step += 1
    choice = tables.choices[action]
    if choice.resource == NOTHING:
        return
    program = program_at(programs, episode.problem, b)
    w = tables.questions[episode.problem].workload
    if choice.resource == REPLICAS:
        if edit_replicas(program, w, choice):
            episode.changed = 1
        return
    row = own.slots[b, choice.slot].row
    if row == UNSET:
        return  # an empty slot
    if edit_container(program, w, program.containers[row].name, choice):
        episode.changed = 1
        episode.stale |= choice.resource


@jit
def _load(tables: Any, own: Any, programs: Any, b: int) -> None:
    """Put the next episode's problem into the arrays of environment `b`."""
    episode = own.episodes[b]
    which, seed = draw(episode.origin, episode.number, tables.questions.shape[0])
    if episode.wanted != UNSET:
        which = episode.wanted
    episode.wanted = UNSET
    episode.number += 1
    episode.problem = which
    episode.step = 0
    episode.over = 0
    episode.fresh = 1
    episode.template = UNSET
    episode.stale = ALL
    own.seeds[b] = seed
    own.until[b] = tables.questions[which].until
    for i in range(programs.header[which, 0].containers):
        programs.containers[b, i] = tables.containers[which, i]
    for i in range(programs.header[which, 0].applications):
        programs.applications[b, i] = tables.applications[which, i]
    for i in range(tables.rows.shape[1]):
        own.rows[b, i] = tables.rows[which, i]
