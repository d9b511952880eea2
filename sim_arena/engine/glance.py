"""What can be seen of one workload in each run of a batch, as rows of numbers.

`observe` reads one run as a person wants to see it. In a batch, many runs look alike: a glance
holds everything that the observation of a program depends on that needs no more than the core of
the engine. Such runs with equal programs and equal glances have equal observations, and Python has
to make each of them only once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim_arena.engine.jit import entry, jit
from sim_arena.engine.state import CRASHED, FAILED, GONE, PENDING, RUNNING, UP
from traces.arithmetic import UNSET

if TYPE_CHECKING:
    from sim_arena.engine.program import Arrays
    from sim_arena.engine.state import State

__all__ = ["MESSAGES", "glances", "room_for"]

# What stands in a row; behind it the containers, then the messages.
(
    TOTAL,
    READY,
    PENDING_PODS,
    FAILED_PODS,
    RESTARTS,
    APPLICATION,
    EXISTS,
    TEMPLATE,
    NOW,
    CPU,
    MEMORY,
    PODS,
    FREE_CPU,
    FREE_MEMORY,
    EVENTS,
    MESSAGES,
    CONTAINERS,  # for how many containers the row has room
    REJECTIONS,  # how many numbers follow a message
    HEAD,
) = range(19)
# Of a container: restarts, kills, whether it runs anywhere.
_PER_CONTAINER = 3
# Of a message before its rejections: pods, kind, whether the pod never preempts.
_BEFORE_REJECTIONS = 3


def room_for(programs: Arrays, state: State, messages: int) -> Any:
    """Return rows for the glances of a batch, with room for so many different messages each."""
    containers = state.containers.shape[1] // state.pods.shape[1]
    width = HEAD + _PER_CONTAINER * containers
    width += messages * (_BEFORE_REJECTIONS + state.rejections.shape[2])
    return np.zeros((len(programs.header), width), np.int64)


@entry
def glances(
    header: Any,
    nodes: Any,
    templates: Any,
    containers: Any,
    clock: Any,
    used: Any,
    workloads: Any,
    pods: Any,
    states: Any,
    rejections: Any,
    numbers: Any,
    rows: Any,
    first: int,
    end: int,
) -> None:
    """Fill the rows `first` to `end - 1` in.

    `header` to `containers` are of the programs, `clock` to `rejections` of the runs' state
    (`used` are its nodes, `states` its containers), `numbers` the workload to look at, by run.
    `MESSAGES` counts the different messages; with more than there is room for, a row is of no
    use.
    """
    for b in range(first, end):
        row = rows[b]
        row[:] = 0
        _nodes(header[b, 0].nodes, nodes[b], used[b], row)
        row[CONTAINERS] = states.shape[1] // pods.shape[1]
        row[REJECTIONS] = rejections.shape[2]
        row[NOW] = clock[b, 0].now
        here = workloads[b, numbers[b]]
        row[APPLICATION] = here.application
        row[EXISTS] = here.exists
        row[TEMPLATE] = here.template
        per_pod = header[b, 0].pod_containers
        messages = HEAD + _PER_CONTAINER * row[CONTAINERS]
        for p in range(clock[b, 0].pods):
            pod = pods[b, p]
            if pod.workload != numbers[b] or pod.phase == GONE:
                continue
            _pod(pod, row)
            _containers(
                pod, p * per_pod, here.template, templates[b], containers[b], states[b], row
            )
            if pod.message != 0:
                row[EVENTS] |= 1
            if pod.phase == PENDING and pod.message != 0:
                never = templates[b, pod.template].never_preempts
                _message(pod.message, never, rejections[b, p], messages, row)


@jit
def _nodes(count: int, nodes: Any, used: Any, row: Any) -> None:
    for n in range(count):
        row[CPU] += used[n].cpu
        row[MEMORY] += used[n].memory
        row[PODS] += used[n].pods
        row[FREE_CPU] = max(row[FREE_CPU], nodes[n].cpu - used[n].cpu)
        row[FREE_MEMORY] = max(row[FREE_MEMORY], nodes[n].memory - used[n].memory)


@jit
def _pod(pod: Any, row: Any) -> None:
    row[TOTAL] += 1
    row[READY] += pod.ready
    row[RESTARTS] += pod.restarts
    if pod.phase == PENDING:
        row[PENDING_PODS] += 1
    elif pod.phase == FAILED:
        row[FAILED_PODS] += 1


@jit
def _containers(
    pod: Any, start: int, current: int, templates: Any, containers: Any, states: Any, row: Any
) -> None:
    """Add a pod's containers to those of the current template that have their names."""
    mine = templates[pod.template]
    for c in range(mine.end_container - mine.first_container):
        state = states[start + c]
        if pod.phase == RUNNING:
            if state.state == CRASHED:
                row[EVENTS] |= 2
            if state.oom_killed > 0:
                row[EVENTS] |= 4
            if state.state == UP and state.ready == 0:
                row[EVENTS] |= 8
        if current == UNSET:
            continue
        name = containers[mine.first_container + c].name
        shown = templates[current]
        for j in range(shown.end_container - shown.first_container):
            if containers[shown.first_container + j].name == name:
                at = HEAD + _PER_CONTAINER * j
                row[at] += state.restarts
                row[at + 1] += state.oom_killed
                if pod.phase == RUNNING and state.state == UP:
                    row[at + 2] = 1


@jit
def _message(kind: int, never: int, rejections: Any, start: int, row: Any) -> None:
    """Count a pod's message, with those that are equal."""
    width = _BEFORE_REJECTIONS + len(rejections)
    room = (len(row) - start) // width
    for m in range(min(row[MESSAGES], room)):
        at = start + m * width
        same = row[at + 1] == kind and row[at + 2] == never
        r = 0
        while same and r < len(rejections):
            same = row[at + _BEFORE_REJECTIONS + r] == rejections[r]
            r += 1
        if same:
            row[at] += 1
            return
    if row[MESSAGES] < room:
        at = start + row[MESSAGES] * width
        row[at] = 1
        row[at + 1] = kind
        row[at + 2] = never
        for r in range(len(rejections)):
            row[at + _BEFORE_REJECTIONS + r] = rejections[r]
    row[MESSAGES] += 1
