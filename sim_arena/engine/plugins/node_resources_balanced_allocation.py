"""NodeResourcesBalancedAllocation: how a pod changes the balance of cpu and memory on a node.

Source: Kubernetes `pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go`, 1.36.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit

__all__ = ["WEIGHT", "score"]

WEIGHT = 1


@jit
def _balance(cpu: int, memory: int, node: Any) -> int:
    if node.cpu <= 0 or node.memory <= 0:
        return 100  # one resource cannot deviate from itself
    cpu_share = min(1.0, cpu / node.cpu)
    memory_share = min(1.0, memory / node.memory)
    return int((1.0 - abs((cpu_share - memory_share) / 2.0)) * 100.0)


@jit
def score(node: Any, used: Any, need: Any) -> int:
    """Return 75 where the pod changes nothing, more where it brings balance."""
    after = _balance(used.cpu + need.cpu, used.memory + need.memory, node)
    before = _balance(used.cpu, used.memory, node)
    # Both are from 50 to 100, so that truncating, as Go does, is rounding down.
    return 50 + (50 + after - before) // 2
