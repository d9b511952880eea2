"""What a pod requests, from its containers.

Source: Kubernetes `staging/src/k8s.io/component-helpers/resource/helpers.go` (PodRequests) and
`pkg/scheduler/framework/types.go` (the defaults of containers that request nothing).
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, jit_arithmetic
from sim_arena.engine.program import INIT, SIDECAR
from traces.arithmetic import UNSET

__all__ = ["compute_requests"]

# A container without a request counts as this much in LeastAllocated.
_DEFAULT_CPU = 100
_DEFAULT_MEMORY = 200 << 20

_effective = jit_arithmetic("effective_request")


@jit
def _container(record: Any, cpu: bool, default: int) -> int:
    request = record.cpu_request if cpu else record.memory_request
    limit = record.cpu_limit if cpu else record.memory_limit
    if request == UNSET and limit == UNSET:
        return default
    return _effective(request, limit)


@jit
def _pod(template: Any, containers: Any, cpu: bool, default: int) -> int:
    """Sum the regular containers and sidecars; an init container needs its own at its time."""
    running = 0
    sidecars = 0
    most = 0
    for row in range(template.first_container, template.end_container):
        need = _container(containers[row], cpu, default)
        kind = containers[row].kind
        if kind == INIT:
            most = max(most, need + sidecars)
        else:
            running += need
            if kind == SIDECAR:
                sidecars += need
                most = max(most, sidecars)
    return max(running, most)


@jit
def compute_requests(template: Any, containers: Any, row: Any) -> None:
    """Write into a set's record what a pod of its template requests.

    `cpu` and `memory` are what the filter sees; `scored_*` what LeastAllocated adds for the pod
    being placed, which ignores pod-level requests; `placed_*` what it sees of a placed pod.
    """
    cpu = _pod(template, containers, True, 0)
    memory = _pod(template, containers, False, 0)
    scored_cpu = _pod(template, containers, True, _DEFAULT_CPU)
    scored_memory = _pod(template, containers, False, _DEFAULT_MEMORY)
    placed_cpu = scored_cpu
    placed_memory = scored_memory
    if template.pod_cpu != UNSET:
        cpu = template.pod_cpu
        placed_cpu = cpu
    if template.pod_memory != UNSET:
        memory = template.pod_memory
        placed_memory = memory
    row.cpu = cpu + template.overhead_cpu
    row.memory = memory + template.overhead_memory
    row.scored_cpu = scored_cpu + template.overhead_cpu
    row.scored_memory = scored_memory + template.overhead_memory
    row.placed_cpu = placed_cpu + template.overhead_cpu
    row.placed_memory = placed_memory + template.overhead_memory
