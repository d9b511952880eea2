"""Names the nodes on which constant usage comes to more memory than a node has.

Where no container's usage has a profile, the kubelets are not simulated (see kubelet.py), so that
such programs pay nothing for them. Nodes that would be short of memory are named instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim_arena.engine.state import RUNNING, UP
from traces.quantities import format_memory

if TYPE_CHECKING:
    from sim_arena.engine.program import Program
    from sim_arena.engine.state import State

__all__ = ["overcommitted_nodes"]

_THRESHOLD = 100 << 20
_UNIT = 1 << 20


def overcommitted_nodes(program: Program, state: State) -> list[str]:
    """Return a sentence for each node where the kubelet would evict pods now."""
    arrays = program.arrays
    if arrays.header["usage"][0]:
        return []
    used = np.zeros(len(program.nodes), np.int64)
    pods = state.pods[: state.clock["pods"][0]]
    per_pod = int(arrays.header["pod_containers"][0])
    for p in np.flatnonzero(pods["phase"] == RUNNING):
        record = arrays.templates[pods["template"][p]]
        rows = slice(record["first_container"], record["end_container"])
        first = p * per_pod
        states = state.containers["state"][first : first + rows.stop - rows.start]
        used[pods["node"][p]] += arrays.containers["usage_memory"][rows][states == UP].sum()
    return [
        f"node {node.name}: its containers use {_rounded(int(size))} of {_rounded(node.memory)} "
        f"memory, so the kubelet would evict pods: constant usage is not watched, write it as "
        f"constant(...) in one of the annotations to have it watched"
        for node, size in zip(program.nodes, used, strict=True)
        if node.memory - size < _THRESHOLD and size > 0
    ]


def _rounded(size: int) -> str:
    return format_memory(-(-size // _UNIT) * _UNIT)
