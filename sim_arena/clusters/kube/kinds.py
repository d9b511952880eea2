"""Whether a cluster takes the kinds of object that a trace applies."""

from collections.abc import Collection, Iterable, Iterator

from results.words import many
from sim_arena.clusters.base import Check
from sim_arena.clusters.kube import preflight
from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.permissions import Need
from traces import Trace, events_within

__all__ = ["Kind", "applicable", "permitted"]

Kind = tuple[str, str]
"""A kind's apiVersion and its name."""


def applicable(
    api: Api, trace: Trace, duration: int, *, without_namespace: Collection[Kind]
) -> Check:
    """Check that a cluster knows every kind, and that none would outlive the run.

    Args:
        api: the cluster.
        trace: the trace.
        duration: seconds of it that are played.
        without_namespace: the kinds that have none and can be replayed all the same.
    """
    kinds = _played(trace, duration)
    unknown = [kind for kind in kinds if not api.knows(*kind)]
    lasting = [
        (version, kind)
        for version, kind in kinds
        if (version, kind) not in (*unknown, *without_namespace)
        and not api.is_namespaced({"apiVersion": version, "kind": kind})
    ]
    if not unknown and not lasting:
        return Check(
            "trace", ok=True, found=f"the cluster has what it applies: {many(len(kinds), 'kind')}"
        )
    out = "take such objects out of the trace"
    if unknown:
        found = f"the cluster has no kind {_told(unknown)}"
        return Check("trace", ok=False, found=found, remedy=f"install what defines it, or {out}")
    found = f"objects without a namespace are not replayed: {_told(lasting)}"
    return Check("trace", ok=False, found=found, remedy=out)


def permitted(api: Api, trace: Trace, duration: int, known: Iterable[Need]) -> Check:
    """Check that applying a trace's objects is permitted.

    Args:
        api: the cluster, which has the trace's kinds.
        trace: the trace.
        duration: seconds of it that are played.
        known: what is needed anyway, and was looked at.
    """
    return preflight.permitted(
        api,
        _further(api, trace, duration, known),
        "add these to the account's ClusterRole, or take such objects out of the trace",
        name="trace permissions",
    )


def _further(api: Api, trace: Trace, duration: int, known: Iterable[Need]) -> Iterator[Need]:
    granted = {(need.group, need.resource) for need in known}
    for (version, kind), deleted in _played(trace, duration).items():
        group = version.rpartition("/")[0]
        resource = api.path({"apiVersion": version, "kind": kind}, None).rpartition("/")[2]
        if (group, resource) not in granted:
            verbs = ("create", "delete", "patch") if deleted else ("create", "patch")
            yield Need(group, resource, verbs)


def _played(trace: Trace, duration: int) -> dict[Kind, bool]:
    """The kinds of the objects that are applied or deleted, and whether any is deleted."""
    kinds: dict[Kind, bool] = {}
    for event in events_within(trace, duration):
        for obj in event["applied_objs"]:
            kinds.setdefault((obj["apiVersion"], obj["kind"]), False)
        for obj in event["deleted_objs"]:
            kinds[obj["apiVersion"], obj["kind"]] = True
    return kinds


def _told(kinds: Iterable[Kind]) -> str:
    return ", ".join(f"{kind} in {version}" for version, kind in kinds)
