"""Whether the cost grows as the work does: loads that once cost more than their size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.figures import Figure, best_seconds
from benchmarks.traces_of import contest, rollouts
from sim_arena.engine import Batch, compile_trace
from sim_arena.nodes import parse_nodes

if TYPE_CHECKING:
    from traces import Trace

__all__ = ["measure"]


def measure() -> list[Figure]:
    """Let pods compete for slots, and roll a Deployment out again and again; twice as many too."""
    figures = []
    for name, make, sizes in (
        ("pods that compete for 400 slots", contest, (1000, 2000)),
        ("rollouts of one Deployment", rollouts, (500, 1000)),
    ):
        for size in sizes:
            seconds = _played(make(size))
            figures.append(Figure(f"{size:,} {name}", seconds, "s", None, "less"))
    return figures


def _played(trace: Trace) -> float:
    batch: Any = Batch([compile_trace(trace, parse_nodes("4x100cpu,400Gi"))], [0], threads=1)
    batch.advance()

    def again() -> None:
        batch.reset()
        batch.advance()

    return best_seconds(again, at_least=0.0)
