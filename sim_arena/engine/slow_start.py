"""How controllers make several pods where the API server may refuse one: 1, then 2, 4, ... at once.

A batch is asked for as a whole, whatever becomes of its pods; after a refusal no more are. Each
pod is a step of its own, because others may make theirs meanwhile, and use up what a quota allows.

Sources: Kubernetes `pkg/controller/replicaset/replica_set.go` (slowStartBatch),
`pkg/controller/job/job_controller.go` (manageJob), `pkg/controller/daemon/daemon_controller.go`
(syncNodes), `pkg/controller/statefulset/stateful_set_control.go` (runForAll).
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit

__all__ = [
    "NEXT_BATCH",
    "begin",
    "forget_request",
    "is_beside",
    "is_under_way",
    "note_request",
]

# The least delays, in ticks of `clock.serial`, between two pods of a batch and before a batch.
_BESIDE, NEXT_BATCH = 1, 4


@jit
def is_under_way(state: Any, s: int) -> bool:
    """Say whether a set's controller is making pods."""
    return state.admission[s].batch > 0


@jit
def begin(state: Any, s: int, need: int) -> None:
    """Let a set's controller ask for `need` pods from its next step on."""
    facts = state.admission[s]
    facts.batch = 1
    facts.left = 1
    facts.need = need
    facts.denied = 0
    facts.at = 0


@jit
def note_request(state: Any, s: int, refused: bool) -> int:
    """Note that a pod was asked for; return the least delay before the next, or 0 after the last.

    Whether one of the batch was refused is then in `denied`.
    """
    facts = state.admission[s]
    facts.need -= 1
    facts.left -= 1
    if refused:
        facts.denied = 1
    if facts.left > 0:
        return _BESIDE
    if facts.denied or facts.need <= 0:
        facts.batch = 0
        return 0
    facts.batch = min(2 * facts.batch, facts.need)
    facts.left = facts.batch
    return NEXT_BATCH


@jit
def is_beside(state: Any, s: int) -> bool:
    """Say whether the next pod is asked for beside another one, and not as a batch's first."""
    facts = state.admission[s]
    return facts.left < facts.batch


@jit
def forget_request(state: Any, s: int) -> None:
    """Let a set's controller make no more pods: its owner has gone, or wants no more."""
    state.admission[s].batch = 0
