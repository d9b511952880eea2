"""Why no node can take a pod: counted by reason, for the scheduler's message and its hints.

Source: Kubernetes `pkg/scheduler/framework/types.go` (FitError). What preemption says of the
nodes stands behind it in the same row: see plugins/default_preemption.py.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.plugins import (
    node_ports,
    node_resources_fit,
    taint_toleration,
)
from sim_arena.engine.program import (
    LACKS_KEY,
    NO_AFFINITY,
    NO_VICTIMS,
    NO_VOLUME,
    NOT_HELPFUL,
    NOT_NAMED,
    OTHER_VOLUME,
    PASSES,
    PORTS_TAKEN,
    SKEWED,
    UNDECLARED,
)
from traces.arithmetic import UNSET

__all__ = [
    "blames_preemptable",
    "clear_rejections",
    "count_node",
    "count_rejection",
    "count_rejections",
    "passes",
    "repeat_rejections",
]

# What rejects a node, for those who know what could help.
_NO_PODS, _PORTS, _FIT, _SPREAD, _CLAIMS, _AFFINITY = range(6)


@jit
def count_rejections(program: Any, state: Any, p: int) -> None:
    """Count for a pod that fits nowhere how many nodes each filter rejects.

    Also notes which plugins rejected a node, for they say which events can help the pod, and
    what preemption would say if there were no pods of lower priority. The verdicts of the
    plugins that look at other pods must have been written: see verdicts.py.
    """
    clear_rejections(state, p)
    for n in range(program.header[0].nodes):
        count_node(program, state, p, n)


@jit
def clear_rejections(state: Any, p: int) -> None:
    """Begin to count for a pod."""
    pod = state.pods[p]
    pod.rejected_fit = 0
    pod.rejected_spread = 0
    pod.rejected_affinity = 0
    pod.rejected_ports = 0
    pod.rejected_claims = 0
    state.rejections[p][:] = 0


@jit
def count_node(program: Any, state: Any, p: int, n: int) -> None:
    """Count one node, as `count_rejections` does for all."""
    row = state.rejections[p]
    half = row.shape[0] // 2
    pod = state.pods[p]
    by = count_rejection(program, state, p, n, 0)
    if by == _PORTS:
        pod.rejected_ports = 1
    elif by == _FIT:
        pod.rejected_fit = 1
    elif by == _SPREAD:
        pod.rejected_spread = 1
    elif by == _CLAIMS:
        pod.rejected_claims = 1
    elif by == _AFFINITY:
        pod.rejected_affinity = 1
    helpful = blames_preemptable(program, state, p, n)
    row[half + (NO_VICTIMS if helpful else NOT_HELPFUL)] += 1


@rare
def repeat_rejections(state: Any, p: int, q: int) -> None:
    """Give pod `p` the reasons for which pod `q` was rejected."""
    pod = state.pods[p]
    other = state.pods[q]
    pod.rejected_fit = other.rejected_fit
    pod.rejected_spread = other.rejected_spread
    pod.rejected_affinity = other.rejected_affinity
    pod.rejected_ports = other.rejected_ports
    pod.rejected_claims = other.rejected_claims
    for reason in range(state.rejections.shape[1]):
        state.rejections[p, reason] = state.rejections[q, reason]


@jit
def count_rejection(program: Any, state: Any, p: int, n: int, first: int) -> int:
    """Count in a pod's row, from `first` on, why it cannot go to a node.

    `state.room[].verdict` must be those for the pod. A node counts under the first plugin that
    rejects it, in the default profile's order; under each resource that it lacks.

    Returns:
        Which plugin that is, as far as it can be helped by what happens to pods.
    """
    pod = state.pods[p]
    row = state.rejections[p]
    record = program.templates[pod.template]
    static = taint_toleration.static_reason(program, state, pod.template, n)
    if record.daemon != UNSET and pod.ordinal != n:
        row[first + NOT_NAMED] += 1
        return _NO_PODS
    if static != PASSES and static != UNDECLARED:  # that filter comes last
        row[first + static] += 1
        return _NO_PODS
    if not node_ports.are_free(program, state, pod.template, n):
        row[first + PORTS_TAKEN] += 1
        return _PORTS
    if not node_resources_fit.fits(program, state, pod.template, n):
        node_resources_fit.count_lacking(program, state, pod.template, n, row, first)
        return _FIT
    verdict = state.room[n].verdict
    if verdict == PASSES:
        row[first + static] += 1
        return _NO_PODS
    row[first + verdict] += 1
    if verdict == SKEWED or verdict == LACKS_KEY:
        return _SPREAD
    return _CLAIMS if OTHER_VOLUME <= verdict <= NO_VOLUME else _AFFINITY


@rare
def passes(program: Any, state: Any, p: int, n: int) -> bool:
    """Say whether a pod could go to a node now, given the verdicts for it."""
    template = state.pods[p].template
    if program.templates[template].daemon != UNSET and state.pods[p].ordinal != n:
        return False
    return (
        taint_toleration.static_reason(program, state, template, n) == PASSES
        and node_ports.are_free(program, state, template, n)
        and node_resources_fit.fits(program, state, template, n)
        and state.room[n].verdict == PASSES
    )


@jit
def blames_preemptable(program: Any, state: Any, p: int, n: int) -> bool:
    """Say whether what rejects a node could be helped by fewer pods on it.

    `state.room[].verdict` must be those for the pod.
    """
    template = state.pods[p].template
    if program.templates[template].daemon != UNSET and state.pods[p].ordinal != n:
        return False
    static = taint_toleration.static_reason(program, state, template, n)
    if static != PASSES and static != UNDECLARED:
        return False
    if not node_ports.are_free(program, state, template, n):
        return True
    if not node_resources_fit.fits(program, state, template, n):
        return node_resources_fit.could_fit(program, state, template, n)
    verdict = state.room[n].verdict
    if OTHER_VOLUME <= verdict <= NO_VOLUME:
        return False
    if verdict == PASSES:  # so it is undeclared, or nothing rejects it
        return static == PASSES
    return verdict != LACKS_KEY and verdict != NO_AFFINITY
