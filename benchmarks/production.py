"""A production cluster's months: OpenB, 8,152 pods that arrive and end on 1,523 nodes."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.figures import Figure, best_seconds
from benchmarks.traces_of import openb
from sim_arena.engine import Batch, compile_trace

__all__ = ["measure"]

OPENB = Path(__file__).parents[2] / "shared" / "openb"


def measure() -> list[Figure]:
    """Play the recorded cluster; nothing where the recording is not there."""
    if not (OPENB / "pods.csv").is_file():
        print(f"OpenB is left out: {OPENB} is not there")
        return []
    trace, nodes = openb(OPENB)
    start = time.perf_counter()
    program = compile_trace(trace, nodes)
    compiled = time.perf_counter() - start
    batch = Batch([program], [0], threads=1)
    batch.advance()
    bound = int((batch.state.pods["node"][0, : batch.state.clock["pods"][0, 0]] >= 0).sum())

    def again() -> None:
        batch.reset()
        batch.advance()

    note = f"{bound:,} of {len(program.workloads):,} pods found a node"
    return [
        Figure("OpenB, played", best_seconds(again), "s", 1.0, "less", note),
        Figure("OpenB, compiled", compiled, "s", None, "less"),
    ]
