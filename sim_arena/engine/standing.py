"""What the resource plugins say of a node for the pods of a template, kept until it changes.

Placing a pod changes one node. All others stand with the next pod of the template where they
stood before: the filter NodeResourcesFit and the two resource scores need not be asked again,
nor the static filters. So a cycle is mostly a walk over one row of numbers.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.plugins import (
    node_resources_balanced_allocation,
    node_resources_fit,
    pod_topology_spread,
    taint_toleration,
)
from sim_arena.engine.program import PASSES
from sim_arena.engine.state import NO_ROOM, STALE

__all__ = ["forget_standing", "kept_row", "renew"]


@jit
def kept_row(program: Any, state: Any, template: int) -> int:
    """Return which row of `state.kept` is the template's; if they are many they share the rows."""
    rows = state.kept.shape[0]
    row = template if template < rows else template % rows
    if state.sets[row].keeps != template:
        _take_over(program, state, row, template)
    return row


@rare
def _take_over(program: Any, state: Any, row: int, template: int) -> None:
    state.sets[row].keeps = template
    for n in range(program.header[0].nodes):
        state.kept[row, n] = STALE


@jit
def forget_standing(program: Any, state: Any, n: int) -> None:
    """Forget what is kept of a node whose pods have changed."""
    state.clock[0].changes += 1
    for row in range(min(state.kept.shape[0], program.header[0].templates)):
        state.kept[row, n] = STALE


@jit
def renew(program: Any, state: Any, row: int, template: int, first: int, end: int) -> None:
    """Look at those of the nodes from `first` to `end - 1` that have changed since."""
    for n in range(first, end):
        if state.kept[row, n] == STALE:
            state.kept[row, n] = _standing(program, state, template, n)


@jit
def _standing(program: Any, state: Any, template: int, n: int) -> int:
    """Return the weighted sum of a node's scores that change with the node only, or `NO_ROOM`."""
    record = program.templates[template]
    if taint_toleration.static_reason(program, state, template, n) != PASSES:
        return NO_ROOM
    if not node_resources_fit.fits(program, state, template, n):
        return NO_ROOM
    node = program.nodes[n]
    used = state.nodes[n]
    need = state.sets[template]
    total = node_resources_fit.WEIGHT * node_resources_fit.score(node, used, need)
    if need.cpu > 0 or need.memory > 0:
        total += node_resources_balanced_allocation.WEIGHT * (
            node_resources_balanced_allocation.score(node, used, need)
        )
    if record.evenly_spread:
        total += pod_topology_spread.WEIGHT * pod_topology_spread.EVEN
    return total
