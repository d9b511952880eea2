"""The CronJob controller: starts Jobs at the times of a schedule, and tidies up behind them.

Sources: Kubernetes `pkg/controller/cronjob/cronjob_controllerv2.go` and `utils.go`. The times
are virtual: the trace's first timestamp, and what has passed since. The compiler writes down
which Jobs may be started; each is a row of its own (compiler/cronjobs.py).
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.job import JOB_COMPLETE, JOB_FAILED, JOB_GOES_ON, remove_job, start_job
from sim_arena.engine.lifecycle import mark_workload, sync_later
from sim_arena.engine.program import NS
from traces.arithmetic import UNSET

__all__ = ["apply_cronjob", "delete_cronjob", "sync_cronjob"]

_PADDING = NS // 10  # nextScheduleDelta


@rare
def apply_cronjob(program: Any, state: Any, w: int, cursor: int) -> None:
    """Create a CronJob, or change it.

    With another schedule the controller only looks at it when the next time has come
    (updateCronJob).
    """
    cronjob = state.workloads[w]
    application = program.applications[cursor]
    other = 0
    if not cronjob.exists:
        cronjob.exists = 1
        cronjob.created = state.clock[0].now // NS * NS
        cronjob.last = UNSET
    elif program.applications[cronjob.application].schedule != application.schedule:
        other = 1
    cronjob.application = cursor
    cronjob.template = application.template
    if other:
        _wait_for_next(program, state, w)
    else:
        mark_workload(state, w)


@rare
def delete_cronjob(program: Any, state: Any, w: int) -> None:
    """Delete a CronJob with its Jobs and their pods."""
    state.workloads[w].exists = 0
    state.workloads[w].sync_at = UNSET
    for job in range(_first_child(program, w), _end_child(program, w)):
        if state.workloads[job].exists:
            remove_job(program, state, job)


@jit
def _first_child(program: Any, w: int) -> int:
    return program.workloads[w].first_job


@jit
def _end_child(program: Any, w: int) -> int:
    return program.workloads[w].end_job


@rare
def sync_cronjob(program: Any, state: Any, w: int) -> None:
    """Start the Job whose time has come, if it may be started."""
    cronjob = state.workloads[w]
    if not cronjob.exists:
        return
    application = program.applications[cronjob.application]
    _tidy_up(program, state, w, JOB_COMPLETE, application.keeps_complete)
    _tidy_up(program, state, w, JOB_FAILED, application.keeps_failed)
    if application.halted or application.schedule == UNSET:
        return
    job = _latest_due(program, state, w, application)
    if job != UNSET and _may_start(program, state, w, job, application):
        if application.replaces:
            _remove_running(program, state, w)
        _start(program, state, w, job)
    _wait_for_next(program, state, w)


@rare
def _latest_due(program: Any, state: Any, w: int, application: Any) -> int:
    """Return the last Job whose time has come since the last one, or UNSET.

    Where several were missed their number is estimated from the first pause, as the controller
    does: after an uneven pause it can find none (mostRecentScheduleTime).
    """
    now = state.clock[0].now
    cronjob = state.workloads[w]
    earliest = cronjob.created if cronjob.last == UNSET else cronjob.last
    if application.start_within != UNSET:
        earliest = max(earliest, now - application.start_within)
    first = _next_after(program, application, earliest)
    if first == application.end_job or program.workloads[first].time > now:
        return UNSET
    second = first + 1
    if second == application.end_job or program.workloads[second].time > now:
        return first
    start = program.workloads[first].time
    pause = program.workloads[second].time - start
    missed = (now - start) // NS // (pause // NS) + 1
    later_than = start + (missed - 2) * pause
    latest = UNSET
    for job in range(first, application.end_job):
        time = program.workloads[job].time
        if time > now:
            break
        if time > later_than:
            latest = job
    return latest


@rare
def _next_after(program: Any, application: Any, time: int) -> int:
    """Return the first Job that is due after a time, or the end of the list."""
    low = application.first_job
    high = application.end_job
    while low < high:
        middle = (low + high) // 2
        if program.workloads[middle].time > time:
            high = middle
        else:
            low = middle + 1
    return low


@rare
def _may_start(program: Any, state: Any, w: int, job: int, application: Any) -> bool:
    if program.workloads[job].time == state.workloads[w].last:
        return False
    minute = program.workloads[job].minute
    for other in range(_first_child(program, w), _end_child(program, w)):
        if state.workloads[other].exists and program.workloads[other].minute == minute:
            return False  # there is a Job of that name
        if application.one_at_a_time and _runs(state, other):
            return False
    return True


@jit
def _runs(state: Any, job: int) -> bool:
    return state.workloads[job].exists != 0 and state.workloads[job].ended == JOB_GOES_ON


@jit
def _remove_running(program: Any, state: Any, w: int) -> None:
    for job in range(_first_child(program, w), _end_child(program, w)):
        if _runs(state, job):
            remove_job(program, state, job)


@jit
def _start(program: Any, state: Any, w: int, job: int) -> None:
    """Start a Job of the present template, which it keeps."""
    cronjob = state.workloads[w]
    start_job(state, job, cronjob.application)
    state.workloads[job].template = cronjob.template
    cronjob.last = program.workloads[job].time
    mark_workload(state, job)


@rare
def _wait_for_next(program: Any, state: Any, w: int) -> None:
    application = program.applications[state.workloads[w].application]
    job = _next_after(program, application, state.clock[0].now)
    if job < application.end_job:
        sync_later(state, w, program.workloads[job].time + _PADDING)


@rare
def _tidy_up(program: Any, state: Any, w: int, outcome: int, limit: int) -> None:
    """Delete the oldest Jobs of an outcome beyond the limit, with their pods."""
    count = 0
    for job in range(_first_child(program, w), _end_child(program, w)):
        if _has_ended(state, job, outcome):
            count += 1
    for _ in range(count - limit):
        oldest = UNSET
        for job in range(_first_child(program, w), _end_child(program, w)):
            if _has_ended(state, job, outcome):
                if oldest == UNSET or _is_older(program, state, job, oldest):
                    oldest = job
        remove_job(program, state, oldest)


@jit
def _has_ended(state: Any, job: int, outcome: int) -> bool:
    return state.workloads[job].exists != 0 and state.workloads[job].ended == outcome


@jit
def _is_older(program: Any, state: Any, a: int, b: int) -> bool:
    """Compare by start time, then by name; what never started comes last."""
    start_a = state.workloads[a].started
    start_b = state.workloads[b].started
    if start_a != start_b:
        return start_b == UNSET or (start_a != UNSET and start_a < start_b)
    return program.workloads[a].time < program.workloads[b].time
