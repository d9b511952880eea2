"""Quality of service: what a pod's requests and limits make of it in the eyes of a node.

Sources: Kubernetes `pkg/apis/core/v1/helper/qos/qos.go` (ComputePodQOS), `pkg/kubelet/qos/
policy.go` (GetContainerOOMScoreAdjust) and `pkg/kubelet/cm/helpers_linux.go` (MilliCPUToShares).
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, jit_arithmetic, rare
from sim_arena.engine.program import INIT, REGULAR, SIDECAR
from sim_arena.engine.usage import limit_of
from traces.arithmetic import UNSET

__all__ = ["BEST_EFFORT", "BURSTABLE", "GUARANTEED", "cpu_shares", "oom_adjustment", "quality_of"]

BEST_EFFORT, BURSTABLE, GUARANTEED = range(3)

_NODE_CRITICAL = 2_000_001_000
_GUARANTEED_ADJUSTMENT = -997
_LEAST_BURSTABLE, _MOST_BURSTABLE, _BEST_EFFORT_ADJUSTMENT = 3, 999, 1000
_SHARES_PER_CPU, _LEAST_SHARES = 1024, 2

_effective = jit_arithmetic("effective_request")


@jit
def _request(program: Any, state: Any, row: int, cpu: bool) -> int:
    """Return a container's request; 0 if it has none."""
    if program.header[0].admission:
        one = state.filled[row]
        return max(0, one.cpu_request if cpu else one.memory_request)
    record = program.containers[row]
    if cpu:
        return _effective(record.cpu_request, record.cpu_limit)
    return _effective(record.memory_request, record.memory_limit)


@rare
def quality_of(program: Any, state: Any, template: int) -> int:
    """Return the QoS class of a template's pods."""
    record = program.templates[template]
    if record.pod_level:
        return _of_whole_pod(record)
    named = False
    guaranteed = True
    for row in range(record.first_container, record.end_container):
        for cpu in (True, False):
            request = _request(program, state, row, cpu)
            limit = limit_of(program, state, row, cpu)
            if request > 0 or limit > 0:
                named = True
            if limit <= 0 or request != limit:
                guaranteed = False
    if not named:
        return BEST_EFFORT
    return GUARANTEED if guaranteed else BURSTABLE


@jit
def _of_whole_pod(record: Any) -> int:
    cpu = _effective(record.pod_cpu, record.pod_cpu_limit)
    memory = _effective(record.pod_memory, record.pod_memory_limit)
    if record.pod_cpu_limit > 0 and record.pod_memory_limit > 0:
        if cpu == record.pod_cpu_limit and memory == record.pod_memory_limit:
            return GUARANTEED
    if cpu > 0 or memory > 0 or record.pod_cpu_limit > 0 or record.pod_memory_limit > 0:
        return BURSTABLE
    return BEST_EFFORT


@rare
def oom_adjustment(program: Any, state: Any, template: int, row: int, capacity: int) -> int:
    """Return the kernel's adjustment of a container's OOM score, -997 to 1000.

    Requests of the whole pod are not handed out to its containers here.
    """
    record = program.templates[template]
    if record.priority >= _NODE_CRITICAL:
        return _GUARANTEED_ADJUSTMENT
    quality = quality_of(program, state, template)
    if quality == GUARANTEED:
        return _GUARANTEED_ADJUSTMENT
    if quality == BEST_EFFORT:
        return _BEST_EFFORT_ADJUSTMENT
    request = _request(program, state, row, False)
    if program.containers[row].kind == SIDECAR:
        request = max(request, _least_of_regular(program, state, record))
    adjustment = 1000 - 1000 * request // capacity
    return min(max(adjustment, _LEAST_BURSTABLE), _MOST_BURSTABLE)


@jit
def _least_of_regular(program: Any, state: Any, record: Any) -> int:
    """Return the least memory that a regular container requests: a sidecar goes no sooner."""
    least = UNSET
    for row in range(record.first_container, record.end_container):
        if program.containers[row].kind == REGULAR:
            request = _request(program, state, row, False)
            least = request if least == UNSET else min(least, request)
    return max(0, least)


@jit
def cpu_shares(program: Any, state: Any, row: int) -> int:
    """Return the weight of a container where CPU time is short."""
    if program.containers[row].kind == INIT:
        return 0
    shares = _request(program, state, row, True) * _SHARES_PER_CPU // 1000
    return max(_LEAST_SHARES, shares)
