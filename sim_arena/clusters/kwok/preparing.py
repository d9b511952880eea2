"""Prepares a cluster for replays: a namespace for the lease, KWOK's Stages, and nodes."""

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.lease import LEASE, Lease
from sim_arena.clusters.kube.nodes import await_nodes, node_manifest, prepare_nodes, read_nodes
from sim_arena.clusters.kube.ownership import HOME, PREPARED_LABEL
from sim_arena.errors import PermanentError, TransientError
from sim_arena.nodes import Node

__all__ = ["STAGES", "foreign_stages", "manifests", "prepare", "unprepare"]

STAGES = Path(__file__).parent / "stages.yaml"
"""How KWOK plays nodes and pods, for a KWOK that reads a file and none of the cluster's Stages."""

STAGE_API = "kwok.x-k8s.io/v1alpha1"
_STAGES_PATH = f"/apis/{STAGE_API}/stages"
_REPLACED = "sim-arena.io/replaced-spec"
_GOING_S = 120.0  # the namespaces' controller may try again only after a minute
_LOOK_S = 0.5
_LOG = logging.getLogger(__name__)
_INHABITANTS = (
    "/api/v1/namespaces/{}/serviceaccounts",
    "/api/v1/namespaces/{}/configmaps",
    "/api/v1/namespaces/{}/secrets",
    "/api/v1/namespaces/{}/persistentvolumeclaims",
    "/api/v1/namespaces/{}/pods",
    "/api/v1/namespaces/{}/services",
    "/apis/apps/v1/namespaces/{}/daemonsets",
    "/apis/apps/v1/namespaces/{}/deployments",
    "/apis/apps/v1/namespaces/{}/replicasets",
    "/apis/apps/v1/namespaces/{}/statefulsets",
    "/apis/batch/v1/namespaces/{}/cronjobs",
    "/apis/batch/v1/namespaces/{}/jobs",
    "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
)
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
        TransientError: the nodes did not become Ready, or the namespace that `unprepare` deleted
            did not go.
    """
    _require_idle(api)
    done = _prepare_home(api)
    done += _prepare_stages(api, replace=replace_stages)
    done += prepare_nodes(api, [node_manifest(node, virtual=virtual) for node in nodes])
    await_nodes(api, [node.name for node in nodes])
    return done


def unprepare(api: Api) -> list[str]:
    """Remove what `prepare` made: nodes, Stages and the namespace; that stays if others use it.

    Returns:
        what was removed, a line each.

    Raises:
        PermanentError: a run has the cluster.
    """
    _require_idle(api)
    removed = []
    for node in read_nodes(api):
        if PREPARED_LABEL in (node["metadata"].get("labels") or {}):
            api.delete({"apiVersion": "v1", "kind": "Node"}, None, node["metadata"]["name"])
            removed.append(f"node {node['metadata']['name']}")
    if api.knows(STAGE_API, "Stage"):
        removed += [_remove_stage(api, one) for one in api.list(_STAGES_PATH, PREPARED_LABEL)]
    found = api.get(_HOME, None, HOME)
    ours = found is not None and PREPARED_LABEL in (found["metadata"].get("labels") or {})
    if ours and (others := _foreign_things(api)):
        _LOG.warning("the namespace %s stays, as it has %s of others", HOME, ", ".join(others))
    elif ours:
        api.delete(_HOME, None, HOME)
        removed.append(f"namespace {HOME}")
    return removed


def _require_idle(api: Api) -> None:
    """A run's pods would lose their nodes, and it would see that."""
    if (holder := Lease(api, LEASE).living()) is not None:
        raise PermanentError(
            f"expected no run on the cluster, found run {holder.run_id}: wait for it, or remove it "
            f"by `sim-arena cluster clean --run {holder.run_id}`"
        )


def _foreign_things(api: Api) -> list[str]:
    """What others have put into the namespace, such as the accounts of `deploy/`."""
    # Every namespace has the first two; the third is ours.
    given = {"serviceaccounts/default", "configmaps/kube-root-ca.crt", f"leases/{LEASE}"}
    found = [
        f"{collection.rpartition('/')[2]}/{obj['metadata']['name']}"
        for collection in _INHABITANTS
        for obj in api.list(collection.format(HOME))
    ]
    return [name for name in found if name not in given]


def _prepare_home(api: Api) -> list[str]:
    deadline = time.monotonic() + _GOING_S
    while (found := api.get(_HOME, None, HOME)) is not None:
        if "deletionTimestamp" not in found["metadata"]:
            return []
        if time.monotonic() > deadline:
            raise TransientError(
                f"expected the namespace {HOME}, found it on its way out for {_GOING_S:g} s: look "
                f"at what holds it (kubectl get namespace {HOME} -o yaml) and try again"
            )
        time.sleep(_LOOK_S)
    api.apply(_HOME)
    return [f"namespace {HOME} made"]


def _prepare_stages(api: Api, *, replace: bool) -> list[str]:
    if not api.knows(STAGE_API, "Stage"):
        told = "Stages left out, because the cluster has no such kind: KWOK takes them from a file"
        return [f"{told}, given with --config {STAGES}, or has its custom resources installed"]
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
        if found and (theirs := _replaced(found, foreign=bool(foreign))) is not None:
            stage["metadata"]["annotations"] = {_REPLACED: theirs}
        now = api.apply(stage, force=True)["metadata"]["resourceVersion"]
        if found is None or found["metadata"]["resourceVersion"] != now:
            done.append(f"stage {name} {'changed' if found else 'made'}")
    return done


def _replaced(found: Json, *, foreign: bool) -> str | None:
    """What somebody else's Stage said before it was replaced, as JSON; None where it is ours."""
    if foreign:
        return json.dumps(found["spec"])
    theirs: str | None = (found["metadata"].get("annotations") or {}).get(_REPLACED)
    return theirs


def _remove_stage(api: Api, stage: Json) -> str:
    """Remove a Stage of ours, or make it what it was before it was replaced."""
    metadata = stage["metadata"]
    path = f"{_STAGES_PATH}/{metadata['name']}"
    theirs = (metadata.get("annotations") or {}).pop(_REPLACED, None)
    if theirs is None:
        api.request("delete", path)
        return f"stage {metadata['name']}"
    del metadata["labels"][PREPARED_LABEL]
    version = {"apiVersion": STAGE_API, "kind": "Stage"}
    api.request("put", path, {**stage, **version, "spec": json.loads(theirs)})
    return f"what replaced the stage {metadata['name']}"


def foreign_stages(api: Api) -> list[str] | None:
    """Names of our pods' Stages that the cluster lacks, or that somebody else has made otherwise.

    KWOK's own fast Stages have names of ours: by those, pods of Jobs end at once, and others never.

    Returns:
        the names; None where the cluster has no such kind
    """
    if not api.knows(STAGE_API, "Stage"):
        return None
    there = {stage["metadata"]["name"]: stage["spec"] for stage in api.list(_STAGES_PATH)}
    return [
        name
        for stage in _stages()
        if stage["spec"]["resourceRef"]["kind"] == "Pod"
        and not _has(there.get(name := stage["metadata"]["name"]), stage["spec"])
    ]


def _has(found: object, wanted: object) -> bool:
    """Whether everything that is wanted is there; the API server may have added more."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_has(found.get(k), v) for k, v in wanted.items())
    if isinstance(wanted, list):
        same = isinstance(found, list) and len(found) == len(wanted)
        return same and all(map(_has, cast("list[object]", found), wanted))
    return found == wanted


def _stages() -> list[Json]:
    import yaml  # noqa: PLC0415 - only here

    documents = yaml.load_all(STAGES.read_text("utf-8"), Loader=yaml.SafeLoader)
    return [stage for stage in documents if stage]
