"""Whether a workload's trouble could be its usage, which real clusters with KWOK do not model."""

from sim_arena.engine.compiler.usage import usage_of
from traces import Trace, WorkloadRef, pod_template
from traces.quantities import parse_cpu, parse_memory
from traces.workloads import applications

__all__ = ["usage_trouble"]


def usage_trouble(trace: Trace, ref: WorkloadRef) -> list[str]:
    """Return which containers of a workload, as it is applied last, use more than their limits.

    Of usage that varies, the most that one replica could come to counts.

    They would be killed or throttled where usage is real. KWOK's pods use nothing: there such a
    workload looks healthy, whether it is or not.
    """
    applied = [found.obj for found in applications(trace) if found.workload == ref]
    if not applied:
        return []  # a bare pod, of which nothing is known beforehand
    template = pod_template(applied[-1])
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    found = []
    for container in template["spec"]["containers"]:
        limits = (container.get("resources") or {}).get("limits") or {}
        usage = usage_of(annotations, container["name"], regular=True)
        name = container["name"]
        if "memory" in limits and usage.memory.most > parse_memory(str(limits["memory"])):
            found.append(f"{name} uses more memory than its limit")
        if "cpu" in limits and usage.cpu.most > parse_cpu(str(limits["cpu"])):
            found.append(f"{name} uses more CPU than its limit")
    return found
