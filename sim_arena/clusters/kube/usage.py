"""Whether a workload's trouble could be its usage, which real clusters with KWOK do not model."""

from collections.abc import Iterator
from typing import Any

from sim_arena import engine
from sim_arena.clusters.base import Simulation, observed
from sim_arena.clusters.kube.window import last_words
from sim_arena.engine.compiler.usage import usage_of
from sim_arena.nodes import parse_nodes
from sim_arena.spec import Replay
from traces import Trace, WorkloadRef, pod_template
from traces.quantities import parse_cpu, parse_memory
from traces.workloads import applications

__all__ = ["trouble_in", "usage_trouble"]

_SEEDS = 8


def usage_trouble(
    trace: Trace, ref: WorkloadRef, nodes: str, duration: int, replay: Replay
) -> list[str]:
    """Say why a workload would be in trouble where usage is real; nothing if it would not.

    Its containers may use more than their limits: of usage that varies, the most that one replica
    could come to counts. Or its pods are killed or evicted because their node is short of memory:
    that is seen on the embedded cluster. KWOK's pods use nothing: there such a workload looks
    healthy, whether it is or not.

    Args:
        trace: the trace.
        ref: the workload.
        nodes: the nodes' short form or path.
        duration: the window in seconds of the trace; the workload counts as it is at its end.
        replay: how the trace is replayed.
    """
    obj = last_words(trace, duration).get(ref)
    if obj is None or ref.kind == "Pod":
        return []  # of a bare pod nothing is known beforehand
    found = list(_over_limits(pod_template(obj)))
    if found or not _may_run_short(trace):
        return found
    parameters = engine.Parameters(duration=duration, replay=replay)
    program = engine.compile_trace(trace, parse_nodes(nodes), parameters)
    for seed in range(_SEEDS):
        simulation = engine.Simulation(program, seed=seed)
        simulation.advance()
        seen = simulation.observe(ref)
        if seen["oom_killed"] or seen["evicted"]:
            return ["its nodes run short of memory, which the embedded cluster shows"]
    return []


def trouble_in(simulation: Simulation, trace: Trace) -> list[str]:
    """Say the same of a simulation's workload, given its trace."""
    return usage_trouble(
        trace,
        observed(simulation),
        simulation["nodes"],
        simulation["duration"],
        simulation["replay"],
    )


def _over_limits(template: dict[str, Any]) -> Iterator[str]:
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    for container in template["spec"]["containers"]:
        limits = (container.get("resources") or {}).get("limits") or {}
        usage = usage_of(annotations, container["name"], regular=True)
        name = container["name"]
        if "memory" in limits and usage.memory.most > parse_memory(str(limits["memory"])):
            yield f"{name} uses more memory than its limit"
        if "cpu" in limits and usage.cpu.most > parse_cpu(str(limits["cpu"])):
            yield f"{name} uses more CPU than its limit"


def _may_run_short(trace: Trace) -> bool:
    """Whether any container may use more memory than it requests: only then can a node be short."""
    for template in (pod_template(found.obj) for found in applications(trace)):
        annotations = (template.get("metadata") or {}).get("annotations") or {}
        for container in template["spec"]["containers"]:
            resources = container.get("resources") or {}
            amounts = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
            usage = usage_of(annotations, container["name"], regular=True).memory.most
            if usage > parse_memory(str(amounts.get("memory", "1Mi"))):
                return True
    return False
