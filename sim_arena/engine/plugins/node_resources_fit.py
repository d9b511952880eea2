"""NodeResourcesFit: whether a node has room for a pod, and how much is left (LeastAllocated).

Source: Kubernetes `pkg/scheduler/framework/plugins/noderesources/fit.go` and
`least_allocated.go`.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit
from sim_arena.engine.program import LACKS_CPU, LACKS_MEMORY, REASONS, TOO_MANY_PODS

__all__ = ["WEIGHT", "could_fit", "count_lacking", "fits", "score"]

WEIGHT = 1
_EXTENDED = len(REASONS)


@jit
def fits(program: Any, state: Any, template: int, n: int) -> bool:
    """Say whether a node has room for a pod of a template."""
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
def count_lacking(program: Any, state: Any, template: int, n: int, row: Any, first: int) -> None:
    """Count in `row[first:]` each resource that a node lacks."""
    node = program.nodes[n]
    used = state.nodes[n]
    need = state.sets[template]
    if used.pods + 1 > node.pods:
        row[first + TOO_MANY_PODS] += 1
    if need.cpu > 0 and need.cpu > node.cpu - used.cpu:
        row[first + LACKS_CPU] += 1
    if need.memory > 0 and need.memory > node.memory - used.memory:
        row[first + LACKS_MEMORY] += 1
    for r in range(program.header[0].extended):
        wanted = program.template_extended[template, r]
        if wanted > 0 and wanted > program.node_extended[n, r] - state.extended[n, r]:
            row[first + _EXTENDED + r] += 1


@jit
def could_fit(program: Any, state: Any, template: int, n: int) -> bool:
    """Say whether preemption could help: the empty node would have enough of what is lacking."""
    node = program.nodes[n]
    need = state.sets[template]
    if need.cpu > node.cpu or need.memory > node.memory:
        return False
    for r in range(program.header[0].extended):
        wanted = program.template_extended[template, r]
        if wanted > 0 and wanted > program.node_extended[n, r]:
            return False
    return True


@jit
def _least(requested: int, allocatable: int) -> int:
    if requested > allocatable:
        return 0
    return (allocatable - requested) * 100 // allocatable


@jit
def score(node: Any, used: Any, need: Any) -> int:
    """LeastAllocated: the mean free share of cpu and memory, with the scheduler's defaults."""
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
