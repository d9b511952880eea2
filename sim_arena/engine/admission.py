"""Whether the API server takes a pod, and what becomes of its owner if not.

In its order: PriorityClass (`plugin/pkg/admission/priority/admission.go`), what LimitRanges fill
in, validation, LimitRanges' bounds, quotas.
A refused pod does not exist. Its controller tries again when something happens to it, and after
5 ms, doubled with each refusal in a row to 1,000 s
(`staging/src/k8s.io/client-go/util/workqueue/default_rate_limiters.go`).
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.choice import RETRY as CHOICE
from sim_arena.engine.choice import choose
from sim_arena.engine.jit import jit, rare
from sim_arena.engine.limit_ranges import fill_in
from sim_arena.engine.order import time_within
from sim_arena.engine.program import CLAIM, POD
from sim_arena.engine.queue import wake_for_claim
from sim_arena.engine.quota import find_exceeded
from sim_arena.engine.state import (
    BY_LIMITS,
    BY_POLICY,
    BY_PRIORITY,
    BY_QUOTA,
    BY_VALIDATION,
    BY_VALUE,
    NOT_REFUSED,
    RETRY,
)
from sim_arena.engine.timers import set_timer
from traces.arithmetic import UNSET

__all__ = [
    "admit",
    "apply_rule",
    "is_tried_again",
    "reset_admission",
    "reset_rules",
    "settle",
    "try_early",
]

_FIRST_WAIT = 5_000_000
_MOST_WAIT = 1_000_000_000_000
_MOST_DOUBLINGS = 20


@rare
def reset_rules(program: Any, state: Any) -> None:
    """Let no rule hold."""
    for i in range(program.header[0].rule_objects):
        state.rules[i].row = UNSET
        state.rules[i].allowed = 0


@rare
def reset_admission(program: Any, state: Any) -> None:
    """Forget all refusals, and fill in what templates leave out."""
    templates = program.header[0].templates
    for t in range(templates + program.header[0].jobs):
        facts = state.admission[t]
        facts.refused = NOT_REFUSED
        facts.by = UNSET
        facts.variant = UNSET
        facts.failures = 0
        facts.tries = 0
        facts.batch = 0
        facts.left = 0
        facts.need = 0
        facts.denied = 0
        facts.at = 0
        facts.retry_at = UNSET
        facts.early = 0
        if t < templates:
            fill_in(program, state, t)


@rare
def apply_rule(program: Any, state: Any, row: int) -> None:
    """Let a version of an object hold from now on, or none where it is deleted."""
    rule = program.rules[row]
    state.rules[rule.object].row = row if rule.exists else UNSET
    if rule.kind == CLAIM:
        wake_for_claim(program, state, rule.object)


@rare
def admit(program: Any, state: Any, s: int, template: int) -> int:
    """Return the variant of a template that a new pod of a set has; UNSET if it is refused."""
    variant = _variant(program, state, template)
    needed = program.templates[variant].needed_class
    verdict = state.admission[variant].verdict
    if needed != UNSET and state.rules[needed].row == UNSET:
        return _refuse(state, s, variant, BY_PRIORITY, needed)
    record = program.templates[variant]
    if record.priority != record.class_priority:
        return _refuse(state, s, variant, BY_VALUE, UNSET)
    if record.other_policy:
        return _refuse(state, s, variant, BY_POLICY, UNSET)
    if verdict == 1:
        return _refuse(state, s, variant, BY_VALIDATION, program.templates[variant].limits)
    if verdict == 2:
        return _refuse(state, s, variant, BY_LIMITS, program.templates[variant].limits)
    quota = find_exceeded(program, state, variant, state.used[s])
    if quota != UNSET:
        return _refuse(state, s, variant, BY_QUOTA, quota)
    return variant


@jit
def _variant(program: Any, state: Any, template: int) -> int:
    record = program.templates[template]
    if record.limits_object == UNSET:
        return template
    limits = state.rules[record.limits_object].row
    for t in range(template, record.end_variant):
        if program.templates[t].limits == limits:
            return t
    return template


@jit
def _refuse(state: Any, s: int, variant: int, reason: int, by: int) -> int:
    facts = state.admission[s]
    facts.refused = reason
    facts.variant = variant
    facts.by = by
    if reason == BY_VALIDATION or reason == BY_LIMITS or reason == BY_QUOTA:
        # SimKube's webhook has seen the pod before, and has counted it: see lifecycle.py.
        state.sets[state.sets[variant].spec_owner].made += 1
    return UNSET


@rare
def settle(program: Any, state: Any, s: int, refused: bool) -> None:
    """End a controller's sync: after a refusal it tries again later, else it is forgotten.

    News of its pods makes the controller try at once, and be refused again: when a pod is bound,
    when it runs, when the owner's status follows. News that come together count once, so how many
    count of a pod's is drawn.
    """
    facts = state.admission[s]
    early = facts.early
    facts.early = 0
    if not refused:
        facts.refused = NOT_REFUSED
        facts.failures = 0
        return
    if program.workloads[state.sets[s].workload].kind == POD:
        return  # nobody tries again
    now = facts.retry_at if early else time_within(state)
    wait = min(_FIRST_WAIT << min(facts.failures, _MOST_DOUBLINGS), _MOST_WAIT)
    facts.tries += 1
    if facts.retry_at > now:  # news of its pods came before the time to try again
        facts.failures += 1 + choose(state.clock[0].seed, CHOICE, s << 20 | facts.tries, 3)
    else:
        facts.failures += 1
    if facts.retry_at <= now or facts.retry_at > now + wait:
        facts.retry_at = now + wait
        set_timer(state, now + wait, RETRY, s, 0, 0)


@rare
def try_early(state: Any, s: int, time: int) -> bool:
    """Say whether a set's controller tries again at a time, in a moment that reaches up to it."""
    facts = state.admission[s]
    if facts.retry_at != time:
        return False
    facts.early = 1
    return True


@jit
def is_tried_again(state: Any, s: int) -> bool:
    """Say whether it is now that a set's controller tries again."""
    return state.admission[s].retry_at == state.clock[0].now
