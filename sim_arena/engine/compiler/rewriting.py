"""What SimKube changes in a pod before it reaches the scheduler.

Source: SimKube 2.7, `sk-driver/src/mutation.rs` and `sk-driver/src/runner.rs`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sim_arena.nodes import Node

__all__ = ["as_virtual", "rewritten"]

_SELECTOR = {"type": "virtual"}
_TOLERATION = {"key": "kwok-provider", "operator": "Exists", "effect": "NoSchedule"}


def rewritten(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pod's spec with the virtual nodes' selector and toleration and without ports."""
    return {
        **spec,
        "nodeSelector": {**(spec.get("nodeSelector") or {}), **_SELECTOR},
        "tolerations": [*(spec.get("tolerations") or ()), _TOLERATION],
        "containers": [
            {k: v for k, v in container.items() if k != "ports"}
            for container in spec.get("containers") or ()
        ],
    }


def as_virtual(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes as SimKube's virtual nodes: with the label that its pods select."""
    return [replace(node, labels={**node.labels, **_SELECTOR}) for node in nodes]
