"""The clusters on which a trace can be replayed, by name."""

from importlib import import_module

from sim_arena.clusters.base import Check, Cluster, Simulation
from sim_arena.errors import SimArenaError

__all__ = ["REGISTRY", "Check", "Cluster", "Simulation", "get"]


REGISTRY: dict[str, str] = {"embedded": "sim_arena.clusters.embedded"}
"""The module of each cluster, which holds it as `CLUSTER`. It is loaded when it is asked for."""


def get(name: str) -> Cluster:
    """Return the cluster of that name.

    Raises:
        SimArenaError: there is none
    """
    if name not in REGISTRY:
        known = ", ".join(sorted(REGISTRY))
        raise SimArenaError(f"expected a cluster, one of {known}; found {name!r}")
    cluster: Cluster = import_module(REGISTRY[name]).CLUSTER
    return cluster
