"""What is written anew only when it changed: a template's containers, and what may be done to them.

It depends on the program and the observed template alone, not on how the run went.
"""

from typing import Any

from sim_arena.engine.jit import jit
from sim_arena.engine.program import INIT
from sim_arena.engine.usage import throttled_share
from sim_arena.envs.kernels.edits import moved_pair
from sim_arena.envs.kernels.plain import scaled
from sim_arena.envs.kernels.records import ALL, CPU, MEMORY
from traces.arithmetic import UNSET

__all__ = ["describe", "place_of", "used_cpu"]


@jit
def describe(tables: Any, own: Any, program: Any, b: int) -> None:
    """Write the requests and limits of the observed template, and the mask of what moves them."""
    episode = own.episodes[b]
    stale = episode.stale
    episode.stale = 0
    slot = 0
    if episode.template != UNSET:
        template = program.templates[episode.template]
        for row in range(template.first_container, template.end_container):
            if program.containers[row].kind != INIT:
                _describe_container(tables, own, program, b, slot, row, stale)
                slot += 1
    episode.slots = slot
    if stale == ALL:
        for empty in range(slot, own.slots.shape[1]):
            _describe_none(tables, own, b, empty)


@jit
def _describe_container(
    tables: Any, own: Any, program: Any, b: int, slot: int, row: int, stale: int
) -> None:
    record = program.containers[row]
    seen = own.slots[b, slot]
    columns = tables.columns[0]
    flag = columns.containers + slot * columns.stride
    if stale == ALL:
        seen.row = row
        seen.place = place_of(program, own.episodes[b].template, record.name)
        own.rows[b, flag] = 1.0
        for at in (columns.container_restarts, columns.container_oom_killed):
            own.rows[b, flag + at - 1] = 1.0
    if stale & CPU:
        _write(tables, own, b, flag + columns.cpu_request, record.cpu_request)
        _write(tables, own, b, flag + columns.cpu_limit, record.cpu_limit)
        seen.cpu_usage = scaled(used_cpu(record), tables.scales[flag + columns.cpu_usage])
        seen.throttled = scaled(throttled_share(record), 0.0)
        _mask(tables, own, b, slot, record, CPU)
    if stale & MEMORY:
        _write(tables, own, b, flag + columns.memory_request, record.memory_request)
        _write(tables, own, b, flag + columns.memory_limit, record.memory_limit)
        at = flag + columns.memory_usage
        seen.memory_usage = scaled(record.usage_memory, tables.scales[at])
        _mask(tables, own, b, slot, record, MEMORY)


@jit
def used_cpu(record: Any) -> int:
    """Return what a running container uses of what it may, in milli-CPU."""
    if record.cpu_limit == UNSET:
        return record.usage_cpu
    return min(record.usage_cpu, record.cpu_limit)


@jit
def place_of(program: Any, t: int, name: int) -> int:
    """Return where in a template's pods the first container of a name stands, or UNSET."""
    template = program.templates[t]
    for row in range(template.first_container, template.end_container):
        if program.containers[row].name == name:
            return row - template.first_container
    return UNSET


@jit
def _write(tables: Any, own: Any, b: int, at: int, value: int) -> None:
    """Write a number that may be unset; the flag stands before it."""
    if value == UNSET:
        own.rows[b, at - 1] = 0.0
        own.rows[b, at] = 0.0
    else:
        own.rows[b, at - 1] = 1.0
        own.rows[b, at] = scaled(value, tables.scales[at])


@jit
def _mask(tables: Any, own: Any, b: int, slot: int, record: Any, resource: int) -> None:
    request = record.cpu_request if resource == CPU else record.memory_request
    limit = record.cpu_limit if resource == CPU else record.memory_limit
    for k in range(tables.kinds.shape[1]):
        first = tables.kinds[resource, k]
        if first == UNSET:
            break
        after = moved_pair(record, tables.choices[first])
        own.masks[b, first + slot] = after[0] != request or after[1] != limit


@jit
def _describe_none(tables: Any, own: Any, b: int, slot: int) -> None:
    own.slots[b, slot].row = UNSET
    columns = tables.columns[0]
    flag = columns.containers + slot * columns.stride
    for at in range(flag, flag + columns.stride):
        own.rows[b, at] = 0.0
    for resource in (CPU, MEMORY):
        for k in range(tables.kinds.shape[1]):
            if tables.kinds[resource, k] != UNSET:
                own.masks[b, tables.kinds[resource, k] + slot] = 0
