"""TaintToleration: the score.

Its filter does not change while a program runs: see the compiler.

Source: Kubernetes `pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go`.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit
from sim_arena.engine.plugins.normalize import default_normalize
from sim_arena.engine.state import FEASIBLE, RAW

__all__ = ["WEIGHT", "normalize", "score"]

WEIGHT = 3


@jit
def score(program: Any, state: Any, template: int, feasible: int) -> None:
    """Count for each feasible node the PreferNoSchedule taints that the pod does not tolerate."""
    row = program.static[program.templates[template].mask]
    for i in range(feasible):
        state.lanes[RAW, i] = row[state.lanes[FEASIBLE, i]].taints


@jit
def normalize(state: Any, feasible: int) -> None:
    """Make few taints good."""
    default_normalize(state.lanes, feasible, True)
