"""The scheduling queue: pods that are to be tried, pods in back-off, pods that wait for an event.

Source: Kubernetes `pkg/scheduler/backend/queue/` (scheduling_queue.go, active_queue.go,
backoff_queue.go) with the features that 1.36 has on: queueing hints, and taking pods out of
back-off when the active queue is empty.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.heap import pop, push
from sim_arena.engine.jit import jit, rare
from sim_arena.engine.program import NS, TAINTED
from sim_arena.engine.state import ACTIVE, BACKOFF, FLUSH, NOWHERE, PENDING, WAITING
from sim_arena.engine.timers import set_timer
from traces.arithmetic import UNSET

__all__ = [
    "arrive",
    "fail",
    "flush_leftovers",
    "forget",
    "next_pod",
    "wake_after_bind",
    "wake_after_release",
    "wake_for_claim",
    "wake_for_taint",
    "withdraw",
]

_MAX_BACKOFF = 10
_LEFTOVER_AGE = 300 * NS
_FLUSH_PERIOD = 30 * NS


@jit
def _to_active(program: Any, state: Any, p: int) -> None:
    clock = state.clock[0]
    pod = state.pods[p]
    pod.queue = ACTIVE
    entry = state.active[clock.active]
    entry.a = -program.templates[pod.template].priority
    entry.b = pod.stamp
    entry.c = 0
    entry.pod = p
    push(state.active, clock.active)
    clock.active += 1


@jit
def arrive(program: Any, state: Any, p: int) -> None:
    """Put a new pod into the active queue, `clock.late` ticks of `clock.serial` from now."""
    clock = state.clock[0]
    clock.serial += 1
    state.pods[p].stamp = clock.serial + clock.late
    _to_active(program, state, p)


@jit
def fail(state: Any, p: int) -> None:
    """Let a pod that no node could take wait for an event that can help it."""
    clock = state.clock[0]
    pod = state.pods[p]
    clock.serial += 1
    pod.stamp = clock.serial
    pod.attempted = clock.now
    pod.attempts += 1
    pod.queue = WAITING
    pod.waiting_at = clock.waiting
    state.lists[clock.waiting].waiting = p
    clock.waiting += 1
    clock.racing = 1
    if not clock.flush_armed:
        clock.flush_armed = 1
        set_timer(state, clock.now + _LEFTOVER_AGE, FLUSH, 0, 0, 0)


@jit
def forget(state: Any, p: int) -> None:
    """Take a pod that is deleted out of the queue; entries in the heaps are skipped later."""
    withdraw(state, p)
    if state.pods[p].queue == WAITING:
        _leave(state, p)
    state.pods[p].queue = NOWHERE


@jit
def _leave(state: Any, p: int) -> None:
    clock = state.clock[0]
    clock.waiting -= 1
    last = state.lists[clock.waiting].waiting
    hole = state.pods[p].waiting_at
    state.lists[hole].waiting = last
    state.pods[last].waiting_at = hole


@jit
def _retry(program: Any, state: Any, p: int) -> None:
    """Move a waiting pod on: to the active queue, or to back-off while that lasts."""
    clock = state.clock[0]
    pod = state.pods[p]
    _leave(state, p)
    failures = min(pod.attempts, 5)
    seconds = min(1 << (failures - 1), _MAX_BACKOFF)
    over = (pod.attempted + seconds * NS) // NS
    if over < clock.now // NS:
        _to_active(program, state, p)
        return
    pod.queue = BACKOFF
    entry = state.backoff[clock.backoff]
    entry.a = over
    entry.b = -program.templates[pod.template].priority
    entry.c = pod.stamp
    entry.pod = p
    push(state.backoff, clock.backoff)
    clock.backoff += 1


@jit
def wake_after_release(program: Any, state: Any, template: int) -> None:
    """Retry the pods that a bound pod's end can help.

    NodeResourcesFit is helped by any; the others' hints look at the pod.
    """
    i = 0
    while i < state.clock[0].waiting:
        p = state.lists[i].waiting
        pod = state.pods[p]
        if (
            pod.rejected_fit
            or (pod.rejected_ports and _shares_port(program, pod.template, template))
            or (pod.rejected_spread and _spreads_over(program, pod.template, template))
            or (pod.rejected_affinity and _keeps_away(program, pod.template, template))
        ):
            _retry(program, state, p)  # another one takes its place in the list
        else:
            i += 1


@rare
def wake_after_bind(program: Any, state: Any, template: int) -> None:
    """Retry the pods that wait for another pod to be placed, if it is one of this template."""
    i = 0
    while i < state.clock[0].waiting:
        p = state.lists[i].waiting
        pod = state.pods[p]
        if (pod.rejected_spread and _spreads_over(program, pod.template, template)) or (
            pod.rejected_affinity and _is_drawn_to(program, pod.template, template)
        ):
            _retry(program, state, p)
        else:
            i += 1


@rare
def wake_for_claim(program: Any, state: Any, claim: int) -> None:
    """Retry the pods that wait for a claim which was made, bound or deleted."""
    i = 0
    while i < state.clock[0].waiting:
        p = state.lists[i].waiting
        pod = state.pods[p]
        if pod.rejected_claims and _names(program, pod.template, claim):
            _retry(program, state, p)
        else:
            i += 1


@rare
def wake_for_taint(program: Any, state: Any) -> None:
    """Retry the pods that wait for a node to lose its taint of memory pressure."""
    i = 0
    while i < state.clock[0].waiting:
        p = state.lists[i].waiting
        bears = program.templates[state.pods[p].template].bears_pressure
        if state.rejections[p, TAINTED] > 0 and not bears:
            _retry(program, state, p)
        else:
            i += 1


@jit
def _names(program: Any, template: int, claim: int) -> bool:
    record = program.templates[template]
    for i in range(record.first_claim, record.end_claim):
        if program.claims[i] == claim:
            return True
    return False


@jit
def _spreads_over(program: Any, mine: int, template: int) -> bool:
    record = program.templates[mine]
    for t in range(record.first_hard, record.end_hard):
        if program.matches[program.terms[t].matches, template]:
            return True
    return False


@jit
def _shares_port(program: Any, mine: int, template: int) -> bool:
    record = program.templates[mine]
    for t in range(record.first_ports, record.end_ports):
        if program.matches[program.terms[t].matches, template]:
            return True
    return False


@jit
def _keeps_away(program: Any, mine: int, template: int) -> bool:
    """Say whether all required anti-affinity of one of two pods is about the other.

    Kubernetes asks for all terms, though each for itself rejects a node (interpodaffinity's
    isSchedulableAfterPodChange): who waits for one of several is not woken.
    """
    return _avoids(program, mine, template) or _avoids(program, template, mine)


@jit
def _avoids(program: Any, mine: int, template: int) -> bool:
    record = program.templates[mine]
    for t in range(record.first_anti, record.end_anti):
        if not program.matches[program.terms[t].matches, template]:
            return False
    return record.first_anti != record.end_anti


@jit
def _is_drawn_to(program: Any, mine: int, template: int) -> bool:
    record = program.templates[mine]
    if record.first_affinity == record.end_affinity:
        return False
    return program.matches[record.matches_all, template] != 0


@jit
def withdraw(state: Any, p: int) -> None:
    """End a pod's claim to a node: it was placed, deleted, or found none to preempt on."""
    if state.pods[p].nominated == UNSET:
        return
    clock = state.clock[0]
    state.pods[p].nominated = UNSET
    for i in range(clock.nominees):
        if state.lists[i].nominee == p:
            clock.nominees -= 1
            state.lists[i].nominee = state.lists[clock.nominees].nominee
            return


@rare
def flush_leftovers(program: Any, state: Any) -> None:
    """Retry the pods whose last attempt is more than five minutes ago."""
    clock = state.clock[0]
    i = 0
    while i < clock.waiting:
        p = state.lists[i].waiting
        if clock.now - state.pods[p].attempted > _LEFTOVER_AGE:
            _leave(state, p)
            _to_active(program, state, p)
        else:
            i += 1
    clock.flush_armed = 0
    if clock.waiting > 0:
        clock.flush_armed = 1
        set_timer(state, clock.now + _FLUSH_PERIOD, FLUSH, 0, 0, 0)


@jit
def next_pod(state: Any) -> int:
    """Take the next pod to be scheduled, or -1: from back-off only when none is active."""
    clock = state.clock[0]
    if clock.backoff > 0 and clock.active > 0 and state.active[0].b > clock.serial:
        p = _next_in_backoff(state)  # the active ones have not come yet
        if p != -1:
            return p
    while clock.active > 0:
        pop(state.active, clock.active)
        clock.active -= 1
        p = state.active[clock.active].pod
        if state.pods[p].queue == ACTIVE and state.pods[p].phase == PENDING:
            state.pods[p].queue = NOWHERE
            return p
    return _next_in_backoff(state)


@jit
def _next_in_backoff(state: Any) -> int:
    clock = state.clock[0]
    while clock.backoff > 0:
        pop(state.backoff, clock.backoff)
        clock.backoff -= 1
        p = state.backoff[clock.backoff].pod
        if state.pods[p].queue == BACKOFF and state.pods[p].phase == PENDING:
            state.pods[p].queue = NOWHERE
            return p
    return -1
