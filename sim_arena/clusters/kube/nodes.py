"""Nodes on a cluster: manifests that KWOK plays, and what there is."""

import time
from collections.abc import Iterable, Mapping, Sequence

from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.ownership import PREPARED_LABEL
from sim_arena.errors import PermanentError, TransientError
from sim_arena.nodes import Node, Taint
from traces.quantities import parse_cpu, parse_memory

__all__ = [
    "FAKE_ANNOTATION",
    "VIRTUAL_TAINT",
    "await_nodes",
    "differences",
    "is_prepared",
    "is_up",
    "is_virtual",
    "node_manifest",
    "prepare_nodes",
    "read_nodes",
    "to_node",
]

VIRTUAL_TAINT = {"key": "kwok-provider", "value": "true", "effect": "NoSchedule"}
FAKE_ANNOTATION = "kwok.x-k8s.io/node"
_READY_S = 60.0
_LOOK_S = 0.1
_TYPE = "type"
_VIRTUAL = "virtual"
# Put on nodes by the cluster itself.
_GIVEN_TAINTS = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
_NODES = "/api/v1/nodes"


def is_virtual(node: Mapping[str, Json]) -> bool:
    """Whether KWOK plays a node, so that nothing runs there in truth.

    SimKube's label `type: virtual` alone does not say so: somebody may call machines that.
    """
    annotations = node["metadata"].get("annotations") or {}
    version = ((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion") or ""
    return annotations.get(FAKE_ANNOTATION) == "fake" or version.startswith("kwok")


def node_manifest(node: Node, *, virtual: bool) -> Json:
    """The manifest of a node that KWOK plays.

    Args:
        node: the node as the arena describes it.
        virtual: whether to add the taint that only pods of a SimKube simulation tolerate. The
            label and the annotation that make KWOK play it are there in any case.
    """
    resources = {
        "cpu": f"{node.cpu}m",
        "memory": str(node.memory),
        "pods": str(node.pods),
        **{name: str(amount) for name, amount in node.extended.items()},
    }
    taints: list[Json] = [
        {"key": taint.key, "value": taint.value, "effect": taint.effect} for taint in node.taints
    ]
    if virtual and not any(taint["key"] == VIRTUAL_TAINT["key"] for taint in taints):
        taints.append(dict(VIRTUAL_TAINT))
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "labels": {**node.labels, _TYPE: _VIRTUAL},
            "annotations": {FAKE_ANNOTATION: "fake"},
        },
        "spec": {"taints": taints, "unschedulable": node.unschedulable},
        "status": {"allocatable": resources, "capacity": resources},
    }


def prepare_nodes(api: Api, manifests: Sequence[Json]) -> list[str]:
    """Make the prepared nodes of a cluster be just these. Nodes of others stay as they are.

    Returns:
        what was done, a line each; nothing if all was so already

    Raises:
        PermanentError: somebody else's node has one of the names.
    """
    there = {node["metadata"]["name"]: node for node in api.list(_NODES)}
    wanted = {manifest["metadata"]["name"] for manifest in manifests}
    for name in sorted(wanted & there.keys()):  # before anything is changed
        if not is_prepared(there[name]):
            raise PermanentError(
                f"expected to make the node {name}, found one that `sim-arena cluster prepare` did "
                "not make: give the nodes other names, or remove that one"
            )
    done = []
    for name, node in there.items():
        if name not in wanted and is_prepared(node):
            api.delete(_kind(), None, name)
            done.append(f"node {name} removed")
    for manifest in manifests:
        name = manifest["metadata"]["name"]
        found = there.get(name)
        labelled = _labelled(manifest)
        if found is None:
            api.create(labelled)
            done.append(f"node {name} made")
        elif lines := _to_change(manifest, found):
            # Its labels, taints and size change together: a new node is simpler to be sure of.
            api.delete(_kind(), None, name)
            _await_gone(api, name)
            api.create(labelled)
            done.append(f"node {name} made anew: {'; '.join(lines)}")
    return done


def _to_change(manifest: Json, found: Json) -> list[str]:
    """What of a prepared node is not so, a line each: it is to be just as it was asked for."""
    asked, there = to_node(manifest), to_node(found)
    lines = differences([asked], [there])
    lines += [f"{there.name}: label {key} too" for key in there.labels.keys() - asked.labels.keys()]
    if _tainted(manifest) != _tainted(found):
        lines.append("other taints")
    return lines


def await_nodes(api: Api, names: Iterable[str], deadline_s: float = _READY_S) -> None:
    """Wait until nodes are Ready and can take pods.

    Raises:
        TransientError: they were not in time.
    """
    deadline = time.monotonic() + deadline_s
    while late := set(names) - {n["metadata"]["name"] for n in api.list(_NODES) if is_up(n)}:
        if time.monotonic() > deadline:
            raise TransientError(
                f"expected the nodes to become Ready within {deadline_s:g} s, found "
                f"{', '.join(sorted(late)[:5])} not Ready: does KWOK run, with Stages for nodes?"
            )
        time.sleep(_LOOK_S)


def read_nodes(api: Api) -> list[Json]:
    """The nodes that KWOK plays for pods of a simulation, in the order of their names."""
    found = [node for node in api.list(_NODES) if is_virtual(node)]
    return sorted(found, key=lambda node: _in_order(node["metadata"]["name"]))


def to_node(manifest: Json, *, virtual: bool = True) -> Node:
    """A node of the cluster as the arena describes nodes; what the cluster itself adds is left out.

    Args:
        manifest: the node.
        virtual: whether to leave the taint of SimKube's virtual nodes out too, because the pods
            tolerate it.
    """
    given = (*_GIVEN_TAINTS, VIRTUAL_TAINT["key"]) if virtual else _GIVEN_TAINTS
    allocatable = dict(manifest["status"].get("allocatable") or {})
    taints = [
        Taint(taint["key"], taint.get("value") or "", taint["effect"])
        for taint in manifest["spec"].get("taints") or ()
        if not taint["key"].startswith(given)
    ]
    labels = manifest["metadata"].get("labels") or {}
    return Node(
        name=manifest["metadata"]["name"],
        cpu=parse_cpu(str(allocatable.pop("cpu", 0))),
        memory=parse_memory(str(allocatable.pop("memory", 0))),
        pods=parse_memory(str(allocatable.pop("pods", 0))),
        labels={key: value for key, value in labels.items() if key != PREPARED_LABEL},
        taints=tuple(taints),
        unschedulable=bool(manifest["spec"].get("unschedulable", False)),
        extended={name: parse_memory(str(amount)) for name, amount in allocatable.items()},
    )


def differences(asked: Sequence[Node], there: Sequence[Node]) -> list[str]:
    """What of the nodes that were asked for is not so on the cluster, a line each."""
    found = {node.name: node for node in there}
    lines = [f"{node.name} is missing" for node in asked if node.name not in found]
    names = {node.name for node in asked}
    lines += [f"{name} is there too" for name in found if name not in names]
    for node in asked:
        if (own := found.get(node.name)) is None:
            continue
        for field in ("cpu", "memory", "pods", "unschedulable", "extended"):
            if getattr(node, field) != getattr(own, field):
                lines.append(
                    f"{node.name}: {field} {getattr(own, field)}, asked {getattr(node, field)}"
                )
        lines += [
            f"{node.name}: label {key}={own.labels.get(key)}, asked {value}"
            for key, value in node.labels.items()
            if own.labels.get(key) != value
        ]
        own_taints = {taint for taint in node.taints if taint.key != VIRTUAL_TAINT["key"]}
        if own_taints != set(own.taints):
            lines.append(f"{node.name}: other taints than asked")
    return lines


def _kind() -> Json:
    return {"apiVersion": "v1", "kind": "Node"}


def _labelled(manifest: Json) -> Json:
    metadata = manifest["metadata"]
    labels = {**metadata["labels"], PREPARED_LABEL: "true"}
    return {**manifest, "metadata": {**metadata, "labels": labels}}


def is_prepared(node: Json) -> bool:
    """Say whether `sim-arena cluster prepare` made a node."""
    return PREPARED_LABEL in (node["metadata"].get("labels") or {})


def _tainted(node: Json) -> bool:
    return any(t["key"] == VIRTUAL_TAINT["key"] for t in node["spec"].get("taints") or ())


def _await_gone(api: Api, name: str) -> None:
    deadline = time.monotonic() + _READY_S
    while api.exists(_kind(), None, name):
        if time.monotonic() > deadline:
            raise TransientError(f"expected the node {name} to go, found it still there")
        time.sleep(_LOOK_S)


def is_up(node: Json) -> bool:
    """Whether a node is Ready and the controllers have taken their first taint away."""
    conditions = node["status"].get("conditions") or []
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    taints = node["spec"].get("taints") or []
    return ready and not any(taint["key"] == "node.kubernetes.io/not-ready" for taint in taints)


def _in_order(name: str) -> tuple[str, int]:
    """Names in the order of their numbers: node-2 before node-10."""
    stem, _, number = name.rpartition("-")
    return (stem, int(number)) if number.isdigit() else (name, -1)
