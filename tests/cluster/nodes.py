"""Nodes of the real cluster: manifests that KWOK plays, made from the arena's description."""

from collections.abc import Iterable

from sim_arena.nodes import Node
from tests.cluster.api import Api, Json
from tests.cluster.waiting import wait_until

VIRTUAL_TAINT = {"key": "kwok-provider", "value": "true", "effect": "NoSchedule"}
_READY_S = 60.0


def node_manifest(node: Node, *, virtual: bool) -> Json:
    """The manifest of a node that KWOK plays.

    Args:
        node: the node as the arena describes it.
        virtual: whether to add the taint that only pods of a SimKube simulation tolerate. The
            label that makes KWOK play it is there in any case.
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
        "metadata": {"name": node.name, "labels": {**node.labels, "type": "virtual"}},
        "spec": {"taints": taints, "unschedulable": node.unschedulable},
        "status": {"allocatable": resources, "capacity": resources},
    }


def add_nodes(api: Api, nodes: Iterable[Node], *, virtual: bool) -> None:
    """Create the nodes in order, and wait until all of them are Ready and can take pods.

    Raises:
        ApiError: A manifest was refused, or there is a node of that name already.
        TimeoutError: A node did not become Ready.
    """
    manifests = [node_manifest(node, virtual=virtual) for node in nodes]
    for manifest in manifests:
        api.create(manifest)
    names = {manifest["metadata"]["name"] for manifest in manifests}

    def why_not() -> str | None:
        late = names - {
            found["metadata"]["name"] for found in api.list("/api/v1/nodes") if _up(found)
        }
        return f"nodes not Ready: {', '.join(sorted(late)[:5])}" if late else None

    wait_until(why_not, _READY_S)


def remove_nodes(api: Api) -> None:
    """Delete every node that KWOK plays."""
    api.request("delete", "/api/v1/nodes", label_selector="type=virtual")


def _up(node: Json) -> bool:
    """Whether a node is Ready and the controllers have taken their first taint away."""
    conditions = node["status"].get("conditions") or []
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    taints = node["spec"].get("taints") or []
    return ready and not any(taint["key"] == "node.kubernetes.io/not-ready" for taint in taints)
