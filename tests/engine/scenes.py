"""Playing small traces, and reading what came of them."""

from typing import Any

from sim_arena.engine import Parameters, Simulation, compile_trace
from sim_arena.engine.observe import WorkloadStatus
from sim_arena.engine.state import GONE
from sim_arena.nodes import Node
from tests.engine.manifests import Json, ref, trace

__all__ = ["alive", "fixed_delay", "message", "play", "sizes", "status"]


def play(
    *events: Any,
    nodes: list[Node],
    until: float | None = None,
    seed: int = 0,
    lifecycles: Any = None,
    **parameters: Any,
) -> Simulation:
    """Play events of `manifests.trace` as they are, without SimKube's rewriting."""
    parameters.setdefault("replay", "plain")
    program = compile_trace(trace(*events, lifecycles=lifecycles), nodes, Parameters(**parameters))
    simulation = Simulation(program, seed)
    simulation.advance(program.duration_s if until is None else until)
    return simulation


def fixed_delay(seconds: int = 1) -> dict[str, int]:
    """Each pod starts that long after it was bound."""
    return {"pod_startup_delay": 1000 * seconds, "pod_startup_jitter": 1000 * seconds}


def status(simulation: Simulation, name: str = "web") -> WorkloadStatus:
    (found,) = [one for one in simulation.status() if one.name == name]
    return found


def message(pod: Json, nodes: list[Node], **parameters: Any) -> str:
    """The scheduler's message about a bare pod."""
    simulation = play((0, [pod]), nodes=nodes, **parameters)
    (text,) = status(simulation, pod["metadata"]["name"]).reasons
    return text


def alive(simulation: Simulation) -> list[Any]:
    """The records of the pods that are not deleted, in the order of their creation."""
    pods = simulation.state.pods[: simulation.state.clock[0]["pods"]]
    return [pod for pod in pods if pod["phase"] != GONE]


def sizes(simulation: Simulation, kind: str = "Deployment") -> list[int]:
    """The replicas of a Deployment's ReplicaSets, the oldest first."""
    w = simulation.program.index(ref(kind))
    record = simulation.program.arrays.workloads[w]
    sets = simulation.state.sets[record["first_template"] : record["end_template"]]
    made = sorted((one for one in sets if one["exists"]), key=lambda one: int(one["order"]))
    return [int(one["replicas"]) for one in made]
