"""Nodes for the benchmarks."""

from __future__ import annotations

from dataclasses import replace

from sim_arena.nodes import Node, parse_nodes

__all__ = ["big_cluster"]

_ZONES = 3


def big_cluster(count: int) -> list[Node]:
    """Return equal nodes in three zones, with the labels that default spreading goes by."""
    return [
        replace(
            node,
            labels={
                **node.labels,
                "kubernetes.io/hostname": node.name,
                "topology.kubernetes.io/zone": f"zone-{number % _ZONES}",
            },
        )
        for number, node in enumerate(parse_nodes(f"{count}x64cpu,256Gi"))
    ]
