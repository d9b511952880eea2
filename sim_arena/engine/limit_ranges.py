"""What LimitRanges fill in and refuse: from the containers' records, when a run begins.

Not when the trace is compiled, because an edit of a request changes what is missing.

Sources: Kubernetes `plugin/pkg/admission/limitranger/admission.go` and
`pkg/apis/core/v1/defaults.go` (missing requests come from the limits first).
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.program import CPU, INIT, REGULAR, SIDECAR
from sim_arena.engine.requests import compute_requests, pod_level_request, sum_of_containers
from traces.arithmetic import UNSET

__all__ = ["fill_in"]

_OK, _INVALID, _OUTSIDE = range(3)


@rare
def fill_in(program: Any, state: Any, t: int) -> None:
    """Write what the API server makes of a template's containers, and what its pods request."""
    record = program.templates[t]
    for row in range(record.first_container, record.end_container):
        _fill_container(program, state, record.limits, row)
    compute_requests(record, state.filled, program.containers, state.sets[t])
    facts = state.admission[t]
    facts.cpu_limit = _pod_limit(record, state.filled, True)
    facts.memory_limit = _pod_limit(record, state.filled, False)
    facts.best_effort = _is_best_effort(record, state.filled)
    facts.verdict = _OK
    if record.limits != UNSET:
        facts.verdict = _verdict(program, state, t)


@jit
def _fill_container(program: Any, state: Any, limits: int, row: int) -> None:
    named = program.containers[row]
    filled = state.filled[row]
    filled.kind = named.kind
    filled.probe = named.probe
    filled.usage_cpu = named.usage_cpu
    filled.usage_memory = named.usage_memory
    filled.cpu_limit = named.cpu_limit
    filled.memory_limit = named.memory_limit
    filled.cpu_request = named.cpu_request
    filled.memory_request = named.memory_request
    if filled.cpu_request == UNSET:
        filled.cpu_request = named.cpu_limit
    if filled.memory_request == UNSET:
        filled.memory_request = named.memory_limit
    if limits != UNSET:
        rule = program.rules[limits]
        if filled.cpu_limit == UNSET:
            filled.cpu_limit = rule.cpu_limit
        if filled.memory_limit == UNSET:
            filled.memory_limit = rule.memory_limit
        if filled.cpu_request == UNSET:
            filled.cpu_request = rule.cpu_request
        if filled.memory_request == UNSET:
            filled.memory_request = rule.memory_request


@jit
def _limit(record: Any, cpu: bool) -> int:
    return record.cpu_limit if cpu else record.memory_limit


@jit
def _request(record: Any, cpu: bool) -> int:
    return record.cpu_request if cpu else record.memory_request


@jit
def _sum_of_limits(template: Any, containers: Any, cpu: bool) -> int:
    """Sum the limits by the same rule as the requests; UNSET where no container has one."""
    running = 0
    sidecars = 0
    most = 0
    found = False
    for row in range(template.first_container, template.end_container):
        limit = _limit(containers[row], cpu)
        if limit != UNSET:
            found = True
        limit = max(0, limit)
        kind = containers[row].kind
        if kind == INIT:
            most = max(most, limit + sidecars)
        else:
            running += limit
            if kind == SIDECAR:
                sidecars += limit
                most = max(most, sidecars)
    return max(running, most) if found else UNSET


@jit
def _pod_limit(template: Any, containers: Any, cpu: bool) -> int:
    """Return a pod's limit as quotas count it; 0 where it has none."""
    limit = template.pod_cpu_limit if cpu else template.pod_memory_limit
    if limit == UNSET:
        limit = max(0, _sum_of_limits(template, containers, cpu))
    if limit > 0:
        limit += template.overhead_cpu if cpu else template.overhead_memory
    return limit


@jit
def _is_best_effort(template: Any, containers: Any) -> bool:
    if template.pod_cpu > 0 or template.pod_memory > 0:
        return False
    if template.pod_cpu_limit > 0 or template.pod_memory_limit > 0:
        return False
    for row in range(template.first_container, template.end_container):
        record = containers[row]
        if record.cpu_request > 0 or record.memory_request > 0:
            return False
        if record.cpu_limit > 0 or record.memory_limit > 0:
            return False
    return True


@jit
def _verdict(program: Any, state: Any, t: int) -> int:
    record = program.templates[t]
    if _is_invalid(program, state, record):
        return _INVALID
    rule = program.rules[record.limits]
    for a in range(rule.first, rule.end):
        bound = program.amounts[a]
        cpu = bound.resource == CPU
        if bound.whole_pod:
            request = _whole_request(program, state, record, cpu)
            limit = record.pod_cpu_limit if cpu else record.pod_memory_limit
            if limit == UNSET:
                limit = _sum_of_limits(record, state.filled, cpu)
            if _breaks(bound, request, limit):
                return _OUTSIDE
        else:
            for row in range(record.first_container, record.end_container):
                one = state.filled[row]
                if _breaks(bound, _request(one, cpu), _limit(one, cpu)):
                    return _OUTSIDE
    return _OK


@jit
def _is_invalid(program: Any, state: Any, record: Any) -> bool:
    for row in range(record.first_container, record.end_container):
        one = state.filled[row]
        if one.cpu_limit != UNSET and one.cpu_request > one.cpu_limit:
            return True
        if one.memory_limit != UNSET and one.memory_request > one.memory_limit:
            return True
    return _breaks_the_whole(program, state, record, True) or _breaks_the_whole(
        program, state, record, False
    )


@jit
def _breaks_the_whole(program: Any, state: Any, record: Any, cpu: bool) -> bool:
    """Say whether the containers, with what was filled in, go beyond what the whole pod may.

    Together they may not request more than it does, and none may have a higher limit.

    Source: `pkg/apis/core/validation/validation.go` (validatePodResourceConsistency).
    """
    most = pod_level_request(record, program.containers, cpu)
    if most != UNSET and sum_of_containers(record, state.filled, cpu, 0) > most:
        return True
    most = record.pod_cpu_limit if cpu else record.pod_memory_limit
    for row in range(record.first_container, record.end_container):
        if program.containers[row].kind == REGULAR:
            if most != UNSET and _limit(state.filled[row], cpu) > most:
                return True
    return False


@jit
def _whole_request(program: Any, state: Any, record: Any, cpu: bool) -> int:
    request = pod_level_request(record, program.containers, cpu)
    if request != UNSET:
        return request
    for row in range(record.first_container, record.end_container):
        if _request(state.filled[row], cpu) != UNSET:
            return sum_of_containers(record, state.filled, cpu, 0)
    return UNSET


@jit
def _breaks(bound: Any, request: int, limit: int) -> bool:
    """Say whether a request and a limit (UNSET: none) are outside of a LimitRange's bounds."""
    if bound.least != UNSET:
        if request < bound.least or (limit != UNSET and limit < bound.least):
            return True
    if bound.most != UNSET:
        if limit == UNSET or limit > bound.most or request > bound.most:
            return True
    if bound.ratio != UNSET:
        if request <= 0 or limit <= 0:
            return True
        return limit / request * 1000 > bound.ratio
    return False
