"""The kubelets and kernels, once a second: who uses what, and what comes of it.

Only programs in which a container's usage has a profile have this; without one nothing changes
between a container's start and its end. A second's order: usage is read; containers above their
own limit are killed; where a node's memory is used up, the kernel kills more; CPU time is shared
out; readiness probes answer; and every ten seconds the kubelets look whether to evict.

Sources: Kubernetes `pkg/kubelet/` (kubelet.go, eviction/, qos/, prober/) for what a kubelet does;
that a throttled container answers no probe is our model.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.choice import VICTIM, choose
from sim_arena.engine.cpu_contention import share_cpu
from sim_arena.engine.eviction import watch_memory
from sim_arena.engine.jit import jit, rare
from sim_arena.engine.lifecycle import (
    arm_tick,
    kill_container,
    probe_failed,
    probe_succeeded,
)
from sim_arena.engine.program import NS
from sim_arena.engine.qos import oom_adjustment
from sim_arena.engine.state import RUNNING
from sim_arena.engine.usage import is_up, limit_of, measure
from traces.arithmetic import UNSET

__all__ = ["tick"]

_EVICTION_PERIOD = 10  # seconds
_PROBE_PATIENCE = 10


@rare
def tick(program: Any, state: Any) -> None:
    """Do what happens in a second."""
    clock = state.clock[0]
    clock.ticking = 0
    _read_usage(program, state)
    if _kill_above_limit(program, state):
        _sum_memory(program, state)
    for n in range(program.header[0].nodes):
        while state.room[n].raw > program.nodes[n].memory:
            _kill_by_score(program, state, n)
            _sum_memory(program, state)
    share_cpu(program, state)
    _answer_probes(program, state)
    pressed = False
    if clock.now // NS % _EVICTION_PERIOD == 0:
        for n in range(program.header[0].nodes):
            watch_memory(program, state, n)
    for n in range(program.header[0].nodes):
        pressed = pressed or state.nodes[n].pressed_until > 0
    if pressed or _runs(state):
        arm_tick(state)


@jit
def _runs(state: Any) -> bool:
    for p in range(state.clock[0].pods):
        if state.pods[p].phase == RUNNING:
            return True
    return False


@jit
def _read_usage(program: Any, state: Any) -> None:
    """Measure all that runs before anything changes, and sum it up by node."""
    for p in range(state.clock[0].pods):
        pod = state.pods[p]
        if pod.phase == RUNNING:
            record = program.templates[pod.template]
            slot = p * program.header[0].pod_containers
            for row in range(record.first_container, record.end_container):
                if is_up(program, state, row, slot):
                    measure(program, state, p, row, slot, False)
                slot += 1
    _sum_memory(program, state)


@rare
def _sum_memory(program: Any, state: Any) -> None:
    """Write into `state.room[].raw` the memory that is used on each node."""
    for n in range(program.header[0].nodes):
        state.room[n].raw = 0
    for p in range(state.clock[0].pods):
        pod = state.pods[p]
        if pod.phase == RUNNING:
            record = program.templates[pod.template]
            slot = p * program.header[0].pod_containers
            for row in range(record.first_container, record.end_container):
                if is_up(program, state, row, slot):
                    state.room[pod.node].raw += state.containers[slot].memory
                slot += 1


@jit
def _kill_above_limit(program: Any, state: Any) -> bool:
    killed = False
    for p in range(state.clock[0].pods):
        record = program.templates[state.pods[p].template]
        slot = p * program.header[0].pod_containers
        for row in range(record.first_container, record.end_container):
            if state.pods[p].phase == RUNNING and is_up(program, state, row, slot):
                limit = limit_of(program, state, row, False)
                if limit != UNSET and state.containers[slot].memory > limit:
                    kill_container(program, state, p, row, slot)
                    killed = True
            slot += 1
    return killed


@rare
def _kill_by_score(program: Any, state: Any, n: int) -> None:
    """Let the kernel kill the container of a node with the highest OOM score.

    Source: the kernel's `mm/oom_kill.c` (oom_badness): the share of all memory in thousandths,
    and the adjustment.
    """
    best = _best_score(program, state, n, UNSET, 0)
    ties = _best_score(program, state, n, best, UNSET)
    serial = state.clock[0].now // NS * program.header[0].nodes + n
    wanted = choose(state.clock[0].seed, VICTIM, serial, ties)
    _best_score(program, state, n, best, wanted)


@rare
def _best_score(program: Any, state: Any, n: int, best: int, wanted: int) -> int:
    """Return the highest score on a node; given that, count those that have it, or kill one.

    Args:
        program: the program.
        state: its state.
        n: the node.
        best: the highest score, or UNSET where it is asked for.
        wanted: which of those that have it is to be killed; UNSET to count them.
    """
    capacity = program.nodes[n].memory
    found = UNSET if best == UNSET else 0
    for p in range(state.clock[0].pods):
        pod = state.pods[p]
        if pod.phase != RUNNING or pod.node != n:
            continue
        record = program.templates[pod.template]
        slot = p * program.header[0].pod_containers
        for row in range(record.first_container, record.end_container):
            if is_up(program, state, row, slot):
                score = 1000 + state.containers[slot].memory * 1000 // capacity
                score += oom_adjustment(program, state, pod.template, row, capacity)
                if best == UNSET:
                    found = max(found, score)
                elif score == best:
                    if found == wanted:
                        kill_container(program, state, p, row, slot)
                        return found
                    found += 1
            slot += 1
    return found


@rare
def _answer_probes(program: Any, state: Any) -> None:
    """Let a container that is throttled by more than half not be ready, after ten seconds.

    And be ready again ten seconds after that has ended.
    """
    now = state.clock[0].now // NS
    for p in range(state.clock[0].pods):
        pod = state.pods[p]
        if pod.phase != RUNNING:
            continue
        record = program.templates[pod.template]
        slot = p * program.header[0].pod_containers
        for row in range(record.first_container, record.end_container):
            if program.containers[row].probe and is_up(program, state, row, slot):
                container = state.containers[slot]
                answers = 2 * int(container.given) >= int(container.wanted)
                if answers == (container.ready != 0):
                    container.probed_at = UNSET
                elif container.probed_at == UNSET:
                    container.probed_at = now
                elif now - container.probed_at >= _PROBE_PATIENCE:
                    container.probed_at = UNSET
                    if answers:
                        probe_succeeded(state, p, slot)
                    else:
                        probe_failed(state, p, slot, container.restarts)
            slot += 1
