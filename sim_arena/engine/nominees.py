"""Pods for which others were evicted: the node's room is kept for them.

To pods of lower or equal priority a node must be right with the pods that are nominated to it, and
without them, for they may never come; on the other nodes they are not seen. Source: Kubernetes
`pkg/scheduler/framework/runtime/framework.go` (RunFilterPluginsWithNominatedPods) and
`pkg/scheduler/backend/queue/nominator.go`.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import rare
from sim_arena.engine.lifecycle import count_on_node
from sim_arena.engine.queue import withdraw
from sim_arena.engine.rejections import passes
from sim_arena.engine.verdicts import judge
from traces.arithmetic import UNSET

__all__ = ["nominate", "nominees_are_in_the_way", "passes_beside_nominees", "take_off_nominees"]


@rare
def _occupy(program: Any, state: Any, p: int, n: int, sign: int) -> bool:
    """Put the pods that are nominated to a node there, or take them off; say if there are any.

    Only those that pod `p` must respect count.
    """
    found = False
    mine = program.templates[state.pods[p].template].priority
    for i in range(state.clock[0].nominees):
        q = state.lists[i].nominee
        other = state.pods[q]
        if q != p and other.nominated == n:
            if program.templates[other.template].priority >= mine:
                other.node = n
                count_on_node(program, state, q, sign)
                other.node = UNSET
                found = True
    return found


@rare
def nominees_are_in_the_way(program: Any, state: Any, p: int, n: int) -> bool:
    """Say whether a node is not right for a pod together with those that are nominated to it.

    Then they are left on the node, so that one can ask why; `take_off_nominees` must follow. The
    verdicts must be those for the pod, and are.
    """
    if not _occupy(program, state, p, n, 1):
        return False
    judge(program, state, state.pods[p].template)
    if passes(program, state, p, n):
        take_off_nominees(program, state, p, n)
        return False
    return True


@rare
def take_off_nominees(program: Any, state: Any, p: int, n: int) -> None:
    """Take the pods that are nominated to a node off it again, and judge anew for a pod."""
    _occupy(program, state, p, n, -1)
    judge(program, state, state.pods[p].template)


@rare
def passes_beside_nominees(program: Any, state: Any, p: int, n: int) -> bool:
    """Say whether a pod could go to a node now, with the pods nominated to it and without.

    The verdicts must be those for the pod, and are afterwards.
    """
    if nominees_are_in_the_way(program, state, p, n):
        take_off_nominees(program, state, p, n)
        return False
    return passes(program, state, p, n)


@rare
def nominate(program: Any, state: Any, p: int, n: int) -> None:
    """Keep a node for a pod; pods of lower priority lose their claim to it."""
    clock = state.clock[0]
    mine = program.templates[state.pods[p].template].priority
    i = 0
    while i < clock.nominees:
        q = state.lists[i].nominee
        lower = program.templates[state.pods[q].template].priority < mine
        if state.pods[q].nominated == n and lower:
            withdraw(state, q)
        else:
            i += 1
    state.pods[p].nominated = n
    state.lists[clock.nominees].nominee = p
    clock.nominees += 1
