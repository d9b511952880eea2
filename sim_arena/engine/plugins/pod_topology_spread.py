"""PodTopologySpread: pods of one kind spread over nodes and zones.

Source: Kubernetes `pkg/scheduler/framework/plugins/podtopologyspread/` (filtering.go,
scoring.go, common.go), with the system's default constraints.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.plugins.normalize import MAX_SCORE
from sim_arena.engine.program import LACKS_KEY, PASSES, SKEWED
from sim_arena.engine.state import AROUND, FEASIBLE, RAW
from traces.arithmetic import UNSET

__all__ = ["EVEN", "WEIGHT", "count", "count_in", "judge", "normalize", "score"]

WEIGHT = 2
EVEN = MAX_SCORE  # what every node gets where no domain differs from another
_IGNORED = -1
_MANY = 1 << 62


@jit
def count_in(program: Any, state: Any, term: Any, n: int) -> int:
    """Return how many pods on a node a term is about; those on their way out do not count."""
    if term.matches == UNSET:
        return state.staying[term.template, n]
    matches = program.matches[term.matches]
    count = 0
    for u in range(program.header[0].templates):
        if matches[u]:
            count += state.staying[u, n]
    return count


@jit
def _has_keys(program: Any, first: int, end: int, n: int) -> bool:
    for t in range(first, end):
        if program.domains[program.terms[t].key, n] == UNSET:
            return False
    return True


@rare
def judge(program: Any, state: Any, template: int) -> None:
    """Write into `state.room[].verdict` which nodes the pod's hard constraints reject."""
    record = program.templates[template]
    for t in range(record.first_hard, record.end_hard):
        if program.terms[t].included == UNSET:
            _judge_own_node(program, state, record, program.terms[t])
        else:
            _judge_term(program, state, record, program.terms[t])


@jit
def _judge_term(program: Any, state: Any, record: Any, term: Any) -> None:
    room = state.room
    nodes = program.header[0].nodes
    domains = program.domains[term.key]
    included = program.included[term.included]
    for d in range(nodes):
        room[d].domain = UNSET
    found = 0
    for n in range(nodes):
        d = domains[n]
        if included[n] and _has_keys(program, record.first_hard, record.end_hard, n):
            if room[d].domain == UNSET:
                room[d].domain = 0
                found += 1
            room[d].domain += count_in(program, state, term, n)
    least = _MANY
    for d in range(nodes):
        if room[d].domain != UNSET:
            least = min(least, room[d].domain)
    if found < term.min_domains:
        least = 0
    for n in range(nodes):
        if state.room[n].verdict == PASSES:
            state.room[n].verdict = _verdict(term, domains[n], room, least)


@rare
def _judge_own_node(program: Any, state: Any, record: Any, term: Any) -> None:
    """Do so for a DaemonSet's pods: for each of them only the node that it is for counts."""
    for n in range(program.header[0].nodes):
        if state.room[n].verdict == PASSES:
            if program.domains[term.key, n] == UNSET:
                state.room[n].verdict = LACKS_KEY
            elif _has_keys(program, record.first_hard, record.end_hard, n):
                count = count_in(program, state, term, n)
                least = count if term.min_domains <= 1 else 0
                if count + term.matches_itself - least > term.max_skew:
                    state.room[n].verdict = SKEWED


@jit
def _verdict(term: Any, domain: int, room: Any, least: int) -> int:
    if domain == UNSET:
        return LACKS_KEY
    count = max(0, room[domain].domain)
    if count + term.matches_itself - least > term.max_skew:
        return SKEWED
    return PASSES


@jit
def count(program: Any, state: Any, template: int, n: int, sign: int) -> None:
    """Count a pod of a template that comes to a node (`sign` 1) or is to leave it (-1)."""
    state.staying[template, n] += sign
    record = program.templates[template]
    for t in range(record.first_soft, record.end_soft):
        if program.terms[t].matches == UNSET:
            _count_by_domain(program, state, t, n, sign)
    if program.header[0].areas_shared:
        _count_for_others(program, state, template, n, sign)


@rare
def _count_for_others(program: Any, state: Any, template: int, n: int, sign: int) -> None:
    for t in range(program.header[0].terms):
        term = program.terms[t]
        if term.areas > 0 and term.matches != UNSET and program.matches[term.matches, template]:
            _count_by_domain(program, state, t, n, sign)


@jit
def _count_by_domain(program: Any, state: Any, t: int, n: int, sign: int) -> None:
    """Keep the count of a domain's pods, so that a cycle need not go through all nodes."""
    term = program.terms[t]
    d = program.domains[term.key, n]
    if term.areas > 0 and d != UNSET and program.included[term.included, n]:
        record = program.templates[term.template]
        if not record.own_constraints or _has_keys(program, record.first_soft, record.end_soft, n):
            state.crowds[t, d] += sign


@jit
def score(program: Any, state: Any, template: int, feasible: int) -> None:
    """Sum for each feasible node how crowded its domains are; `_IGNORED` where a key is missing.

    First comes for each constraint a loop that looks things up, then one that calculates: a loop
    that does both is not vectorised.
    """
    record = program.templates[template]
    ignored = 0
    for i in range(feasible):
        state.lanes[RAW, i] = 0
        state.exact[i] = 0.0
    if record.own_constraints:
        ignored = _ignore_unlabelled(program, state, record, feasible)
    for t in range(record.first_soft, record.end_soft):
        size = feasible - ignored
        if program.terms[t].hostname:
            _look_at_nodes(program, state, program.terms[t], feasible)
        else:
            size = _look_at_domains(program, state, t, feasible)
        _add_crowds(state, program.logs[size], program.terms[t].max_skew - 1, feasible)
    for i in range(feasible):
        if state.lanes[RAW, i] != _IGNORED:
            state.lanes[RAW, i] = _round(state.exact[i])


@rare
def _ignore_unlabelled(program: Any, state: Any, record: Any, feasible: int) -> int:
    ignored = 0
    for i in range(feasible):
        n = state.lanes[FEASIBLE, i]
        if not _has_keys(program, record.first_soft, record.end_soft, n):
            state.lanes[RAW, i] = _IGNORED
            ignored += 1
    return ignored


@jit
def _look_at_nodes(program: Any, state: Any, term: Any, feasible: int) -> None:
    """Write into the lane `AROUND` how many pods each feasible node has; UNSET without the key."""
    for i in range(feasible):
        n = state.lanes[FEASIBLE, i]
        here = UNSET
        if program.domains[term.key, n] != UNSET:
            here = count_in(program, state, term, n)
        state.lanes[AROUND, i] = here


@jit
def _look_at_domains(program: Any, state: Any, t: int, feasible: int) -> int:
    """Do the same for the domains of the feasible nodes, and return the number of domains."""
    term = program.terms[t]
    none = term.areas - 1  # nodes without the label are one more domain
    for d in range(term.areas):
        state.room[d].domain = 0
    for i in range(feasible):
        d = program.domains[term.key, state.lanes[FEASIBLE, i]]
        state.lanes[AROUND, i] = UNSET if d == UNSET else state.crowds[t, d]
        if state.lanes[RAW, i] != _IGNORED:
            state.room[none if d == UNSET else d].domain = 1
    size = 0
    for d in range(term.areas):
        size += state.room[d].domain
    return size


@jit
def _add_crowds(state: Any, log: float, skew: int, feasible: int) -> None:
    for i in range(feasible):
        around = state.lanes[AROUND, i]
        state.exact[i] += 0.0 if around == UNSET else around * log + skew


@jit
def _round(value: float) -> int:
    """Go's math.Round: halves away from zero (the value is never negative)."""
    whole = int(value)
    return whole + 1 if value - whole >= 0.5 else whole


@jit
def normalize(state: Any, feasible: int) -> None:
    """Make few pods good: `100 * (max + min - score) / max`, truncated.

    The division is one of floating point, because that is vectorised. It is exact: let a / b be
    no whole number, a + b < 2**53 (as all scores are), and q the next whole number above. Then
    q - a/b >= 1/b, while rounding moves the quotient by less than q * 2**-53 < (a/b + 1) * 2**-53
    < 1/b. So it never reaches q.
    """
    least = _MANY
    most = 0
    for i in range(feasible):
        raw = state.lanes[RAW, i]
        least = min(least, raw if raw != _IGNORED else _MANY)
        most = max(most, raw)
    for i in range(feasible):
        raw = state.lanes[RAW, i]
        good = MAX_SCORE if most == 0 else int(MAX_SCORE * (most + least - raw) / max(most, 1))
        state.lanes[RAW, i] = good if raw != _IGNORED else 0
