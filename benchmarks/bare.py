"""The least that placing pods can cost: read the nodes' arrays, take the best score.

No queue, no events, no controllers, no reasons; one score, without a division.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = ["bare_nodes", "place"]


def bare_nodes(cpu: Any, memory: Any, copies: int = 1) -> Any:
    """Return `copies` clusters: allocatable cpu and memory and what is used, [copy, node, 4]."""
    zero = np.zeros(len(cpu), np.int64)
    cluster = np.stack([cpu, memory, zero, zero], axis=1)
    return np.repeat(cluster[None], copies, axis=0)


@numba.njit(nogil=True, boundscheck=False)
def place(clusters: Any, pods: int, looked_at: int, cpu: int, memory: int) -> int:
    """Place `pods` pods in each cluster, each on the best of `looked_at` nodes; count them."""
    placed = 0
    for c in range(clusters.shape[0]):
        nodes = clusters[c]
        count = nodes.shape[0]
        nodes[:, 2:] = 0
        start = 0
        for _ in range(pods):
            best = -1
            best_score = np.int64(-1)
            n = start
            for _ in range(looked_at):
                free_cpu = nodes[n, 0] - nodes[n, 2]
                free_memory = nodes[n, 1] - nodes[n, 3]
                if cpu <= free_cpu and memory <= free_memory:
                    score = free_cpu + free_memory
                    if score > best_score:
                        best_score = score
                        best = n
                n += 1
                if n == count:
                    n = 0
            if looked_at < count:
                start = n
            if best >= 0:
                nodes[best, 2] += cpu
                nodes[best, 3] += memory
                placed += 1
    return placed
