"""Removes what runs left on a cluster: what carries their label, and nothing else."""

import logging
import time
from collections.abc import Iterable, Sequence

from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.errors import RefusedError
from sim_arena.clusters.kube.ownership import of_run, run_of
from sim_arena.errors import TransientError

__all__ = ["CLUSTER_KINDS", "leftovers", "remove"]

CLUSTER_KINDS = (
    ("scheduling.k8s.io/v1", "PriorityClass"),
    ("storage.k8s.io/v1", "StorageClass"),
    ("v1", "PersistentVolume"),
)
"""The kinds without a namespace that a replay may make."""

_NAMESPACE: Json = {"apiVersion": "v1", "kind": "Namespace"}
# Owners before their pods, so that nothing makes them anew.
_COLLECTIONS = (
    "/apis/batch/v1/namespaces/{}/cronjobs",
    "/apis/batch/v1/namespaces/{}/jobs",
    "/apis/apps/v1/namespaces/{}/deployments",
    "/apis/apps/v1/namespaces/{}/statefulsets",
    "/apis/apps/v1/namespaces/{}/daemonsets",
    "/apis/apps/v1/namespaces/{}/replicasets",
    "/api/v1/namespaces/{}/pods",
)
_LOOK_S = 0.2
_PATIENCE_S = 5.0  # then one is told what one waits for
_CONFLICT, _FORBIDDEN = 409, 403
_LOG = logging.getLogger(__name__)


def leftovers(api: Api) -> dict[str, list[str]]:
    """What there is of runs: names of objects by the run's id."""
    found: dict[str, list[str]] = {}
    for obj in _made(api, None):
        name = f"{obj['kind']} {obj['metadata']['name']}"
        found.setdefault(run_of(obj), []).append(name)
    return found


def remove(
    api: Api,
    run_id: str | None,
    deadline_s: float = 120.0,
    kinds: Sequence[tuple[str, str]] = CLUSTER_KINDS,
) -> list[str]:
    """Delete all that a run made, and wait until it is gone. It may be called at any time, again.

    Args:
        api: the API server.
        run_id: the run; None for all runs.
        deadline_s: seconds to wait at most.
        kinds: the kinds without a namespace to look for, namespaces aside.

    Returns:
        what was removed, by kind and name.

    Raises:
        TransientError: something did not go, such as a namespace that is stuck; says why.
    """
    began = time.monotonic()
    told = False
    removed: dict[str, None] = {}
    while made := list(_made(api, run_id, kinds)):
        for obj in made:
            name = f"{obj['kind']} {obj['metadata']['name']}"
            if name not in removed:
                _delete(api, obj)
                removed[name] = None
        waited = time.monotonic() - began
        if waited > deadline_s:
            raise TransientError(
                f"expected what the run made to go within {deadline_s:g} s, found "
                f"{'; '.join(map(_why_there, made))}"
            )
        if waited > _PATIENCE_S and not told:
            told = True
            there = "; ".join(map(_why_there, made))
            _LOG.warning("waiting, for %g s at most, until this is gone: %s", deadline_s, there)
        time.sleep(_LOOK_S)
    return list(removed)


def _made(
    api: Api, run_id: str | None, kinds: Sequence[tuple[str, str]] = CLUSTER_KINDS
) -> Iterable[Json]:
    for version, kind in (("v1", "Namespace"), *kinds):
        path = api.path({"apiVersion": version, "kind": kind}, None)
        try:
            found = api.list(path, of_run(run_id))
        except RefusedError as error:
            # An account that may not even see them made none: that of SimKube's runs.
            if error.status != _FORBIDDEN or kind == "Namespace":
                raise
            _LOG.info("%ss are left out: this account may not list them", kind)
            continue
        for obj in found:
            yield {**obj, "apiVersion": version, "kind": kind}


def _delete(api: Api, obj: Json) -> None:
    if obj["kind"] == "Namespace" and "deletionTimestamp" not in obj["metadata"]:
        _empty(api, obj["metadata"]["name"])
    # That one and no other: somebody may make one of the same name meanwhile.
    just_this: Json = {"preconditions": {"uid": obj["metadata"]["uid"]}}
    try:
        api.delete(obj, None, obj["metadata"]["name"], body=just_this)
    except RefusedError as error:
        if error.status != _CONFLICT:  # another object has the name by now: it is not the run's
            raise


def _empty(api: Api, namespace: str) -> None:
    """Delete the workloads of a namespace at once; its own deletion would take its time."""
    for collection in _COLLECTIONS:
        try:
            api.request(
                "delete",
                collection.format(namespace),
                propagation_policy="Background",
                grace_period_seconds=0,
            )
        except RefusedError as error:
            if error.status != 404:
                raise


def _why_there(obj: Json) -> str:
    """An object that does not go, and what holds it."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    reasons = [c["message"] for c in conditions if c.get("status") == "True" and c.get("message")]
    finalizers = obj["metadata"].get("finalizers")
    reasons += [f"finalizers {', '.join(finalizers)}"] if finalizers else []
    said = f" ({'; '.join(reasons)})" if reasons else ""
    return f"{obj['kind']} {obj['metadata']['name']}{said}"
