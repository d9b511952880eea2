"""From a case of the vectors to a program of the engine, and to the state that it describes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim_arena.engine import Parameters, compile_trace
from sim_arena.engine.program import Program
from sim_arena.nodes import Node, node_of
from tests.oracle.cases import Case
from tests.oracle.pieces import PRESSURE, Object
from traces import Trace

# What surrounds the pods in a case: field to (apiVersion, kind).
_SURROUNDINGS = {
    "namespaces": ("v1", "Namespace"),
    "services": ("v1", "Service"),
    "priorityclasses": ("scheduling.k8s.io/v1", "PriorityClass"),
    "poddisruptionbudgets": ("policy/v1", "PodDisruptionBudget"),
}
_OWNERS = {"ReplicaSet": "ReplicaSet", "StatefulSet": "StatefulSet"}
_HASH = "pod-template-hash"


@dataclass(frozen=True)
class Scene:
    """A case, compiled.

    Attributes:
        program: a template for each group of pods, in order; then that of the incoming pod.
        placed: (template, number of the node) of each pod already there, in order.
        started: the second at which each of them began; -1 if it is bound and has not begun.
        names: their names, namespaces included.
        incoming: the template of the pod that is to be placed.
        pressed: the numbers of the nodes that are short of memory: to the engine that is no part
            of a program, but of its state.
        allowed: how many pods each PodDisruptionBudget lets go.
    """

    program: Program
    placed: list[tuple[int, int]]
    started: list[int]
    names: list[str]
    incoming: int
    pressed: frozenset[int]
    allowed: list[int]


def scene(case: Case) -> Scene:
    """Compile a case; the pods of a group share a template."""
    own = [group for group in case["groups"] if "of" not in group]
    objects = [
        {"apiVersion": api, "kind": kind, **obj}
        for field, (api, kind) in _SURROUNDINGS.items()
        for obj in case.get(field, ())
    ]
    objects += [{"apiVersion": "v1", "kind": "Pod", **group["pod"]} for group in own]
    objects.append(_owned(case))
    program = compile_trace(
        Trace({"events": [{"ts": 0, "applied_objs": objects, "deleted_objs": []}]}),
        nodes_of(case),
        Parameters(replay="plain"),
    )
    numbers = {node.name: number for number, node in enumerate(program.nodes)}
    incoming = len(own)
    placed: list[tuple[int, int]] = []
    started: list[int] = []
    names: list[str] = []
    template = 0
    for group in case["groups"]:
        metadata = group["pod"]["metadata"]
        for i, node in enumerate(group["nodes"]):
            started.append(group["started"][i] if "started" in group else len(placed))
            placed.append((incoming if "of" in group else template, numbers[node]))
            names.append(f"{metadata['namespace']}/{metadata['name']}-{i}")
        template += "of" not in group
    pressed = frozenset(numbers[node] for node in _pressed(case))
    allowed = [one["status"]["disruptionsAllowed"] for one in case.get("poddisruptionbudgets", ())]
    return Scene(program, placed, started, names, incoming, pressed, allowed)


def nodes_of(case: Case) -> list[Node]:
    """Return a case's nodes as the engine reads them."""
    return [node_of({"kind": "Node", **_relieved(node)}, Path("case")) for node in case["nodes"]]


def _pressed(case: Case) -> list[str]:
    return [node["metadata"]["name"] for node in case["nodes"] if PRESSURE in _taints(node)]


def _taints(node: Object) -> Any:
    return node.get("spec", {}).get("taints", ())


def _relieved(node: Object) -> Object:
    left = [taint for taint in _taints(node) if taint != PRESSURE]
    return {**node, "spec": {**node.get("spec", {}), "taints": left}}


def _owned(case: Case) -> Object:
    """Return the workload whose pod is to be placed: the pod itself where nobody owns it."""
    incoming = case["pod"]
    if case.get("deployments"):
        labels = {k: v for k, v in incoming["metadata"]["labels"].items() if k != _HASH}
        return _workload("Deployment", case["deployments"][0], incoming, labels)
    for owner in incoming["metadata"].get("ownerReferences", ()):
        kind = _OWNERS[owner["kind"]]
        (found,) = [
            one for one in case[f"{kind.lower()}s"] if one["metadata"]["name"] == owner["name"]
        ]
        return _workload(kind, found, incoming, incoming["metadata"]["labels"])
    return {"apiVersion": "v1", "kind": "Pod", **incoming}


def _workload(kind: str, owner: Object, pod: Object, labels: Any) -> Object:
    template = {"metadata": {**pod["metadata"], "labels": labels}, "spec": pod["spec"]}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": owner["metadata"],
        "spec": {**owner["spec"], "replicas": 1, "template": template},
    }
