"""One big cluster: pods placed a second on one core, against a bare loop over the nodes.

All filters and scores of the default profile are on; the nodes have zones and host names, so that
default spreading compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.bare import bare_nodes, place
from benchmarks.clusters import big_cluster
from benchmarks.figures import Figure, best_seconds
from benchmarks.traces_of import crowd
from sim_arena.engine import Batch, compile_trace

if TYPE_CHECKING:
    from sim_arena.nodes import Node

__all__ = ["measure"]

_GOALS = {100: 1_000_000, 1000: 300_000}  # pods a second
_MOST = 3.0  # times the bare loop


def measure() -> list[Figure]:
    """Place 10,000 pods on 100 nodes, 20,000 on 1,000 and on 5,000."""
    figures = []
    for nodes, pods in ((100, 10_000), (1000, 20_000), (5000, 20_000)):
        cluster = big_cluster(nodes)
        seconds = _engine(cluster, pods)
        bare = _bare(cluster, pods)
        figures += [
            Figure(f"pods/s at {nodes:,} nodes", pods / seconds, "/s", _GOALS.get(nodes)),
            Figure(
                f"  time against the bare loop, {nodes:,} nodes",
                seconds / bare, "times", _MOST, "less",
                f"the bare loop places {pods / bare:,.0f} pods/s",
            ),
        ]  # fmt: skip
    return figures


def _engine(cluster: list[Node], pods: int) -> float:
    batch = Batch([compile_trace(crowd(pods), cluster)], [0], threads=1)
    batch.advance()  # grows the arrays
    placed = int(batch.state.nodes["pods"].sum())
    if placed != pods:
        raise RuntimeError(f"expected {pods} placed pods, found {placed}")

    def again() -> None:
        batch.reset()
        batch.advance()

    return best_seconds(again)


def _bare(cluster: list[Node], pods: int) -> float:
    """Look at as many nodes for each pod as the scheduler does."""
    count = len(cluster)
    looked_at = count if count < 100 else max(100, count * max(5, 50 - count // 125) // 100)
    arrays = bare_nodes(np.array([n.cpu for n in cluster]), np.array([n.memory for n in cluster]))
    place(arrays, 1, 1, 1, 1)
    return best_seconds(lambda: place(arrays, pods, looked_at, 100, 128 << 20))
