"""What this user may do on a cluster, asked of the cluster itself."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from sim_arena.clusters.kube.api import Api, Json

__all__ = ["Need", "missing"]

_REVIEW: Json = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_AT_ONCE = 4


class Need(NamedTuple):
    """Verbs that are needed on a resource.

    Attributes:
        group: the API group; empty for the core one.
        resource: in plural; a subresource after a slash.
        verbs: what is done with it.
        namespace: only there; None for everywhere.
    """

    group: str
    resource: str
    verbs: tuple[str, ...]
    namespace: str | None = None


def missing(api: Api, needs: Iterable[Need]) -> list[str]:
    """Return what is not permitted: a line for each resource, with the missing verbs."""
    asked = [(need, verb) for need in needs for verb in need.verbs]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        allowed = list(pool.map(lambda one: _may(api, *one), asked))
    refused: dict[Need, list[str]] = {}
    for (need, verb), may in zip(asked, allowed, strict=True):
        if not may:
            refused.setdefault(need, []).append(verb)
    return [f"{', '.join(verbs)} {_resource(need)}" for need, verbs in refused.items()]


def _may(api: Api, need: Need, verb: str) -> bool:
    resource, _, subresource = need.resource.partition("/")
    attributes = {
        "group": need.group,
        "resource": resource,
        "subresource": subresource,
        "verb": verb,
        "namespace": need.namespace or "",
    }
    answer = api.request("post", _PATH, {**_REVIEW, "spec": {"resourceAttributes": attributes}})
    return bool(answer["status"].get("allowed"))


def _resource(need: Need) -> str:
    name = f"{need.resource}.{need.group}" if need.group else need.resource
    return f"{name} in {need.namespace}" if need.namespace else name
