"""InterPodAffinity: pods that want to be near other pods, or far from them.

Source: Kubernetes `pkg/scheduler/framework/plugins/interpodaffinity/` (filtering.go,
scoring.go).
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.program import (
    ANTI_AFFINITY,
    EXISTING_ANTI_AFFINITY,
    NO_AFFINITY,
    PASSES,
    PREFERRED,
    REQUIRED_AFFINITY,
    REQUIRED_ANTI,
)
from sim_arena.engine.state import FEASIBLE, RAW
from traces.arithmetic import UNSET

__all__ = ["WEIGHT", "has_scores", "judge", "normalize", "score"]

WEIGHT = 2
# An existing pod's required affinity counts as a preference of this weight for its like.
_HARD_WEIGHT = 1


@jit
def _count_domains(program: Any, state: Any, matches: Any, key: int) -> int:
    """Count matching pods by topology domain into `state.room[].domain`; return their number."""
    room = state.room
    nodes = program.header[0].nodes
    for d in range(nodes):
        room[d].domain = 0
    total = 0
    for u in range(program.header[0].templates):
        if matches[u]:
            total += _add_domains(program, state, u, key)
    return total


@jit
def _add_domains(program: Any, state: Any, u: int, key: int) -> int:
    """Add one template's pods to `state.room[].domain`; return how many have the key's label."""
    total = 0
    for n in range(program.header[0].nodes):
        d = program.domains[key, n]
        if d != UNSET and state.placed[u, n] > 0:
            state.room[d].domain += state.placed[u, n]
            total += state.placed[u, n]
    return total


@rare
def judge(program: Any, state: Any, template: int) -> None:
    """Write into `state.room[].verdict` which nodes the required terms reject.

    A node that several rules reject counts under the first: affinity, anti-affinity, existing
    pods' anti-affinity.
    """
    record = program.templates[template]
    if record.end_affinity > record.first_affinity:
        _judge_affinity(program, state, record)
    for t in range(record.first_anti, record.end_anti):
        term = program.terms[t]
        _count_domains(program, state, program.matches[term.matches], term.key)
        _reject_crowded(program, state, term.key, ANTI_AFFINITY)
    for i in range(record.first_incoming, record.end_incoming):
        term = program.terms[program.incoming[i]]
        if term.kind == REQUIRED_ANTI:
            for d in range(program.header[0].nodes):
                state.room[d].domain = 0
            _add_domains(program, state, term.template, term.key)
            _reject_crowded(program, state, term.key, EXISTING_ANTI_AFFINITY)


@jit
def _reject_crowded(program: Any, state: Any, key: int, reason: int) -> None:
    for n in range(program.header[0].nodes):
        d = program.domains[key, n]
        if d != UNSET and state.room[d].domain > 0 and state.room[n].verdict == PASSES:
            state.room[n].verdict = reason


@jit
def _judge_affinity(program: Any, state: Any, record: Any) -> None:
    """Each term needs, in the node's domain, a pod that matches all terms."""
    matches = program.matches[record.matches_all]
    anywhere = 0
    for t in range(record.first_affinity, record.end_affinity):
        anywhere += _count_domains(program, state, matches, program.terms[t].key)
    first_of_its_kind = anywhere == 0 and record.matches_itself
    for t in range(record.first_affinity, record.end_affinity):
        key = program.terms[t].key
        _count_domains(program, state, matches, key)
        for n in range(program.header[0].nodes):
            d = program.domains[key, n]
            lonely = d == UNSET or (state.room[d].domain == 0 and not first_of_its_kind)
            if lonely and state.room[n].verdict == PASSES:
                state.room[n].verdict = NO_AFFINITY


@jit
def has_scores(program: Any, template: int) -> bool:
    """Say whether any pod or term could give a node a score: else the plugin is skipped."""
    record = program.templates[template]
    if record.end_preferred > record.first_preferred:
        return True
    for i in range(record.first_incoming, record.end_incoming):
        kind = program.terms[program.incoming[i]].kind
        if kind == PREFERRED or kind == REQUIRED_AFFINITY:
            return True
    return False


@rare
def score(program: Any, state: Any, template: int, feasible: int) -> None:
    """Sum for each feasible node the weights of the terms that hold in its domains."""
    record = program.templates[template]
    for i in range(feasible):
        state.lanes[RAW, i] = 0
    for t in range(record.first_preferred, record.end_preferred):
        term = program.terms[t]
        _count_domains(program, state, program.matches[term.matches], term.key)
        _add_weights(program, state, term.key, term.weight, feasible)
    for i in range(record.first_incoming, record.end_incoming):
        term = program.terms[program.incoming[i]]
        if term.kind == PREFERRED or term.kind == REQUIRED_AFFINITY:
            for d in range(program.header[0].nodes):
                state.room[d].domain = 0
            _add_domains(program, state, term.template, term.key)
            weight = term.weight if term.kind == PREFERRED else _HARD_WEIGHT
            _add_weights(program, state, term.key, weight, feasible)


@jit
def _add_weights(program: Any, state: Any, key: int, weight: int, feasible: int) -> None:
    for i in range(feasible):
        d = program.domains[key, state.lanes[FEASIBLE, i]]
        if d != UNSET:
            state.lanes[RAW, i] += weight * state.room[d].domain


@jit
def normalize(state: Any, feasible: int) -> None:
    """Spread the scores over 0 to 100, in floating point as the plugin does."""
    least = state.lanes[RAW, 0]
    most = state.lanes[RAW, 0]
    for i in range(feasible):
        least = min(least, state.lanes[RAW, i])
        most = max(most, state.lanes[RAW, i])
    for i in range(feasible):
        if most == least:
            state.lanes[RAW, i] = 0
        else:
            state.lanes[RAW, i] = int(100.0 * ((state.lanes[RAW, i] - least) / (most - least)))
