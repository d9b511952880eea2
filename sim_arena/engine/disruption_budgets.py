"""PodDisruptionBudgets: how many pods may be disrupted, and whom preemption spares.

The disruption controller's status follows the pods by milliseconds: here it is counted when a
preemption asks for it. No eviction is approved ahead of a pod's deletion, so `disruptedPods` is
always empty.

Sources: Kubernetes `pkg/controller/disruption/disruption.go` (getExpectedPodCount,
updatePdbStatus) and `pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go`
(filterPodsWithPDBViolation).
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.program import BUDGET, DEPLOYMENT, POD, REPLICA_SET, STATEFUL_SET
from traces.arithmetic import UNSET

__all__ = ["count_allowed", "mark_violations"]


@rare
def count_allowed(program: Any, state: Any) -> None:
    """Write into `state.rules[].allowed` how many pods each budget lets go."""
    for i in range(program.header[0].rule_objects):
        row = state.rules[i].row
        if row != UNSET and program.rules[row].kind == BUDGET:
            state.rules[i].allowed = _allowed(program, state, row)


@jit
def _allowed(program: Any, state: Any, row: int) -> int:
    rule = program.rules[row]
    bound = program.amounts[rule.first]
    pods = 0
    healthy = 0
    scale = 0
    known = True
    for w in range(program.header[0].workloads):
        workload = program.workloads[w]
        before = pods
        for s in range(workload.first_template, workload.end_template):
            pods += _count(program, state, rule, s, False)
            healthy += _count(program, state, rule, s, True)
        if pods > before and workload.kind != POD:
            if _has_scale(workload.kind):
                scale += program.applications[state.workloads[w].application].replicas
            else:
                known = False
    for job in range(program.header[0].jobs):
        s = program.header[0].templates + job
        found = _count(program, state, rule, s, False)
        pods += found
        healthy += _count(program, state, rule, s, True)
        if found > 0:
            known = False
    by_scale = bound.most != UNSET or bound.percent
    if by_scale and not known:
        return 0  # the controller cannot tell how many there should be
    expected = scale if by_scale else pods
    if bound.most != UNSET:
        least = max(0, expected - _share(bound.most, bound.percent, expected))
    else:
        least = _share(bound.least, bound.percent, expected)
    return max(0, healthy - least) if expected > 0 else 0


@jit
def _count(program: Any, state: Any, rule: Any, s: int, ready: bool) -> int:
    """Count the pods of a set that a budget is about, all of them or the ready ones."""
    count = 0
    p = state.sets[s].head
    while p != UNSET:
        pod = state.pods[p]
        if program.matches[rule.scope, pod.template]:
            if pod.ready or not ready:
                count += 1
        p = pod.next
    return count


@jit
def _has_scale(kind: int) -> bool:
    return kind == DEPLOYMENT or kind == REPLICA_SET or kind == STATEFUL_SET


@jit
def _share(value: int, percent: int, total: int) -> int:
    """Shares round up."""
    return (value * total + 99) // 100 if percent else value


@rare
def mark_violations(program: Any, state: Any, count: int) -> None:
    """Mark among the first pods of `state.lists[].chosen` those whose loss breaks a budget.

    Each takes from the budgets of its own, in their order.
    """
    for i in range(program.header[0].rule_objects):
        state.rules[i].left = state.rules[i].allowed
    for place in range(count):
        template = state.pods[state.lists[place].chosen].template
        state.lists[place].spared = 0
        for i in range(program.header[0].rule_objects):
            row = state.rules[i].row
            if row != UNSET and program.rules[row].kind == BUDGET:
                if program.matches[program.rules[row].protects, template]:
                    state.rules[i].left -= 1
                    if state.rules[i].left < 0:
                        state.lists[place].spared = 1
