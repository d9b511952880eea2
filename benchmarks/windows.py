"""Windows a second: each environment is set back and plays its whole window."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from benchmarks.bare import bare_nodes, place
from benchmarks.figures import Figure, best_seconds
from sim_arena.engine import Batch, Parameters, compile_trace
from sim_arena.nodes import parse_nodes
from traces import load_manifest, load_trace

__all__ = ["measure"]

DEMO = Path(__file__).parents[1] / "traces" / "demo"
ENVIRONMENTS = 4096
_GOAL = 2_000_000  # a second, on two cores


def measure() -> list[Figure]:
    """Play the demo traces in a batch, on one core and on all."""
    programs = []
    for entry in load_manifest(DEMO):
        trace = load_trace(DEMO / entry.file)
        nodes = parse_nodes(entry.nodes)
        programs.append(compile_trace(trace, nodes, Parameters(duration=entry.duration)))
    many = [programs[i % len(programs)] for i in range(ENVIRONMENTS)]
    cores = os.cpu_count() or 1
    figures = []
    for threads in sorted({1, cores}):
        batch = Batch(many, range(ENVIRONMENTS), threads=threads)
        batch.advance()
        seconds = best_seconds(lambda batch=batch: _play(batch), threads=threads)  # type: ignore[misc] # bound now
        figures.append(
            Figure(
                f"windows a second, {threads} core(s)",
                ENVIRONMENTS / seconds,
                "/s",
                _GOAL if threads == cores else None,
                note=f"{ENVIRONMENTS} environments, {len(programs)} demo traces; no actions",
            )
        )
        if threads == 1:
            bare, note = _bare(batch)
            figures.append(
                Figure(
                    "windows: time against the bare loop",
                    seconds / bare,
                    "times",
                    None,
                    "less",
                    note,
                )
            )
    return figures


def _play(batch: Batch) -> None:
    batch.reset()
    batch.advance()


def _bare(batch: Batch) -> tuple[float, str]:
    """Place as many pods on as many nodes, on average, as the windows do."""
    pods = float(np.mean(batch.state.clock["pods"]))
    nodes = float(np.mean([len(program.nodes) for program in batch.programs]))
    count, size = max(1, round(pods)), max(1, round(nodes))
    clusters = bare_nodes(
        np.full(size, 16_000, np.int64), np.full(size, 32 << 30, np.int64), ENVIRONMENTS
    )
    place(clusters[:1], 1, 1, 1, 1)
    seconds = best_seconds(lambda: place(clusters, count, size, 100, 1 << 27))
    return seconds, f"{pods:.1f} pods and {nodes:.1f} nodes a window"
