"""What a pod requests, from its containers.

Source: Kubernetes `staging/src/k8s.io/component-helpers/resource/helpers.go` (PodRequests) and
`pkg/scheduler/framework/types.go` (the defaults of containers that request nothing).
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, jit_arithmetic
from sim_arena.engine.program import INIT, SIDECAR
from traces.arithmetic import UNSET

__all__ = ["compute_requests", "pod_level_request", "sum_of_containers"]

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
def sum_of_containers(template: Any, containers: Any, cpu: bool, default: int) -> int:
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
def pod_level_request(template: Any, containers: Any, cpu: bool) -> int:
    """Return the request of the whole pod, or UNSET.

    With limits of the whole pod the API server fills it in: from the containers where any of
    them names the resource, else from the limit (`pkg/apis/core/v1/defaults.go`,
    defaultPodRequests).
    """
    request = template.pod_cpu if cpu else template.pod_memory
    if request != UNSET or not template.pod_limited:
        return request
    for row in range(template.first_container, template.end_container):
        if _container(containers[row], cpu, UNSET) != UNSET:
            return sum_of_containers(template, containers, cpu, 0)
    return template.pod_cpu_limit if cpu else template.pod_memory_limit


@jit
def _named(template: Any, containers: Any, cpu: bool, whole: int) -> bool:
    """Say whether the pod, its overhead or one of its containers names a resource."""
    if whole != UNSET or (template.overhead_names_cpu if cpu else template.overhead_names_memory):
        return True
    for row in range(template.first_container, template.end_container):
        if _container(containers[row], cpu, UNSET) != UNSET:
            return True
    return False


@jit
def compute_requests(template: Any, containers: Any, named: Any, row: Any) -> None:
    """Write into a set's record what a pod of its template requests.

    `cpu` and `memory` are what the filter sees; `scored_*` what LeastAllocated adds for the pod
    being placed, which ignores pod-level requests; `placed_*` what it sees of a placed pod.

    Args:
        template: the template.
        containers: the containers as they are when a pod is made.
        named: the containers as the manifest names them: requests of the whole pod are filled in
            before LimitRanges are looked at.
        row: the set's record.
    """
    cpu = sum_of_containers(template, containers, True, 0)
    memory = sum_of_containers(template, containers, False, 0)
    scored_cpu = sum_of_containers(template, containers, True, _DEFAULT_CPU)
    scored_memory = sum_of_containers(template, containers, False, _DEFAULT_MEMORY)
    placed_cpu = scored_cpu
    placed_memory = scored_memory
    whole_cpu = pod_level_request(template, named, True)
    whole_memory = pod_level_request(template, named, False)
    if whole_cpu != UNSET:
        cpu = whole_cpu
    if whole_memory != UNSET:
        memory = whole_memory
    if template.pod_level:  # defaults only of what nobody names (getNonMissingContainerRequests)
        if _named(template, containers, True, whole_cpu):
            placed_cpu = cpu
        if _named(template, containers, False, whole_memory):
            placed_memory = memory
    row.cpu = cpu + template.overhead_cpu
    row.memory = memory + template.overhead_memory
    row.scored_cpu = scored_cpu + template.overhead_cpu
    row.scored_memory = scored_memory + template.overhead_memory
    row.placed_cpu = placed_cpu + template.overhead_cpu
    row.placed_memory = placed_memory + template.overhead_memory
