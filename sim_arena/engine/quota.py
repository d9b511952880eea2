"""ResourceQuotas: how much the pods of a namespace may request together.

Usage is counted anew from the pods that are there: a namespace has few quotas, and refusals are
rare. The quota controller's copy of it lags by milliseconds, which is nothing here.

Sources: Kubernetes `staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go`
(CheckRequest) and `pkg/quota/v1/evaluator/core/pods.go`.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.program import (
    COUNT_PODS,
    CPU,
    EXTENDED,
    LIMITS_CPU,
    MEMORY,
    PODS,
    QUOTA,
)
from sim_arena.engine.state import PENDING, REFUSES, RUNNING
from traces.arithmetic import UNSET

__all__ = ["find_exceeded"]


@rare
def find_exceeded(program: Any, state: Any, t: int, used: Any) -> int:
    """Return the quota that refuses a pod of a template, or UNSET.

    What is used of each of its resources is written into `used`.
    """
    namespace = program.templates[t].namespace
    for i in range(program.header[0].rule_objects):
        row = state.rules[i].row
        if row != UNSET and _is_about(program, state, row, namespace, t):
            for a in range(program.rules[row].first, program.rules[row].end):
                if _must_be_named(program, state, t, program.amounts[a].resource):
                    return row
    for i in range(program.header[0].rule_objects):
        row = state.rules[i].row
        if row != UNSET and _is_about(program, state, row, namespace, t):
            if _is_exceeded(program, state, row, t, used) or state.clock[0].guided == REFUSES:
                return row
    return UNSET


@jit
def _is_about(program: Any, state: Any, row: int, namespace: int, t: int) -> bool:
    rule = program.rules[row]
    if rule.kind != QUOTA or rule.namespace != namespace:
        return False
    if rule.best_effort != UNSET and rule.best_effort != state.admission[t].best_effort:
        return False
    return rule.scope == UNSET or program.matches[rule.scope, t] != 0


@jit
def _must_be_named(program: Any, state: Any, t: int, resource: int) -> bool:
    """Say whether a container leaves out what a quota on cpu or memory makes mandatory."""
    record = program.templates[t]
    if record.pod_cpu != UNSET or record.pod_memory != UNSET:
        return False
    if record.pod_cpu_limit != UNSET or record.pod_memory_limit != UNSET:
        return False
    if resource == PODS or resource == COUNT_PODS or resource == EXTENDED:
        return False
    for row in range(record.first_container, record.end_container):
        one = state.filled[row]
        amount = one.memory_limit
        if resource == CPU:
            amount = one.cpu_request
        elif resource == MEMORY:
            amount = one.memory_request
        elif resource == LIMITS_CPU:
            amount = one.cpu_limit
        if amount == UNSET:
            return True
    return False


@jit
def _charge(program: Any, state: Any, t: int, amount: Any) -> int:
    """Return what a pod of a template uses of a quota's resource."""
    resource = amount.resource
    if resource == PODS or resource == COUNT_PODS:
        return 1
    if resource == CPU:
        return state.sets[t].cpu
    if resource == MEMORY:
        return state.sets[t].memory
    if resource == LIMITS_CPU:
        return state.admission[t].cpu_limit
    if resource == EXTENDED:
        return program.template_extended[t, amount.column] if amount.column != UNSET else 0
    return state.admission[t].memory_limit


@jit
def _is_exceeded(program: Any, state: Any, row: int, t: int, used: Any) -> bool:
    rule = program.rules[row]
    exceeded = False
    for a in range(rule.first, rule.end):
        used[a - rule.first] = _used(program, state, row, a)
        need = _charge(program, state, t, program.amounts[a])
        if need > 0 and used[a - rule.first] + need > program.amounts[a].most:
            exceeded = True
    return exceeded


@jit
def _used(program: Any, state: Any, row: int, a: int) -> int:
    rule = program.rules[row]
    amount = program.amounts[a]
    total = 0
    for s in range(program.header[0].templates + program.header[0].jobs):
        p = state.sets[s].head
        # All pods of a set are in one namespace.
        if p != UNSET and program.templates[state.pods[p].template].namespace == rule.namespace:
            while p != UNSET:
                pod = state.pods[p]
                active = pod.phase == PENDING or pod.phase == RUNNING
                if active or amount.resource == COUNT_PODS:
                    if _is_about(program, state, row, rule.namespace, pod.template):
                        total += _charge(program, state, pod.template, amount)
                p = pod.next
    return total
