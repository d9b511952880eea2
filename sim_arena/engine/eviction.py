"""The kubelet's eviction manager: a pod at a time goes when a node is short of memory.

Source: Kubernetes `pkg/kubelet/eviction/eviction_manager.go` (synchronize) and `helpers.go`
(rankMemoryPressure), with the default threshold. The taint is the node lifecycle controller's
(`pkg/controller/nodelifecycle/node_lifecycle_controller.go`), who is at once told here.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.choice import VICTIM, choose
from sim_arena.engine.jit import jit, rare
from sim_arena.engine.lifecycle import evict_pod
from sim_arena.engine.program import NS
from sim_arena.engine.queue import wake_for_taint
from sim_arena.engine.standing import forget_standing
from sim_arena.engine.state import RUNNING
from sim_arena.engine.usage import is_up
from traces.arithmetic import UNSET

__all__ = ["watch_memory"]

_THRESHOLD = 100 << 20
_TRANSITION = 300 * NS
_SYSTEM_CRITICAL = 2_000_000_000


@rare
def watch_memory(program: Any, state: Any, n: int) -> None:
    """Evict a pod from a node that is short of memory, and keep its taint up to date.

    `state.room[].raw` must be the memory that is used.
    """
    now = state.clock[0].now
    node = state.nodes[n]
    if program.nodes[n].memory - state.room[n].raw < _THRESHOLD:
        if node.pressed_until == 0:
            node.pressed_until = now + _TRANSITION
            forget_standing(program, state, n)
        node.pressed_until = now + _TRANSITION
        _evict(program, state, n)
    elif 0 < node.pressed_until <= now:
        node.pressed_until = 0
        forget_standing(program, state, n)
        wake_for_taint(program, state)


@jit
def _evict(program: Any, state: Any, n: int) -> None:
    first = UNSET
    ties = 0
    for p in range(state.clock[0].pods):
        if _may_go(program, state, p, n):
            order = 1 if first == UNSET else _compare(program, state, p, first)
            if order > 0:
                first = p
                ties = 1
            elif order == 0:
                ties += 1
    if first == UNSET:
        return
    serial = state.clock[0].now // NS * program.header[0].nodes + n
    wanted = choose(state.clock[0].seed, VICTIM, serial, ties)
    for p in range(first, state.clock[0].pods):
        if _may_go(program, state, p, n) and _compare(program, state, p, first) == 0:
            if wanted == 0:
                evict_pod(program, state, p)
                return
            wanted -= 1


@jit
def _may_go(program: Any, state: Any, p: int, n: int) -> bool:
    pod = state.pods[p]
    if pod.phase != RUNNING or pod.node != n:
        return False
    return program.templates[pod.template].priority < _SYSTEM_CRITICAL


@jit
def _used(program: Any, state: Any, p: int) -> int:
    record = program.templates[state.pods[p].template]
    slot = p * program.header[0].pod_containers
    used = 0
    for row in range(record.first_container, record.end_container):
        if is_up(program, state, row, slot):
            used += state.containers[slot].memory
        slot += 1
    return used


@rare
def _compare(program: Any, state: Any, p: int, q: int) -> int:
    """Compare two pods: 1 if `p` goes before `q`, -1 after it, 0 if either may.

    Pods that use more than they request go first, then those of lower priority, then those that
    use most beyond their request.
    """
    one = state.pods[p].template
    other = state.pods[q].template
    beyond_one = _used(program, state, p) - state.sets[one].memory
    beyond_other = _used(program, state, q) - state.sets[other].memory
    if (beyond_one > 0) != (beyond_other > 0):
        return 1 if beyond_one > 0 else -1
    least = program.templates[other].priority - program.templates[one].priority
    if least != 0:
        return 1 if least > 0 else -1
    if beyond_one != beyond_other:
        return 1 if beyond_one > beyond_other else -1
    return 0
