"""What the largest cluster takes: 300,000 pods on 15,000 nodes, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.figures import Figure

__all__ = ["measure"]

REPOSITORY = Path(__file__).parents[1]
_GIB = 1 << 30
_PLACE_ALL = """
import resource, sys, time
from benchmarks.clusters import big_cluster
from benchmarks.traces_of import crowd
from sim_arena.engine import Simulation, compile_trace
one = Simulation(compile_trace(crowd(300_000), big_cluster(15_000)))
start = time.thread_time()
one.advance()
print(int(one.state.nodes["pods"].sum()), time.thread_time() - start)
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(most if sys.platform == "darwin" else 1024 * most)
"""


def measure() -> list[Figure]:
    """Place them, and say how much memory the process had at most."""
    done = subprocess.run(  # noqa: S603 - runs this project
        [sys.executable, "-c", _PLACE_ALL],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    placed, seconds, most = done.stdout.split()
    if int(placed) != 300_000:
        raise RuntimeError(f"expected 300000 placed pods, found {placed}")
    name = "300,000 pods on 15,000 nodes"
    return [
        Figure(f"{name}, memory", int(most) / _GIB, "GiB", 2.0, "less", "the process at most"),
        Figure(f"{name}, time", float(seconds), "s", None, "less", "the arrays' growth included"),
    ]
