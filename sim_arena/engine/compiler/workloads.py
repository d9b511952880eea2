"""The fields of a workload's spec that its controller reads, and its pods' running times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sim_arena.engine.compiler.fields import int_or_percent, number
from sim_arena.engine.compiler.jobs import job_fields
from sim_arena.engine.program import NS
from traces import Trace, TraceError, WorkloadRef, pod_template
from traces.arithmetic import UNSET

if TYPE_CHECKING:
    from sim_arena.engine.compiler.unmodelled import Unmodelled

__all__ = ["application_row", "lifetimes_of"]

Object = Mapping[str, Any]

_GROUPS = {
    "Pod": "v1",
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
}


def application_row(
    ref: WorkloadRef, obj: Object, unmodelled: Unmodelled, numbers: list[int]
) -> dict[str, int]:
    """Return the fields of an `APPLICATION` record that an object sets.

    Server-side apply drops the fields that an object no longer sets, so each application is
    complete: what is missing has the API server's default.

    Args:
        ref: its name.
        obj: the object.
        unmodelled: where to note what the engine does not model.
        numbers: where to add what does not fit into a record.

    Raises:
        TraceError: if the object has no pod template, or a number is none.
    """
    spec = obj.get("spec")
    try:
        template = pod_template(obj)
    except (KeyError, TypeError) as error:
        raise TraceError(f"{ref}: expected a spec with a pod template, found none") from error
    if not isinstance(spec, Mapping) or not template:
        raise TraceError(f"{ref}: expected a spec with a pod template, found none")
    if ref.kind == "Pod":
        return {"replicas": 1, "min_ready": 0}
    if ref.kind == "Job":
        return job_fields(ref, spec, unmodelled, numbers)
    if ref.kind == "CronJob":
        return job_fields(ref, spec["jobTemplate"]["spec"], unmodelled, numbers)
    row = {
        "replicas": number(ref, spec, "replicas", 1),
        "min_ready": number(ref, spec, "minReadySeconds", 0) * NS,
    }
    if ref.kind == "Deployment":
        row |= _deployment(ref, spec)
        unmodelled.note_deadline(ref, spec)
    elif ref.kind == "StatefulSet":
        row |= _stateful_set(ref, spec)
    elif ref.kind == "DaemonSet":
        row |= _daemon_set(ref, spec)
    return row


def _deployment(ref: WorkloadRef, spec: Object) -> dict[str, int]:
    strategy = spec.get("strategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    surge, surge_percent = int_or_percent(ref, rolling.get("maxSurge"), (25, 1))
    unavailable, unavailable_percent = int_or_percent(ref, rolling.get("maxUnavailable"), (25, 1))
    return {
        "recreate": int(strategy.get("type") == "Recreate"),
        "paused": int(bool(spec.get("paused"))),
        "history": number(ref, spec, "revisionHistoryLimit", 10),
        "surge": surge,
        "surge_percent": surge_percent,
        "unavailable": unavailable,
        "unavailable_percent": unavailable_percent,
    }


def _stateful_set(ref: WorkloadRef, spec: Object) -> dict[str, int]:
    strategy = spec.get("updateStrategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    return {
        "parallel": int(spec.get("podManagementPolicy") == "Parallel"),
        "on_delete": int(strategy.get("type") == "OnDelete"),
        "partition": number(ref, rolling, "partition", 0),
        "start": number(ref, spec.get("ordinals") or {}, "start", 0),
    }


def _daemon_set(ref: WorkloadRef, spec: Object) -> dict[str, int]:
    strategy = spec.get("updateStrategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    surge, surge_percent = int_or_percent(ref, rolling.get("maxSurge"), (0, 0))
    unavailable, unavailable_percent = int_or_percent(ref, rolling.get("maxUnavailable"), (1, 0))
    return {
        "on_delete": int(strategy.get("type") == "OnDelete"),
        "surge": surge,
        "surge_percent": surge_percent,
        "unavailable": unavailable,
        "unavailable_percent": unavailable_percent,
    }


def lifetimes_of(trace: Trace, ref: WorkloadRef, speed: float, unmodelled: Unmodelled) -> list[int]:
    """Return how long a workload's pods run, in turn: nanoseconds, or UNSET for ever.

    The pod hash under an owner is ignored for the kinds that SimKube knows; with several
    hashes it takes any one, here the first.
    """
    lifecycles = trace.get("pod_lifecycles") or {}
    found = lifecycles.get((f"{_GROUPS[ref.kind]}.{ref.kind}", f"{ref.namespace}/{ref.name}"))
    if not found:
        return []
    lifetimes = [_lifetime(ref, entry, speed) for entry in next(iter(found.values()))]
    if ref.kind not in ("Pod", "Job", "CronJob") and 0 in lifetimes:
        # Replaced at once and over at once, such pods would hold the virtual time up for ever.
        unmodelled.note(f"{ref}: pods that run for less than 1 s are taken to run for 1 s")
        return [NS if lifetime == 0 else lifetime for lifetime in lifetimes]
    return lifetimes


def _lifetime(ref: WorkloadRef, entry: Any, speed: float) -> int:
    finished = entry.get("Finished") if isinstance(entry, Mapping) else None
    if finished is None:
        return UNSET
    if len(finished) != 2:
        raise TraceError(f"{ref}: expected a lifecycle [start, end], found {finished!r}")
    return int(max(0, finished[1] - finished[0]) / speed) * NS
