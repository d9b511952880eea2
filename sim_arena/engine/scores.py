"""Which of the feasible nodes is best.

Sources: Kubernetes `pkg/scheduler/framework/plugins/noderesources/least_allocated.go` and
`balanced_allocation.go` (1.36). Both plugins have weight 1 and give 0 to 100.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.choice import TIE, choose
from sim_arena.engine.jit import jit

__all__ = ["balanced_allocation", "best_node", "least_allocated"]


@jit
def _least(requested: int, allocatable: int) -> int:
    if requested > allocatable:
        return 0
    return (allocatable - requested) * 100 // allocatable


@jit
def least_allocated(node: Any, used: Any, need: Any) -> int:
    """NodeResourcesFit with LeastAllocated: the mean free share of cpu and memory."""
    total = 0
    resources = 0
    if node.cpu > 0:
        total += _least(used.scored_cpu + need.scored_cpu, node.cpu)
        resources += 1
    if node.memory > 0:
        total += _least(used.scored_memory + need.scored_memory, node.memory)
        resources += 1
    if resources == 0:
        return 0
    return total // resources


@jit
def _balance(cpu: int, memory: int, node: Any) -> int:
    if node.cpu <= 0 or node.memory <= 0:
        return 100  # one resource cannot deviate from itself
    cpu_share = min(1.0, cpu / node.cpu)
    memory_share = min(1.0, memory / node.memory)
    return int((1.0 - abs((cpu_share - memory_share) / 2.0)) * 100.0)


@jit
def balanced_allocation(node: Any, used: Any, need: Any) -> int:
    """NodeResourcesBalancedAllocation: how the pod changes the balance of cpu and memory."""
    after = _balance(used.cpu + need.cpu, used.memory + need.memory, node)
    before = _balance(used.cpu, used.memory, node)
    change = 50 + after - before
    return 50 + (change // 2 if change >= 0 else -(-change // 2))  # Go truncates


@jit
def best_node(program: Any, state: Any, p: int, feasible: int) -> int:
    """Return the best of the nodes in `state.feasible`; the seed breaks ties."""
    if feasible == 1:
        return state.feasible[0]
    need = state.sets[state.pods[p].template]
    requests = need.cpu > 0 or need.memory > 0
    best = -1
    ties = 0
    for i in range(feasible):
        n = state.feasible[i]
        score = least_allocated(program.nodes[n], state.nodes[n], need)
        if requests:
            score += balanced_allocation(program.nodes[n], state.nodes[n], need)
        state.scores[i] = score
        if score > best:
            best = score
            ties = 1
        elif score == best:
            ties += 1
    chosen = 0 if ties == 1 else choose(state.clock[0].seed, TIE, p, ties)
    for i in range(feasible):
        if state.scores[i] == best:
            if chosen == 0:
                return state.feasible[i]
            chosen -= 1
    return -1
