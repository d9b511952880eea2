"""Nodes that KWOK plays on a test's control plane."""

from collections.abc import Iterable

from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.nodes import is_up, node_manifest
from sim_arena.nodes import Node
from tests.cluster.waiting import wait_until

_READY_S = 60.0


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
            found["metadata"]["name"] for found in api.list("/api/v1/nodes") if is_up(found)
        }
        return f"nodes not Ready: {', '.join(sorted(late)[:5])}" if late else None

    wait_until(why_not, _READY_S)


def remove_nodes(api: Api) -> None:
    """Delete every node that KWOK plays."""
    api.request("delete", "/api/v1/nodes", label_selector="type=virtual")
