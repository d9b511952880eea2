"""Which nodes can take a pod, and why the others cannot.

NodeUnschedulable, NodeName, TaintToleration and NodeAffinity depend on nothing that changes
while a program runs: `compile` has written their verdicts into the masks. NodeResourcesFit is
here. Source: Kubernetes `pkg/scheduler/framework/plugins/noderesources/fit.go`.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.program import REASONS

__all__ = ["count_rejections", "find_feasible", "fits"]

_PODS, _CPU, _MEMORY, _NO_VICTIMS, _NOT_HELPFUL = range(6, 11)
_EXTENDED = len(REASONS)


@jit
def fits(program: Any, state: Any, template: int, n: int) -> bool:
    """NodeResourcesFit: say whether a node has room for a pod of a template."""
    node = program.nodes[n]
    used = state.nodes[n]
    need = state.sets[template]
    if used.pods + 1 > node.pods:
        return False
    if need.cpu > 0 and need.cpu > node.cpu - used.cpu:
        return False
    if need.memory > 0 and need.memory > node.memory - used.memory:
        return False
    for r in range(program.header[0].extended):
        wanted = program.template_extended[template, r]
        if wanted > 0 and wanted > program.node_extended[n, r] - state.extended[n, r]:
            return False
    return True


@jit
def _limit(nodes: int) -> int:
    """Return how many feasible nodes are enough (schedule_one.go, numFeasibleNodesToFind)."""
    if nodes < 100:
        return nodes
    return max(100, nodes * max(5, 50 - nodes // 125) // 100)


@jit
def find_feasible(program: Any, state: Any, template: int) -> int:
    """Write the feasible nodes into `state.feasible` and return their number.

    In a large cluster the search begins where the last one ended, and ends when it has found
    one more than it needs. Source: `pkg/scheduler/schedule_one.go`,
    findNodesThatPassFilters.
    """
    clock = state.clock[0]
    total = program.header[0].nodes
    limit = _limit(total)
    mask = program.masks[program.templates[template].mask]
    found = 0
    looked = 0
    n = clock.start_node
    while looked < total:
        if mask[n] == 0 and fits(program, state, template, n):
            if found == limit:
                break
            state.feasible[found] = n
            found += 1
        looked += 1
        n += 1
        if n == total:
            n = 0
    if limit < total:
        clock.start_node = (clock.start_node + looked) % total
    return found


@rare
def count_rejections(program: Any, state: Any, p: int) -> None:
    """Count for a pod that fits nowhere how many nodes each filter rejects.

    A node that lacks several resources counts under each. The last two columns are what
    preemption would say: that no pod of lower priority is there, or that it would not help.
    """
    pod = state.pods[p]
    template = pod.template
    row = state.rejections[p]
    row[:] = 0
    pod.rejected_fit = 0
    mask = program.masks[program.templates[template].mask]
    for n in range(program.header[0].nodes):
        if mask[n] != 0:
            row[mask[n]] += 1
            row[_NOT_HELPFUL] += 1
        elif _count_lacking(program, state, template, n, row):
            pod.rejected_fit = 1
            row[_NO_VICTIMS] += 1
        else:
            pod.rejected_fit = 1
            row[_NOT_HELPFUL] += 1


@jit
def _count_lacking(program: Any, state: Any, template: int, n: int, row: Any) -> bool:
    """Count what a node lacks; return whether the empty node would have enough."""
    node = program.nodes[n]
    used = state.nodes[n]
    need = state.sets[template]
    resolvable = True
    if used.pods + 1 > node.pods:
        row[_PODS] += 1
    if need.cpu > 0 and need.cpu > node.cpu - used.cpu:
        row[_CPU] += 1
        resolvable = resolvable and need.cpu <= node.cpu
    if need.memory > 0 and need.memory > node.memory - used.memory:
        row[_MEMORY] += 1
        resolvable = resolvable and need.memory <= node.memory
    for r in range(program.header[0].extended):
        wanted = program.template_extended[template, r]
        if wanted > 0 and wanted > program.node_extended[n, r] - state.extended[n, r]:
            row[_EXTENDED + r] += 1
            resolvable = resolvable and wanted <= program.node_extended[n, r]
    return resolvable
