"""How plugins bring their raw scores to 0 to 100.

Source: Kubernetes `pkg/scheduler/framework/plugins/helper/normalize_score.go`.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit
from sim_arena.engine.state import RAW

__all__ = ["MAX_SCORE", "default_normalize"]

MAX_SCORE = 100


@jit
def default_normalize(lanes: Any, count: int, reverse: bool) -> None:
    """Scale the first `count` raw scores to the largest; `reverse` makes small ones good."""
    largest = 0
    for i in range(count):
        largest = max(largest, lanes[RAW, i])
    for i in range(count):
        score = lanes[RAW, i] * MAX_SCORE // largest if largest > 0 else 0
        lanes[RAW, i] = MAX_SCORE - score if reverse else score
