"""NodeAffinity: the score.

Its filter does not change while a program runs: see the compiler.

Source: Kubernetes `pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go`.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit
from sim_arena.engine.plugins.normalize import default_normalize
from sim_arena.engine.state import FEASIBLE, RAW

__all__ = ["WEIGHT", "normalize", "score"]

WEIGHT = 2


@jit
def score(program: Any, state: Any, template: int, feasible: int) -> None:
    """Sum for each feasible node the weights of the preferred terms that it matches."""
    row = program.static[program.templates[template].mask]
    for i in range(feasible):
        state.lanes[RAW, i] = row[state.lanes[FEASIBLE, i]].preference


@jit
def normalize(state: Any, feasible: int) -> None:
    """Make much weight good."""
    default_normalize(state.lanes, feasible, False)
