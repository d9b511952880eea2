"""Makes one trace of objects: all applied at one moment, as a tracer that starts then has it."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from traces.document import (
    POD_SPEC_TEMPLATE_PATHS,
    POD_TEMPLATES,
    PODLESS_KINDS,
    VERSION,
    Object,
    Trace,
    TrackedObject,
    gvk,
    object_name,
)
from traces.errors import TraceError
from traces.importers.cleaning import clean, pod_spec
from traces.importers.manifests import Manifest
from traces.siphash import object_hash
from traces.validation import check_applied

__all__ = ["KEPT_KINDS", "Imported", "assemble"]

_SERVICE_ACCOUNT = "v1.ServiceAccount"
KEPT_KINDS = (*POD_TEMPLATES, *sorted(PODLESS_KINDS))
"""What a trace is made of: pods, what makes pods, and what decides whether they may be there."""

_TERMINAL = frozenset({"Succeeded", "Failed"})


class Imported(NamedTuple):
    """A trace, and what was left out of it: why, and how many of which kind."""

    trace: Trace
    left_out: dict[str, dict[str, int]]


def assemble(manifests: Iterable[Manifest], *, ts: int = 0, namespace: str = "default") -> Imported:
    """Make a trace of objects.

    As in SimKube's tracer, what another object of the trace makes is left out; so is what has no
    pods and no say in their fate, and what has run to its end.

    Args:
        manifests: the objects, in the order in which they are applied.
        ts: the moment, in seconds since 1970.
        namespace: of the objects that name none.

    Raises:
        TraceError: an object is not what its kind has to be, or there are no workloads.
    """
    left_out: dict[str, Counter[str]] = {}

    def leave_out(why: str, obj: Object) -> None:
        left_out.setdefault(why, Counter())[gvk(obj)] += 1

    kept: dict[tuple[str, str], Object] = {}
    for manifest in manifests:
        obj = _placed(manifest.obj, namespace)
        if (why := _why_not(obj)) is not None:
            leave_out(why, obj)
            continue
        cleaned = clean(obj)
        check_applied(cleaned, manifest.where)
        if kept.pop(_key(cleaned), None) is not None:
            leave_out("given again", obj)
        kept[_key(cleaned)] = cleaned
    for key in [key for key, obj in kept.items() if _is_owned(obj, kept)]:
        leave_out("made by another object of the trace", kept.pop(key))
    accounts = _accounts(kept.values())
    for key in [key for key in kept if key[0] == _SERVICE_ACCOUNT and key[1] not in accounts]:
        leave_out("used by no pod", kept.pop(key))
    if not any(kind in POD_TEMPLATES for kind, _ in kept):
        found = Counter(gvk(obj) for obj in kept.values())
        for kinds in left_out.values():
            found += kinds
        raise TraceError(
            "expected at least one object that makes pods (Deployment, StatefulSet, ReplicaSet, "
            "DaemonSet, Job, CronJob or Pod), found "
            + (", ".join(f"{count} x {kind}" for kind, count in sorted(found.items())) or "nothing")
        )
    missing = [_account(name) for name in accounts if (_SERVICE_ACCOUNT, name) not in kept]
    return Imported(
        _trace([*missing, *sorted(kept.values(), key=_is_workload)], ts),
        {why: dict(sorted(kinds.items())) for why, kinds in left_out.items()},
    )


def _why_not(obj: Object) -> str | None:
    """Why an object is not for a trace; None if it is."""
    if gvk(obj) not in KEPT_KINDS:
        return "of a kind that says nothing of pods, or that belongs to no namespace"
    metadata = obj["metadata"]
    if metadata.get("deletionTimestamp"):
        return "being deleted"
    if any(owner.get("kind") == "Node" for owner in _owners(obj)):
        return "run by a node itself"
    status = obj.get("status")
    if isinstance(status, dict):
        ended = any(
            condition.get("type") in {"Complete", "Failed"} and condition.get("status") == "True"
            for condition in status.get("conditions") or ()
            if isinstance(condition, dict)
        )
        if (gvk(obj) == "batch/v1.Job" and ended) or (
            gvk(obj) == "v1.Pod" and status.get("phase") in _TERMINAL
        ):
            return "run to its end"
    return None


def _is_owned(obj: Object, kept: dict[tuple[str, str], Object]) -> bool:
    """Whether something in the trace will make this object."""
    namespace = obj["metadata"]["namespace"]
    return any(
        (f"{owner.get('apiVersion')}.{owner.get('kind')}", f"{namespace}/{owner.get('name')}")
        in kept
        for owner in _owners(obj)
    )


def _owners(obj: Object) -> list[dict[str, Any]]:
    found = obj["metadata"].get("ownerReferences")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _accounts(objects: Iterable[Object]) -> list[str]:
    """Return the service accounts that pods need, as `namespace/name`."""
    found: dict[str, None] = {}
    for obj in objects:
        spec = pod_spec(obj) or {}
        for field in ("serviceAccountName", "serviceAccount"):
            if spec.get(field):
                found[f"{obj['metadata']['namespace']}/{spec[field]}"] = None
    return list(found)


def _account(name: str) -> Object:
    namespace, _, own = name.partition("/")
    metadata = {"name": own, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def _placed(obj: Object, namespace: str) -> Object:
    if obj["metadata"].get("namespace"):
        return obj
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}


def _key(obj: Object) -> tuple[str, str]:
    return gvk(obj), object_name(obj)


def _is_workload(obj: Object) -> bool:
    """Rules and accounts come first: they have a say in what comes after them."""
    return gvk(obj) in POD_TEMPLATES


def _trace(objects: list[Object], ts: int) -> Trace:
    tracked: dict[str, TrackedObject] = {}
    index: dict[str, dict[str, int]] = {}
    for obj in objects:
        kind = gvk(obj)
        if kind in POD_SPEC_TEMPLATE_PATHS:
            tracked[kind] = {"podSpecTemplatePaths": [POD_SPEC_TEMPLATE_PATHS[kind]]}
        index.setdefault(kind, {})[object_name(obj)] = object_hash(obj.get("spec"))
    return {
        "version": VERSION,
        "config": {"trackedObjects": tracked},
        "events": [{"ts": ts, "applied_objs": objects, "deleted_objs": []}],
        "index": index,
        "pod_lifecycles": {},
    }
