"""VolumeBinding and its siblings: claims that are missing, unbound, or bound out of reach.

VolumeRestrictions is the first to miss a claim, VolumeZone the last to look at a bound one; their
verdicts stand here because they are about the same claims. Which claims are bound, and to what,
does not depend on the pods: see compiler/volumes.py. NodeVolumeLimits needs CSINodes, which fake
nodes do not have.

Sources: Kubernetes `pkg/scheduler/framework/plugins/volumebinding/volume_binding.go`,
`volumerestrictions/volume_restrictions.go`, `volumezone/volume_zone.go`.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.program import NO_VOLUME, PASSES
from sim_arena.engine.state import MISSING_CLAIM, UNBOUND_CLAIM
from traces.arithmetic import UNSET

__all__ = ["has_claims", "is_held_up", "judge"]


@jit
def has_claims(program: Any, template: int) -> bool:
    """Say whether a template's pods have claims."""
    record = program.templates[template]
    return record.first_claim != record.end_claim or record.own_claims != 0


@rare
def is_held_up(program: Any, state: Any, p: int) -> bool:
    """Say whether a pod is rejected before any node is looked at; note why."""
    pod = state.pods[p]
    record = program.templates[pod.template]
    unbound = record.own_claims != 0
    for i in range(record.first_claim, record.end_claim):
        row = state.rules[program.claims[i]].row
        if row == UNSET:
            _hold_up(state, p, MISSING_CLAIM, program.claims[i])
            return True
        if not program.rules[row].bound and not program.rules[row].waits:
            unbound = True
    if unbound:
        _hold_up(state, p, UNBOUND_CLAIM, 0)
    return unbound


@jit
def _hold_up(state: Any, p: int, message: int, claim: int) -> None:
    pod = state.pods[p]
    pod.message = message
    pod.rejected_fit = 0
    pod.rejected_spread = 0
    pod.rejected_affinity = 0
    pod.rejected_ports = 0
    pod.rejected_claims = 1
    state.rejections[p][:] = 0
    state.rejections[p][PASSES] = claim  # no node is counted there


@rare
def judge(program: Any, state: Any, template: int) -> None:
    """Write into `state.room[].verdict` which nodes a pod's claims keep it from."""
    record = program.templates[template]
    for i in range(record.first_claim, record.end_claim):
        row = state.rules[program.claims[i]].row
        if row != UNSET:
            rule = program.rules[row]
            for n in range(program.header[0].nodes):
                if state.room[n].verdict == PASSES:
                    if rule.waits:
                        state.room[n].verdict = NO_VOLUME
                    elif rule.bound:
                        state.room[n].verdict = program.included[rule.scope, n]
