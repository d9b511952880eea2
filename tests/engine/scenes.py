"""Playing small traces, and reading what came of them."""

from copy import deepcopy
from typing import Any

from sim_arena.engine import Parameters, Simulation, compile_trace
from sim_arena.engine.observe import WorkloadStatus
from sim_arena.engine.state import GONE
from sim_arena.nodes import Node
from tests.engine.manifests import Json, ref, trace

__all__ = ["alive", "fixed_delay", "message", "play", "sizes", "status", "with_classes"]


def play(
    *events: Any,
    nodes: list[Node],
    until: float | None = None,
    seed: int = 0,
    lifecycles: Any = None,
    **parameters: Any,
) -> Simulation:
    """Play events of `manifests.trace` as they are, without SimKube's rewriting.

    A priority that a pod names becomes that of a PriorityClass: without one it would be refused.
    """
    parameters.setdefault("replay", "plain")
    document = trace(*with_classes(events), lifecycles=lifecycles)
    program = compile_trace(document, nodes, Parameters(**parameters))
    simulation = Simulation(program, seed)
    simulation.advance(program.duration_s if until is None else until)
    return simulation


def with_classes(events: Any) -> list[Any]:
    """Return events whose pods have PriorityClasses in the place of numbers, and these first."""
    made: dict[str, Json] = {}
    changed = deepcopy([*events])
    for _, applied, *deleted in changed:
        for obj in [*applied, *(one for some in deleted for one in some)]:
            _give_class(obj["spec"] if obj["kind"] == "Pod" else _pod_spec(obj), made)
    if made:
        changed[0] = (changed[0][0], [*made.values(), *changed[0][1]], *changed[0][2:])
    return changed


def _pod_spec(obj: Json) -> Json:
    spec: Json = obj.get("spec") or {}
    if obj["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    found: Json = (spec.get("template") or {}).get("spec") or {}
    return found


def _give_class(spec: Json, made: dict[str, Json]) -> None:
    named = {"priority", "preemptionPolicy"} & spec.keys()
    if not named or "priorityClassName" in spec:
        return
    value, policy = spec.pop("priority", 0), spec.pop("preemptionPolicy", None)
    name = f"class{value}{policy or ''}".lower()
    spec["priorityClassName"] = name
    made[name] = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        **({"preemptionPolicy": policy} if policy else {}),
    }


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
