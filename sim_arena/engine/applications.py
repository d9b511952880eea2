"""What the trace's events do: objects are applied, applied again, and deleted."""

from __future__ import annotations

from typing import Any

from sim_arena.engine.admission import apply_rule
from sim_arena.engine.capacity import has_room
from sim_arena.engine.choice import GARBAGE, choose
from sim_arena.engine.cronjob import apply_cronjob, delete_cronjob
from sim_arena.engine.deployment import same_template
from sim_arena.engine.jit import jit, rare
from sim_arena.engine.job import apply_job, delete_job
from sim_arena.engine.lifecycle import (
    create_pod,
    delete_pod,
    mark_set,
    mark_workload,
    notice_workload,
    set_min_ready,
)
from sim_arena.engine.order import delay, see_races
from sim_arena.engine.program import (
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    POD,
    REPLICA_SET,
    STATEFUL_SET,
)
from sim_arena.engine.slow_start import forget_request
from sim_arena.engine.state import PROMPT
from traces.arithmetic import UNSET

__all__ = ["apply_next", "collect_garbage"]

# Least delays, in ticks of `clock.serial`: between two objects of an event, until the garbage
# collector acts on a deletion, and between the pods that it deletes.
_NEXT, _COLLECT, _COLLECT_NEXT = 4, 8, 1


@jit
def apply_next(program: Any, state: Any, whole: Any) -> bool:
    """Carry out the next application; return False when a pod has no room in the state."""
    clock = state.clock[0]
    application = program.applications[clock.cursor]
    if whole is not None and application.rule > 0:
        see_races(program, state)
        clock.cursor += 1
        _set_next(program, state)
        apply_rule(program, state, application.rule - 1)
        return True
    w = application.workload
    kind = program.workloads[w].kind
    is_new = not _is_there(program, state, w, kind)
    makes_pod = kind == POD and is_new and application.template != UNSET
    if makes_pod and not has_room(program, state, 1, whole):
        return False
    if application.min_ready > 0 and clock.timers + clock.pods + 8 > state.timers.shape[0]:
        return False  # its pods may wait anew
    see_races(program, state)
    cursor = clock.cursor
    clock.cursor += 1
    _set_next(program, state)
    if whole is not None and (kind == JOB or kind == CRON_JOB):
        _apply_job(program, state, w, cursor)
    elif application.template == UNSET:
        _delete(program, state, w)
    else:
        if is_new and clock.racing:
            _remove_pods(program, state, w)
        state.workloads[w].application = cursor
        if application.min_ready > 0 or not is_new:
            _apply_min_ready(program, state, w, application)
        if kind != POD or is_new:  # what is read here of a pod cannot be changed
            _apply(program, state, w, application, is_new, whole)
    return True


@jit
def _set_next(program: Any, state: Any) -> None:
    """Set the time within the moment at which its next object is applied."""
    clock = state.clock[0]
    clock.apply_at = clock.serial + delay(state, _NEXT)
    if clock.cursor < program.header[0].applications:
        offset = program.applications[clock.cursor].offset
        if offset > 0:
            clock.apply_at = clock.began + offset


@jit
def _is_there(program: Any, state: Any, w: int, kind: int) -> bool:
    """Say whether there is such an object: a Pod may have been preempted."""
    if kind == POD and state.sets[program.workloads[w].first_template].head == UNSET:
        return False
    return state.workloads[w].exists != 0


@jit
def _apply(program: Any, state: Any, w: int, application: Any, is_new: bool, whole: Any) -> None:
    workload = state.workloads[w]
    kind = program.workloads[w].kind
    workload.exists = 1
    workload.template = application.template
    if whole is not None and program.header[0].admission and is_new:
        forget_request(state, program.workloads[w].first_template)
    if kind == DEPLOYMENT:
        workload.rolling = PROMPT
        mark_workload(state, w)
    elif kind == STATEFUL_SET:
        workload.rolling = PROMPT
        if is_new:
            workload.current = application.template
        mark_workload(state, w)
    elif whole is not None and kind == DAEMON_SET:
        workload.rolling = PROMPT
        if is_new:
            workload.failed = 0
        mark_workload(state, w)
    elif kind == REPLICA_SET:
        _apply_replica_set(program, state, w, application)
    else:
        first = program.workloads[w].first_template
        create_pod(program, state, first, application.template, UNSET, whole)


@rare
def _apply_min_ready(program: Any, state: Any, w: int, application: Any) -> None:
    """Of a Deployment's ReplicaSets only that of the present template follows."""
    workload = program.workloads[w]
    for s in range(workload.first_template, workload.end_template):
        if workload.kind != DEPLOYMENT or (
            state.sets[s].exists and same_template(program, s, application.template)
        ):
            set_min_ready(state, s, application.min_ready)


@rare
def _apply_job(program: Any, state: Any, w: int, cursor: int) -> None:
    """Apply or delete a Job or a CronJob."""
    application = program.applications[cursor]
    if program.workloads[w].kind == JOB:
        if application.template == UNSET:
            delete_job(program, state, w, application.everything)
        else:
            apply_job(program, state, w, cursor)
    elif application.template == UNSET:
        delete_cronjob(program, state, w)
    else:
        apply_cronjob(program, state, w, cursor)


@jit
def _apply_replica_set(program: Any, state: Any, w: int, application: Any) -> None:
    """A changed template is for new pods only: a ReplicaSet does not replace any."""
    s = program.workloads[w].first_template
    owner = state.sets[s]
    owner.exists = 1
    owner.template = application.template
    owner.replicas = application.replicas
    mark_set(state, s)


@rare
def _delete(program: Any, state: Any, w: int) -> None:
    """Delete an object and, as by background propagation, all that it owns."""
    state.workloads[w].exists = 0
    state.workloads[w].rolling = 0
    workload = program.workloads[w]
    for s in range(workload.first_template, workload.end_template):
        state.sets[s].exists = 0
        state.sets[s].min_ready = 0
        state.sets[s].replicas = 0
    if state.clock[0].racing:
        notice_workload(state, w, _COLLECT)
    else:
        _remove_pods(program, state, w)


@jit
def _remove_pods(program: Any, state: Any, w: int) -> None:
    workload = program.workloads[w]
    for s in range(workload.first_template, workload.end_template):
        while state.sets[s].head != UNSET:
            delete_pod(program, state, state.sets[s].head)


@rare
def collect_garbage(program: Any, state: Any, w: int) -> None:
    """Delete one of the pods that a deleted object has left behind, if there is one."""
    workload = program.workloads[w]
    for s in range(workload.first_template, workload.end_template):
        p = state.sets[s].head
        if p != UNSET:
            for _ in range(choose(state.clock[0].seed, GARBAGE, p, state.clock[0].pods)):
                if state.pods[p].next == UNSET:
                    break
                p = state.pods[p].next
            delete_pod(program, state, p)
            notice_workload(state, w, _COLLECT_NEXT)
            return
