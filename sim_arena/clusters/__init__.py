"""The clusters on which a trace can be replayed, by name."""

import os
from functools import lru_cache
from importlib import import_module

from sim_arena.clusters.base import Check, Cluster, Simulation
from sim_arena.errors import SimArenaError

__all__ = ["REGISTRY", "Check", "Cluster", "Simulation", "get"]


REGISTRY: dict[str, str] = {
    "embedded": "sim_arena.clusters.embedded",
    "kwok": "sim_arena.clusters.kwok.cluster",
    "simkube": "sim_arena.clusters.simkube.cluster",
}
"""The module of each cluster, loaded when it is asked for: one that lives in this process is there
as `CLUSTER`, a real one is made by `make` for a kubeconfig's context."""


def get(name: str) -> Cluster:
    """Return the cluster of a name; `kwok:CONTEXT` names the kubeconfig's context too.

    Raises:
        SimArenaError: there is none
    """
    kind, colon, context = name.partition(":")
    if kind not in REGISTRY:
        known = ", ".join(sorted(REGISTRY))
        raise SimArenaError(f"expected a cluster, one of {known}; found {name!r}")
    module = import_module(REGISTRY[kind])
    if not hasattr(module, "make"):
        if colon:
            raise SimArenaError(f"expected no context for the cluster {kind}, found {context!r}")
        cluster: Cluster = module.CLUSTER
        return cluster
    return _made(kind, context or None, os.environ.get("KUBECONFIG"))


@lru_cache(maxsize=8)
def _made(kind: str, context: str | None, _kubeconfig: str | None) -> Cluster:
    cluster: Cluster = import_module(REGISTRY[kind]).make(context)
    return cluster
