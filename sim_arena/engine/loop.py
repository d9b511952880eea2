"""The event loop: what is to be done now, then what comes next in time.

Within one moment the controllers act first, then the scheduler places one pod, and so on until
nothing is left to do; only then does the time move on. The trace's events come before timers
that are due at the same time.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.admission import is_tried_again, reset_admission, reset_rules, try_early
from sim_arena.engine.applications import apply_next, collect_garbage
from sim_arena.engine.bundle import bundle
from sim_arena.engine.capacity import timers_of_one_event
from sim_arena.engine.cronjob import sync_cronjob
from sim_arena.engine.daemonset import sync_daemonset
from sim_arena.engine.deployment import same_resources, sync_deployment
from sim_arena.engine.heap import pop
from sim_arena.engine.jit import entry, jit, rare
from sim_arena.engine.job import sync_job
from sim_arena.engine.kubelet import tick
from sim_arena.engine.lifecycle import (
    available,
    complete,
    finish_wait,
    mark_set,
    mark_workload,
    probe_failed,
    release_late,
    restart_container,
    start_pod,
)
from sim_arena.engine.order import CONTROL, RETURN, SCHEDULE, choose_pace, next_actor
from sim_arena.engine.program import (
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    REPLICA_SET,
    STATEFUL_SET,
    Arrays,
)
from sim_arena.engine.queue import flush_leftovers, next_pod
from sim_arena.engine.replicaset import sync_set
from sim_arena.engine.requests import compute_requests
from sim_arena.engine.scheduler import schedule
from sim_arena.engine.state import (
    AVAILABLE,
    COMPLETE,
    DONE,
    FLUSH,
    FULL,
    MORE,
    PENDING,
    PROBE,
    RELEASE,
    RESTART,
    RETRY,
    START,
    SYNC,
    TICK,
    State,
)
from sim_arena.engine.statefulset import sync_statefulset
from traces.arithmetic import UNSET

__all__ = [
    "advance",
    "advance_run",
    "handle",
    "program_at",
    "reset",
    "reset_run",
    "state_at",
    "sync_next",
]

_FAR = 1 << 62


@jit
def program_at(programs: Any, shared: int, b: int) -> Any:
    """Return the program of run `b`: what actions change is its own, the rest that of `shared`."""
    return Arrays(
        programs.header[shared],
        programs.nodes[shared],
        programs.templates[shared],
        programs.containers[b],
        programs.applications[b],
        programs.workloads[shared],
        programs.static[shared],
        programs.node_extended[shared],
        programs.template_extended[shared],
        programs.timelines[shared],
        programs.terms[shared],
        programs.matches[shared],
        programs.domains[shared],
        programs.included[shared],
        programs.incoming[shared],
        programs.logs[shared],
        programs.rules[shared],
        programs.amounts[shared],
        programs.claims[shared],
    )


@jit
def state_at(states: Any, b: int) -> Any:
    """Return the state of run `b`; where there are fewer states than runs, they take turns."""
    s = b % states.clock.shape[0]
    return State(
        states.clock[s],
        states.nodes[s],
        states.extended[s],
        states.sets[s],
        states.workloads[s],
        states.pods[s],
        states.containers[s],
        states.rejections[s],
        states.placed[s],
        states.staying[s],
        states.active[s],
        states.backoff[s],
        states.timers[s],
        states.dirty[s],
        states.victims[s],
        states.room[s],
        states.lists[s],
        states.rules[s],
        states.admission[s],
        states.filled[s],
        states.used[s],
        states.kept[s],
        states.crowds[s],
        states.lanes[s],
        states.exact[s],
    )


@entry
def reset(programs: Any, states: Any, seeds: Any, whole: Any, first: int, end: int) -> None:
    """Set the runs `first` to `end - 1` of a batch back to the time before the first event."""
    for b in range(first, end):
        state = state_at(states, b)
        program = program_at(programs, state.clock[0].program, b)
        if whole is None:
            reset_run(program, state, seeds[b], None)
        else:
            reset_run(bundle(program), bundle(state), seeds[b], whole)


@jit
def reset_run(program: Any, state: Any, seed: int, whole: Any) -> None:
    """Set one run back to the time before the first event."""
    _reset_clock(state.clock[0], seed)
    for n in range(program.header[0].nodes):
        used = state.nodes[n]
        used.cpu = 0
        used.memory = 0
        used.scored_cpu = 0
        used.scored_memory = 0
        used.pods = 0
        used.pressed_until = 0
        for r in range(program.header[0].extended):
            state.extended[n, r] = 0
    jobs = program.header[0].jobs
    for w in range(program.header[0].workloads + jobs):
        workload = state.workloads[w]
        workload.exists = 0
        workload.application = UNSET
        workload.template = UNSET
        workload.current = UNSET
        workload.rolling = 0
        workload.dirty = 0
        workload.sync_at = UNSET
        workload.deadline_at = UNSET
        workload.evicted = 0
    for t in range(program.header[0].templates):
        _reset_set(program, state, t)
    if program.header[0].terms > 0:
        _reset_counts(program, state)
    for job in range(jobs):
        s = program.header[0].templates + job
        _clear_set(state.sets[s], program.header[0].workloads + job)
    if whole is not None:
        reset_rules(program, state)
        if program.header[0].admission:
            reset_admission(program, state)
            choose_pace(state)


@jit
def _reset_clock(clock: Any, seed: int) -> None:
    clock.now = 0
    clock.seed = seed
    clock.serial = 0
    clock.cursor = 0
    clock.pods = 0
    clock.active = 0
    clock.changes = 0
    clock.backoff = 0
    clock.waiting = 0
    clock.timers = 0
    clock.dirty_first = 0
    clock.dirty = 0
    clock.racing = 0
    clock.guided = 0
    clock.slow = 0
    clock.began = 0
    clock.apply_at = 0
    clock.late = 0
    clock.choices = 0
    clock.start_node = 0
    clock.flush_armed = 0
    clock.nominees = 0
    clock.sets = 0
    clock.ticking = 0
    clock.status = MORE


@jit
def _reset_counts(program: Any, state: Any) -> None:
    for t in range(program.header[0].templates):
        for n in range(program.header[0].nodes):
            state.placed[t, n] = 0
            state.staying[t, n] = 0
    for t in range(program.header[0].terms):
        for d in range(program.terms[t].areas):
            state.crowds[t, d] = 0


@jit
def _clear_set(row: Any, workload: int) -> None:
    row.exists = 0
    row.workload = workload
    row.order = 0
    row.min_ready = 0
    row.replicas = 0
    row.desired = 0
    row.largest = 0
    row.active = 0
    row.ready = 0
    row.available = 0
    row.head = UNSET
    row.dirty = 0
    row.made = 0


@jit
def _reset_set(program: Any, state: Any, t: int) -> None:
    row = state.sets[t]
    _clear_set(row, program.templates[t].workload)
    row.template = t
    row.spec_owner = t
    row.keeps = UNSET
    row.refused_at = UNSET
    row.refused = UNSET
    compute_requests(program.templates[t], program.containers, program.containers, row)
    if program.header[0].lifecycles > 0:
        row.spec_owner = _first_with_spec(program, state, t)


@jit
def _first_with_spec(program: Any, state: Any, t: int) -> int:
    """Return the first template whose pods have the same spec."""
    for u in range(t):
        if state.sets[u].spec_owner == u:
            if program.templates[u].spec == program.templates[t].spec:
                if same_resources(program, u, t):
                    return u
    return t


@entry
def advance(
    programs: Any, states: Any, until: Any, max_events: int, whole: Any, first: int, end: int
) -> None:
    """Run the runs `first` to `end - 1` of a batch.

    Args:
        programs: stacked `Arrays`.
        states: stacked `State`.
        until: nanoseconds, [batch]: each run stops when all up to and including this time is
            done. `clock.status` is then `DONE`; `FULL` if the arrays must grow before the run
            can go on; `MORE` if `max_events` were handled before.
        max_events: how many scheduling attempts and moments a run may handle in this call.
        whole: None if no program needs more than the engine's core (`header.whole`); 1 otherwise.
            Numba drops branches on `whole is not None` when it is None, so what lies behind them
            costs the others neither compilation nor time.
        first: first run.
        end: the run after the last one.
    """
    for b in range(first, end):
        state = state_at(states, b)
        program = program_at(programs, state.clock[0].program, b)
        if whole is None:
            status = advance_run(program, state, until[b], max_events, None)
        else:
            status = advance_run(bundle(program), bundle(state), until[b], max_events, whole)
        state.clock[0].status = status


@jit
def advance_run(program: Any, state: Any, until: int, max_events: int, whole: Any) -> int:
    """Run one run as `advance` does, and return its new `clock.status`.

    A kernel of another entry sets a run back and runs it while its arrays are at hand.
    """
    clock = state.clock[0]
    events = 0
    while events < max_events:
        margin = timers_of_one_event(program, clock.pods, whole)
        if clock.timers + margin > state.timers.shape[0]:
            return FULL
        actor = CONTROL if clock.dirty > 0 else SCHEDULE
        if clock.racing:
            actor = next_actor(program, state, whole)
        if actor == CONTROL:
            if not sync_next(program, state, whole):
                return FULL
            continue
        events += 1
        if actor != SCHEDULE:
            if not _apply_or_return(program, state, actor, whole):
                return FULL
            continue
        p = next_pod(state)
        if p != UNSET:
            schedule(program, state, p, whole, None)
        else:
            step = _next_moment(program, state, until, whole)
            if step != MORE:
                return step
    return MORE


@jit
def sync_next(program: Any, state: Any, whole: Any) -> bool:
    """Let the controller that has waited longest act; False when the state is full."""
    clock = state.clock[0]
    room = state.dirty.shape[0]
    thing = state.dirty[clock.dirty_first]
    clock.dirty_first = (clock.dirty_first + 1) % room
    clock.dirty -= 1
    sets = state.sets.shape[0]
    if thing < sets:
        state.sets[thing].dirty = 0
        done = sync_set(program, state, thing, whole)
    else:
        w = thing - sets
        state.workloads[w].dirty = 0
        done = True
        kind = program.workloads[w].kind
        if whole is not None and kind == JOB:
            done = sync_job(program, state, w)
        elif whole is not None and kind == CRON_JOB:
            sync_cronjob(program, state, w)
        elif not state.workloads[w].exists:
            collect_garbage(program, state, w)
        elif kind == DEPLOYMENT:
            sync_deployment(program, state, w)
        elif kind == STATEFUL_SET:
            done = sync_statefulset(program, state, w, whole)
        elif whole is not None and kind == DAEMON_SET:
            done = sync_daemonset(program, state, w)
    if not done:
        _put_back(state, thing)
    return done


@jit
def _put_back(state: Any, thing: int) -> None:
    """Leave a controller that found no room, and did nothing, the next one to act."""
    clock = state.clock[0]
    room = state.dirty.shape[0]
    clock.dirty_first = (clock.dirty_first + room - 1) % room
    clock.dirty += 1
    sets = state.sets.shape[0]
    if thing < sets:
        state.sets[thing].dirty = 1
    else:
        state.workloads[thing - sets].dirty = 1


@jit
def _next_moment(program: Any, state: Any, until: int, whole: Any) -> int:
    """Move to the next event or timer, and handle it."""
    clock = state.clock[0]
    if clock.dirty > 0:
        return MORE  # the scheduler's queue held only pods that are deleted: not yet over
    event = _FAR
    if clock.cursor < program.header[0].applications:
        event = program.applications[clock.cursor].time
    timer = state.timers[0].a if clock.timers > 0 else _FAR
    if min(event, timer) > until:
        clock.now = max(clock.now, until)
        return DONE
    if event <= timer:
        before = clock.now
        if event > clock.now:
            clock.now = event
            clock.began = clock.serial
        if apply_next(program, state, whole):
            return MORE
        clock.now = before  # its moment has not begun
        return FULL
    if timer > clock.now:
        clock.now = timer
        clock.began = clock.serial
    pop(state.timers, clock.timers)
    clock.timers -= 1
    handle(program, state, state.timers[clock.timers], whole)
    return MORE


@jit
def handle(program: Any, state: Any, timer: Any, whole: Any) -> None:
    """Do what a timer says."""
    kind = timer.kind
    p = timer.pod
    slot = timer.container
    token = timer.token
    if kind == START:
        if state.pods[p].phase == PENDING:
            start_pod(program, state, p, whole)
    elif kind == COMPLETE:
        complete(program, state, p)
    elif kind == RESTART:
        restart_container(program, state, p, slot, token, whole)
    elif kind == PROBE:
        probe_failed(state, p, slot, token)
    elif kind == AVAILABLE:
        available(state, p, token)
    elif kind == RELEASE:
        release_late(program, state, p)
    elif kind == FLUSH:
        flush_leftovers(program, state)
    elif whole is not None:
        _handle_more(program, state, kind, p)


@rare
def _handle_more(program: Any, state: Any, kind: int, thing: int) -> None:
    """Do what the timers say that only programs beyond the core set."""
    if kind == SYNC:
        finish_wait(state, thing)
    elif kind == TICK:
        tick(program, state)
    elif kind == RETRY and is_tried_again(state, thing):
        _control(program, state, thing)


@jit
def _apply_or_return(program: Any, state: Any, actor: int, whole: Any) -> bool:
    """Do what `next_actor` says; False when the state is full."""
    if whole is not None and actor == RETURN:
        _return_early(program, state)
        return True
    return apply_next(program, state, whole)


@rare
def _return_early(program: Any, state: Any) -> None:
    """Let a controller that was refused a pod try again in a moment that takes that long."""
    clock = state.clock[0]
    pop(state.timers, clock.timers)
    clock.timers -= 1
    timer = state.timers[clock.timers]
    if try_early(state, timer.pod, timer.a):
        _control(program, state, timer.pod)


@jit
def _control(program: Any, state: Any, s: int) -> None:
    """Let the controller of a set's pods look at it."""
    w = state.sets[s].workload
    kind = program.workloads[w].kind
    if kind == DEPLOYMENT or kind == REPLICA_SET:
        mark_set(state, s)
    else:
        mark_workload(state, w)
