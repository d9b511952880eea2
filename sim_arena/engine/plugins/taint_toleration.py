"""TaintToleration: the score, and the one taint that comes and goes while a program runs.

For all other taints the filter is decided when a trace is compiled.

Source: Kubernetes `pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go`.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit
from sim_arena.engine.plugins.normalize import default_normalize
from sim_arena.engine.program import OTHER_LABELS, PASSES, TAINTED, UNDECLARED
from sim_arena.engine.state import FEASIBLE, RAW

__all__ = ["WEIGHT", "normalize", "score", "static_reason"]

WEIGHT = 3


@jit
def static_reason(program: Any, state: Any, template: int, n: int) -> int:
    """Return why a filter rejects a node whatever runs there; `PASSES`.

    It is a static filter, or the taint that a node short of memory bears (see eviction.py).
    """
    record = program.templates[template]
    reason = program.static[record.mask, n].reason
    if state.nodes[n].pressed_until > 0 and not record.bears_pressure:
        if reason == PASSES or reason == OTHER_LABELS or reason == UNDECLARED:
            return TAINTED
    return reason


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
