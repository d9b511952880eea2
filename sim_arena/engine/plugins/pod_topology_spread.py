"""PodTopologySpread: pods of one kind spread over nodes and zones.

Source: Kubernetes `pkg/scheduler/framework/plugins/podtopologyspread/` (filtering.go,
scoring.go, common.go), with the system's default constraints.
"""

from __future__ import annotations

import math
from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.plugins.normalize import MAX_SCORE
from sim_arena.engine.program import LACKS_KEY, PASSES, SKEWED
from traces.arithmetic import UNSET

__all__ = ["WEIGHT", "count_in", "judge", "normalize", "score"]

WEIGHT = 2
_IGNORED = -1
_MANY = 1 << 62


@jit
def count_in(program: Any, state: Any, term: Any, n: int) -> int:
    """Return how many pods on a node a term is about."""
    if term.matches == UNSET:
        return state.placed[term.template, n]
    matches = program.matches[term.matches]
    count = 0
    for u in range(program.header[0].templates):
        if matches[u]:
            count += state.placed[u, n]
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


@jit
def _verdict(term: Any, domain: int, room: Any, least: int) -> int:
    if domain == UNSET:
        return LACKS_KEY
    count = max(0, room[domain].domain)
    if count + term.matches_itself - least > term.max_skew:
        return SKEWED
    return PASSES


@jit
def score(program: Any, state: Any, template: int, feasible: int) -> None:
    """Sum for each feasible node how crowded its domains are; `_IGNORED` where a key is missing."""
    record = program.templates[template]
    ignored = 0
    for i in range(feasible):
        state.room[i].raw = 0
        if record.own_constraints and not _has_keys(
            program, record.first_soft, record.end_soft, state.room[i].feasible
        ):
            state.room[i].raw = _IGNORED
            ignored += 1
    if record.end_soft - record.first_soft == 1:
        _score_one(program, state, program.terms[record.first_soft], feasible, ignored)
    else:
        _score_several(program, state, record, feasible, ignored)


@jit
def _score_one(program: Any, state: Any, term: Any, feasible: int, ignored: int) -> None:
    size = _prepare(program, state, term, feasible, ignored)
    for i in range(feasible):
        if state.room[i].raw != _IGNORED:
            state.room[i].raw = _round(_crowd(program, state, term, state.room[i].feasible, size))


@rare
def _score_several(program: Any, state: Any, record: Any, feasible: int, ignored: int) -> None:
    for i in range(feasible):
        state.room[i].exact = 0.0
    for t in range(record.first_soft, record.end_soft):
        term = program.terms[t]
        size = _prepare(program, state, term, feasible, ignored)
        for i in range(feasible):
            state.room[i].exact += _crowd(program, state, term, state.room[i].feasible, size)
    for i in range(feasible):
        if state.room[i].raw != _IGNORED:
            state.room[i].raw = _round(state.room[i].exact)


@jit
def _prepare(program: Any, state: Any, term: Any, feasible: int, ignored: int) -> int:
    """Count the pods in each domain of the feasible nodes, and return the number of domains."""
    if term.hostname:
        return feasible - ignored
    room = state.room
    nodes = program.header[0].nodes
    domains = program.domains[term.key]
    for d in range(nodes + 1):
        room[d].domain = UNSET
    size = 0
    for i in range(feasible):
        if state.room[i].raw != _IGNORED:
            d = domains[state.room[i].feasible]
            d = nodes if d == UNSET else d  # nodes without the label are one more domain
            if room[d].domain == UNSET:
                room[d].domain = 0
                size += 1
    included = program.included[term.included]
    record = program.templates[term.template]
    for n in range(nodes):
        d = domains[n]
        if d != UNSET and room[d].domain != UNSET and included[n]:
            if not record.own_constraints or _has_keys(
                program, record.first_soft, record.end_soft, n
            ):
                room[d].domain += count_in(program, state, term, n)
    return size


@jit
def _crowd(program: Any, state: Any, term: Any, n: int, size: int) -> float:
    d = program.domains[term.key, n]
    if d == UNSET:
        return 0.0
    count = count_in(program, state, term, n) if term.hostname else state.room[d].domain
    return count * program.logs[size] + (term.max_skew - 1)


@jit
def _round(value: float) -> int:
    """Go's math.Round: halves away from zero (the value is never negative)."""
    whole = math.floor(value)
    return whole + 1 if value - whole >= 0.5 else whole


@jit
def normalize(state: Any, feasible: int) -> None:
    """Make few pods good: `100 * (max + min - score) / max`."""
    least = _MANY
    most = 0
    for i in range(feasible):
        if state.room[i].raw != _IGNORED:
            least = min(least, state.room[i].raw)
            most = max(most, state.room[i].raw)
    for i in range(feasible):
        if state.room[i].raw == _IGNORED:
            state.room[i].raw = 0
        elif most == 0:
            state.room[i].raw = MAX_SCORE
        else:
            state.room[i].raw = MAX_SCORE * (most + least - state.room[i].raw) // most
