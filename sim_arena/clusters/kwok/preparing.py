"""Prepares a cluster for replays: a namespace for the lease, KWOK's Stages, and nodes."""

from collections.abc import Sequence
from pathlib import Path

from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.nodes import await_nodes, node_manifest, prepare_nodes, read_nodes
from sim_arena.clusters.kube.ownership import HOME, PREPARED_LABEL
from sim_arena.errors import PermanentError
from sim_arena.nodes import Node

__all__ = ["STAGES", "STAGE_API", "manifests", "prepare", "unprepare"]

STAGES = Path(__file__).parent / "stages.yaml"
"""How KWOK plays nodes and pods, for a KWOK that reads a file and none of the cluster's Stages."""

STAGE_API = "kwok.x-k8s.io/v1alpha1"
_STAGES_PATH = f"/apis/{STAGE_API}/stages"
_HOME: Json = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": HOME, "labels": {PREPARED_LABEL: "true"}},
}


def manifests(nodes: Sequence[Node], *, virtual: bool = True) -> list[Json]:
    """Everything that `prepare` would put on a cluster.

    Args:
        nodes: the nodes.
        virtual: whether they get the taint that only replayed pods tolerate.
    """
    made = [_HOME, *_stages(), *(node_manifest(node, virtual=virtual) for node in nodes)]
    for obj in made:
        obj["metadata"]["labels"] = {**obj["metadata"].get("labels", {}), PREPARED_LABEL: "true"}
    return made


def prepare(
    api: Api, nodes: Sequence[Node], *, virtual: bool = True, replace_stages: bool = False
) -> list[str]:
    """Make a cluster ready; to do so again changes nothing.

    Args:
        api: the cluster.
        nodes: its KWOK nodes; those that were prepared before and are not among them go.
        virtual: whether they get the taint that only replayed pods tolerate.
        replace_stages: whether Stages of somebody else with our names are replaced.

    Returns:
        what was done, and what was left as it is, a line each.

    Raises:
        PermanentError: something of somebody else is in the way.
        TransientError: the nodes did not become Ready.
    """
    done = _prepare_home(api)
    done += _prepare_stages(api, replace=replace_stages)
    done += prepare_nodes(api, [node_manifest(node, virtual=virtual) for node in nodes])
    await_nodes(api, [node.name for node in nodes])
    return done


def unprepare(api: Api) -> list[str]:
    """Remove what `prepare` made: nodes, Stages and the namespace.

    Returns:
        what was removed, a line each.
    """
    removed = []
    for node in read_nodes(api):
        if PREPARED_LABEL in (node["metadata"].get("labels") or {}):
            api.delete({"apiVersion": "v1", "kind": "Node"}, None, node["metadata"]["name"])
            removed.append(f"node {node['metadata']['name']}")
    if api.knows(STAGE_API, "Stage"):
        for stage in api.list(_STAGES_PATH, PREPARED_LABEL):
            api.request("delete", f"{_STAGES_PATH}/{stage['metadata']['name']}")
            removed.append(f"stage {stage['metadata']['name']}")
    found = api.get(_HOME, None, HOME)
    if found is not None and PREPARED_LABEL in (found["metadata"].get("labels") or {}):
        api.delete(_HOME, None, HOME)
        removed.append(f"namespace {HOME}")
    return removed


def _prepare_home(api: Api) -> list[str]:
    found = api.get(_HOME, None, HOME)
    if found is None:
        api.apply(_HOME)
        return [f"namespace {HOME} made"]
    if "deletionTimestamp" in found["metadata"]:
        raise PermanentError(f"expected the namespace {HOME}, found it on its way out: try again")
    return []


def _prepare_stages(api: Api, *, replace: bool) -> list[str]:
    if not api.knows(STAGE_API, "Stage"):
        told = "no Stages: the cluster has no such kind; KWOK has to be installed with its custom "
        return [f"{told}resources, or started with --config {STAGES}"]
    there = {stage["metadata"]["name"]: stage for stage in api.list(_STAGES_PATH)}
    done = []
    for stage in _stages():
        name = stage["metadata"]["name"]
        found = there.get(name)
        foreign = found and PREPARED_LABEL not in (found["metadata"].get("labels") or {})
        if foreign and not replace:
            done.append(f"stage {name} left: it is not ours; --replace-stages replaces it")
            continue
        stage["metadata"]["labels"] = {PREPARED_LABEL: "true"}
        now = api.apply(stage, force=True)["metadata"]["resourceVersion"]
        if found is None or found["metadata"]["resourceVersion"] != now:
            done.append(f"stage {name} {'changed' if found else 'made'}")
    return done


def _stages() -> list[Json]:
    import yaml  # noqa: PLC0415 - only here

    documents = yaml.load_all(STAGES.read_text("utf-8"), Loader=yaml.SafeLoader)
    return [stage for stage in documents if stage]
