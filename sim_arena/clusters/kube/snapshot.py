"""Reads what lives on a cluster into a trace: the workloads, and the rules for their pods."""

import time
from collections.abc import Iterable, Iterator

from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.errors import RefusedError
from sim_arena.errors import PermanentError
from traces.importers import KEPT_KINDS, Imported, Manifest, assemble

__all__ = ["snapshot"]

_NAMESPACE: Json = {"apiVersion": "v1", "kind": "Namespace"}


def snapshot(api: Api, namespaces: Iterable[str]) -> Imported:
    """Return a trace of what lives in some namespaces now; nothing is changed there.

    Args:
        api: the cluster.
        namespaces: their names.

    Raises:
        PermanentError: a namespace is missing, or a kind may not be read.
        TraceError: there are no workloads in them.
        TransientError: the cluster could not be read.
    """
    found = [manifest for name in dict.fromkeys(namespaces) for manifest in _objects(api, name)]
    return assemble(found, ts=int(time.time()))


def _objects(api: Api, namespace: str) -> Iterator[Manifest]:
    if not api.exists(_NAMESPACE, None, namespace):
        there = ", ".join(one["metadata"]["name"] for one in api.list("/api/v1/namespaces"))
        raise PermanentError(f"expected a namespace {namespace}, found none; there are: {there}")
    for name in KEPT_KINDS:
        version, _, kind = name.rpartition(".")
        typed = {"apiVersion": version, "kind": kind}
        try:
            items = api.list(api.path(typed, namespace))
        except RefusedError as error:
            raise PermanentError(
                f"expected to read every {kind} in {namespace}, found: {error}; have an "
                "administrator permit to list them"
            ) from error
        for item in items:
            # The items of a list do not say their kind.
            obj = {**typed, **item}
            yield Manifest(obj, f"{kind} {namespace}/{item['metadata']['name']}")
