"""Pods for which others were evicted: the node's room is kept for them.

Pods of lower or equal priority see a nominated pod as placed. Source: Kubernetes
`pkg/scheduler/framework/runtime/framework.go` (RunFilterPluginsWithNominatedPods) and
`pkg/scheduler/backend/queue/nominator.go`.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import rare
from sim_arena.engine.lifecycle import count_on_node
from sim_arena.engine.queue import withdraw
from traces.arithmetic import UNSET

__all__ = ["nominate", "occupy_nominees"]


@rare
def occupy_nominees(program: Any, state: Any, p: int, sign: int) -> None:
    """Put the nominated pods that pod `p` must respect on their nodes, or take them off."""
    mine = program.templates[state.pods[p].template].priority
    for i in range(state.clock[0].nominees):
        q = state.lists[i].nominee
        other = state.pods[q]
        if q != p and program.templates[other.template].priority >= mine:
            other.node = other.nominated
            count_on_node(program, state, q, sign)
            other.node = UNSET


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
