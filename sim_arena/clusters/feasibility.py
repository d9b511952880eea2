"""Whether a target could fit at all, before anything is simulated."""

from collections.abc import Iterable, Mapping
from typing import Any

from sim_arena.clusters.base import Check
from sim_arena.guardrails import Guardrails
from sim_arena.nodes import Node
from sim_arena.spec import EpisodeSpec
from traces import Trace, WorkloadRef, find_workload, pod_template
from traces.arithmetic import UNSET, effective_request
from traces.quantities import format_cpu, format_memory, parse_cpu, parse_memory
from traces.workloads import applications

__all__ = ["check", "last_application", "last_template", "least_request", "room_for"]


def check(trace: Trace, nodes: Iterable[Node], spec: EpisodeSpec) -> Check:
    """Check whether `target` pods fit on empty nodes with the least requests allowed.

    It counts cpu, memory and pods alone; selectors, taints and neighbours may leave less room,
    so it can only tell that something is impossible, not that it is possible.
    """
    ref = find_workload(trace, spec.deploy, spec.namespace)
    cpu, memory = least_request(last_template(trace, ref), spec.guardrails)
    room = sum(room_for(cpu, memory, node) for node in nodes)
    each = f"{format_cpu(cpu)} CPU and {format_memory(memory)} each"
    return Check(
        "fits",
        ok=room >= spec.target,
        found=f"at most {room} pods of {spec.deploy} fit on these nodes, with {each}; "
        f"the target is {spec.target}",
        remedy="give more nodes, a lower target, or lower minima in the guardrails",
        required=False,
    )


def last_application(trace: Trace, ref: WorkloadRef) -> Mapping[str, Any]:
    """Return a workload as it was applied last."""
    *_, last = (found.obj for found in applications(trace) if found.workload == ref)
    return last


def last_template(trace: Trace, ref: WorkloadRef) -> Mapping[str, Any]:
    """Return the pod spec of a workload as it was applied last."""
    spec: Mapping[str, Any] = pod_template(last_application(trace, ref))["spec"]
    return spec


def least_request(pod: Mapping[str, Any], guardrails: Guardrails) -> tuple[int, int]:
    """Return the milli-CPU and bytes that a pod asks for when nothing can be lowered further."""
    parsers = {"cpu": parse_cpu, "memory": parse_memory}
    floors = {"cpu": guardrails.bounds("cpu")[0], "memory": guardrails.bounds("memory")[0]}
    totals = {"cpu": 0, "memory": 0}
    for container in pod["containers"]:
        resources = container.get("resources") or {}
        for name, parse in parsers.items():
            pair = (
                parse(str(part[name])) if name in part else UNSET
                for part in (resources.get("requests") or {}, resources.get("limits") or {})
            )
            totals[name] += min(floors[name], effective_request(*pair))
    return totals["cpu"], totals["memory"]


def room_for(cpu: int, memory: int, node: Node) -> int:
    """Return how many pods of so much milli-CPU and memory an empty node takes."""
    if node.unschedulable:
        return 0
    counts = [node.pods]
    counts += [node.cpu // cpu] if cpu else []
    counts += [node.memory // memory] if memory else []
    return max(0, min(counts))
