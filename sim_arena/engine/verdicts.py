"""What the plugins that look at other pods, or at claims, say of each node.

Their verdicts hold for one pod at one moment: they stand in `state.room[].verdict`.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.plugins import inter_pod_affinity, pod_topology_spread, volume_binding
from sim_arena.engine.program import PASSES

__all__ = ["clear_verdicts", "judge", "looks_at_others"]


@jit
def looks_at_others(program: Any, template: int) -> bool:
    """Say whether other pods or claims could make a difference to the filters."""
    record = program.templates[template]
    return (
        record.first_hard != record.end_hard
        or record.first_affinity != record.end_affinity
        or record.first_anti != record.end_anti
        or record.first_incoming != record.end_incoming
        or record.first_claim != record.end_claim
    )


@jit
def clear_verdicts(program: Any, state: Any) -> None:
    """Let every node pass."""
    for n in range(program.header[0].nodes):
        state.room[n].verdict = PASSES


@rare
def judge(program: Any, state: Any, template: int) -> None:
    """Write the verdicts for a pod of a template on all nodes."""
    clear_verdicts(program, state)
    if program.header[0].claims:
        volume_binding.judge(program, state, template)
    pod_topology_spread.judge(program, state, template)
    inter_pod_affinity.judge(program, state, template)
