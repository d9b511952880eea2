"""The scheduler's message about a pod that no node can take, word for word.

Source: Kubernetes `pkg/scheduler/framework/types.go` (FitError) with the post-filter texts of
the plugins DynamicResources and DefaultPreemption, 1.36.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim_arena.engine.program import REASONS
from sim_arena.engine.state import GATED, NO_NODES, SILENT

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["message"]

_NO_NODES = "no nodes available to schedule pods"
_GATED = "Scheduling is blocked due to non-empty scheduling gates"
_POST_FILTER = "no new claims to deallocate, preemption: "
_NEVER = "not eligible due to preemptionPolicy=Never."
_FILTERS = range(1, REASONS.index("Insufficient memory") + 1)
_PREEMPTION = range(REASONS.index("Insufficient memory") + 1, len(REASONS))


def message(
    kind: int, rejections: Any, nodes: int, extended: Sequence[str], *, never_preempts: bool
) -> str | None:
    """Return the text of a pod's PodScheduled condition, or None if it has none.

    Args:
        kind: the pod's `message` field.
        rejections: nodes by reason, [reason].
        nodes: number of nodes.
        extended: names of the extended resources, whose columns follow `REASONS`.
        never_preempts: whether the pod's preemptionPolicy is Never.
    """
    if kind == SILENT:
        return None
    if kind == GATED:
        return _GATED
    if kind == NO_NODES:
        return _NO_NODES
    counts = [(int(rejections[i]), REASONS[i]) for i in _FILTERS]
    counts += [
        (int(rejections[len(REASONS) + i]), f"Insufficient {name}")
        for i, name in enumerate(extended)
    ]
    preemption = _NEVER
    if not never_preempts:
        preemption = _counted(nodes, [(int(rejections[i]), REASONS[i]) for i in _PREEMPTION])
    return f"{_counted(nodes, counts)} {_POST_FILTER}{preemption}"


def _counted(nodes: int, counts: Sequence[tuple[int, str]]) -> str:
    parts = sorted(f"{count} {reason}" for count, reason in counts if count)
    return f"0/{nodes} nodes are available: {', '.join(parts)}."
