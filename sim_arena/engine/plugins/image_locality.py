"""ImageLocality: nodes that already have a pod's images score higher.

What nodes have does not change while a program runs: see compiler/images.py.

Source: Kubernetes `pkg/scheduler/framework/plugins/imagelocality/image_locality.go`.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit
from sim_arena.engine.state import FEASIBLE, RAW

__all__ = ["WEIGHT", "score"]

WEIGHT = 1


@jit
def score(program: Any, state: Any, template: int, feasible: int) -> None:
    """Give each feasible node its score; it is not normalised."""
    row = program.static[program.templates[template].mask]
    for i in range(feasible):
        state.lanes[RAW, i] = row[state.lanes[FEASIBLE, i]].images
