"""What a window looks like from within: the pods on each node, moment by moment.

The embedded cluster plays the trace of a step again and is looked at as it goes; the answer is
plain rows, which anybody can draw.
"""

from typing import Any, TypedDict

import numpy as np

from sim_arena import engine
from sim_arena.actions import apply_to_trace
from sim_arena.engine.program import Program
from sim_arena.engine.state import CRASHED, PENDING, RUNNING, State
from sim_arena.nodes import parse_nodes
from sim_arena.spec import EpisodeSpec
from sim_arena.sweeps.replay import Recorded
from traces import Trace, find_workload, load_trace

__all__ = ["STATES", "NodeTimeline", "Timeline", "timeline", "timelines"]

STATES = ("ready", "not_ready", "crashed")
"""The states of a pod on a node: every container is ready; running or starting, but not ready;
at least one container has crashed and waits to be started again."""

_MOMENTS = 120


class NodeTimeline(TypedDict):
    """One node: what it has, what is requested at the end, and its pods at each moment.

    CPU in mCPU, memory in bytes.
    """

    name: str
    cpu: int
    memory: int
    pods: int
    requested_cpu: int
    requested_memory: int
    requested_pods: int
    states: dict[str, list[int]]


class Timeline(TypedDict):
    """One window.

    `times` are seconds since the trace's first event. `workload` holds the pods of the workload
    in question by state, wherever they are, `pending` among them; `pending` counts all pods
    that are on no node.
    """

    step: int
    times: list[float]
    workload: dict[str, list[int]]
    pending: list[int]
    nodes: list[NodeTimeline]
    warnings: list[str]


def timelines(found: Recorded) -> list[Timeline]:
    """Return the windows of an episode's steps.

    A step that replayed the same trace as the one before saw the same, and has no window of its
    own. The traces are made from the first one by the recorded actions, so that nothing that the
    record names is run: no policy and no hook.

    Args:
        found: the episode

    Raises:
        SimArenaError: a trace cannot be edited, compiled or run as it was
        TraceError: the trace cannot be read
    """
    trace = load_trace(found.spec.trace)
    windows = []
    changed = True
    for row in found.rows:
        if changed:
            windows.append(timeline(found.spec, row["step"], trace))
        changed = bool(row["changed"])
        if changed:
            apply_to_trace(
                trace,
                row["action"],
                namespace=found.spec.namespace,
                guardrails=found.spec.guardrails,
            )
    return windows


def timeline(spec: EpisodeSpec, step: int, trace: Trace) -> Timeline:
    """Return one window.

    Args:
        spec: the episode
        step: the step's number, from 0
        trace: the trace that the step replayed

    Raises:
        TraceError: the trace does not have the workload
        SimArenaError: it cannot be compiled or run
    """
    ref = find_workload(trace, spec.deploy, spec.namespace)
    parameters = engine.Parameters(duration=spec.duration, replay=spec.replay)
    program = engine.compile_trace(trace, parse_nodes(spec.nodes), parameters)
    running = engine.Simulation(program, seed=spec.seed)
    w = program.index(ref)
    times = _times(program.duration_s)
    seen = []
    for time in times:
        running.advance(time)
        seen.append(_look(program, running.state, w))
    return {
        "step": step,
        "times": times,
        "workload": {name: [one[0][name] for one in seen] for name in (*STATES, "pending")},
        "pending": [one[1] for one in seen],
        "nodes": _nodes(program, running.state, [one[2] for one in seen]),
        "warnings": list(running.warnings),
    }


def _times(duration: int) -> list[float]:
    """Return the moments to look at: whole seconds where there are not too many."""
    pace = max(1, -(-duration // _MOMENTS))
    return [*map(float, range(0, duration, pace)), float(duration)]


_Counts = dict[str, int]


def _look(program: Program, state: State, w: int) -> tuple[_Counts, int, dict[str, Any]]:
    """Return the workload's pods by state, the pods on no node, and by state those of each node."""
    pods = state.pods[: state.clock["pods"][0]]
    slots = int(program.arrays.header["pod_containers"][0])
    containers = state.containers["state"][: len(pods) * slots].reshape(len(pods), slots)
    templates = program.arrays.templates[pods["template"]]
    own = np.arange(slots) < (templates["end_container"] - templates["first_container"])[:, None]
    running = pods["phase"] == RUNNING
    crashed = running & ((containers == CRASHED) & own).any(axis=1)
    ready = running & (pods["ready"] == 1)
    bound, pending = pods["node"] >= 0, pods["phase"] == PENDING
    waiting = pending & ~bound
    by_state = {
        "ready": ready,
        "not_ready": (running & ~ready & ~crashed) | (pending & bound),
        "crashed": crashed & ~ready,
    }
    mine = program.arrays.workloads["owner"][pods["workload"]] == w
    workload = {name: int((mask & mine).sum()) for name, mask in by_state.items()}
    workload["pending"] = int((waiting & mine).sum())
    on = {
        name: np.bincount(pods["node"][mask & bound], minlength=len(program.nodes))
        for name, mask in by_state.items()
    }
    return workload, int(waiting.sum()), on


def _nodes(program: Program, state: State, seen: list[dict[str, Any]]) -> list[NodeTimeline]:
    nodes, used = program.arrays.nodes, state.nodes
    return [
        {
            "name": node.name,
            "cpu": int(nodes["cpu"][n]),
            "memory": int(nodes["memory"][n]),
            "pods": int(nodes["pods"][n]),
            "requested_cpu": int(used["cpu"][n]),
            "requested_memory": int(used["memory"][n]),
            "requested_pods": int(used["pods"][n]),
            "states": {name: [int(one[name][n]) for one in seen] for name in STATES},
        }
        for n, node in enumerate(program.nodes)
    ]
