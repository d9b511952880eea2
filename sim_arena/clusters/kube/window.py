"""What a trace says of its workloads by the end of a window."""

from collections.abc import Mapping
from typing import Any

from sim_arena.clusters.kube.objects import WORKLOAD_KINDS
from traces import Trace, WorkloadRef, events_within

__all__ = ["deletes", "last_words"]


def last_words(trace: Trace, duration: int) -> Mapping[WorkloadRef, dict[str, Any] | None]:
    """Return each workload and bare pod as it was applied last; None if it was deleted since.

    Args:
        trace: the trace
        duration: events this many seconds after the first one, and later ones, do not count
    """
    found: dict[WorkloadRef, dict[str, Any] | None] = {}
    for event in events_within(trace, duration):
        for obj in event["applied_objs"]:
            found[_ref(obj)] = obj
        for obj in event["deleted_objs"]:
            found[_ref(obj)] = None
    return {ref: obj for ref, obj in found.items() if ref.kind in WORKLOAD_KINDS}


def deletes(trace: Trace, ref: WorkloadRef, duration: int) -> bool:
    """Say whether the last word of the trace's window on a workload is its deletion."""
    return last_words(trace, duration).get(ref, {}) is None


def _ref(obj: dict[str, Any]) -> WorkloadRef:
    metadata = obj["metadata"]
    return WorkloadRef(obj["kind"], metadata.get("namespace") or "default", metadata["name"])
