"""Reads what the API server shows of pods and their owners at one moment."""

from collections.abc import Collection

from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.objects import (
    COLLECTIONS,
    TERMINAL,
    WORKLOAD_KINDS,
    Genealogy,
    State,
    Status,
    controller,
    is_active,
    is_deleted,
    is_ready,
    scheduled_condition,
    workload_status,
)

__all__ = [
    "TERMINAL",
    "WORKLOAD_KINDS",
    "Genealogy",
    "State",
    "Status",
    "controller",
    "is_active",
    "is_deleted",
    "is_ready",
    "read_state",
    "scheduled_condition",
    "workload_status",
]


def read_state(api: Api, kinds: Collection[str] = WORKLOAD_KINDS) -> State:
    """Read all pods and all that make pods.

    Args:
        api: the API server.
        kinds: what there can be; others are not asked for, which saves time.
    """
    objects = {kind: api.list(path) if kind in kinds else [] for kind, path in COLLECTIONS.items()}
    for kind, found in objects.items():
        for obj in found:
            obj["kind"] = kind  # lists leave it out of their items
    return State(objects)
