"""The scheduler's message about a pod that no node can take, word for word.

Source: Kubernetes `pkg/scheduler/framework/types.go` (FitError) with the post-filter texts of
the plugins DynamicResources and DefaultPreemption, 1.36.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim_arena.engine.program import CONFLICT, REASONS
from sim_arena.engine.state import (
    GATED,
    MISSING_CLAIM,
    NO_NODES,
    NOMINATED,
    SILENT,
    UNBOUND_CLAIM,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["claim_message", "message"]

_NO_NODES = "no nodes available to schedule pods"
_GATED = "Scheduling is blocked due to non-empty scheduling gates"
_POST_FILTER = "no new claims to deallocate, preemption: "
_NEVER = "not eligible due to preemptionPolicy=Never."


def message(
    kind: int, rejections: Any, nodes: int, extended: Sequence[str], *, never_preempts: bool
) -> str | None:
    """Return the text of a pod's PodScheduled condition, or None if it has none.

    Args:
        kind: the pod's `message` field.
        rejections: nodes by reason, [2 x reason]: the filters', then preemption's.
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
    texts = [*REASONS, *(f"Insufficient {name}" for name in extended)]
    half = len(rejections) // 2
    if rejections[CONFLICT]:
        # A PreFilter rejects the pod as a whole, before DynamicResources' PreFilter has left what
        # its PostFilter looks for; preemption is not asked then.
        return f"0/{nodes} nodes are available: {texts[CONFLICT]}. not found"
    filters = _counted(nodes, rejections[: len(texts)], texts)
    if kind == NOMINATED:  # preemption found a node: there is nothing more to say
        return filters
    preemption = _NEVER
    if not never_preempts:
        preemption = _counted(nodes, rejections[half : half + len(texts)], texts)
    return f"{filters} {_POST_FILTER}{preemption}"


def claim_message(kind: int, nodes: int, name: str) -> str | None:
    """Return the text about a pod whose claims kept it from all nodes, or None.

    Its last two words are the post-filter's of DynamicResources, whose PreFilter never ran.

    Args:
        kind: the pod's `message` field.
        nodes: number of nodes.
        name: of the claim that is missing.
    """
    start = f"0/{nodes} nodes are available: "
    if kind == MISSING_CLAIM:
        return f'{start}persistentvolumeclaim "{name}" not found. not found'
    if kind == UNBOUND_CLAIM:
        return f"{start}pod has unbound immediate PersistentVolumeClaims. not found"
    return None


def _counted(nodes: int, counts: Any, texts: Sequence[str]) -> str:
    parts = sorted(
        f"{count} {text}" for count, text in zip(counts, texts, strict=True) if text and count
    )
    return f"0/{nodes} nodes are available: {', '.join(parts)}."
