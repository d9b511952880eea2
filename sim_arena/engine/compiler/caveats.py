"""What a trace does that the engine takes more simply than a cluster would: named, never silent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sim_arena.engine.compiler.matching import tolerates
from sim_arena.engine.compiler.selectors import PodLabels, Selector, label_selector
from sim_arena.engine.compiler.unmodelled import MODELLED_KINDS
from traces import gvk

if TYPE_CHECKING:
    from sim_arena.nodes import Node, Taint
    from traces import Trace

__all__ = ["caveats"]

Object = Mapping[str, Any]

# Labels that a controller gives to each pod, or to the pods of a revision.
_GIVEN = frozenset(
    {
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-completion-index",
        "controller-revision-hash",
        "controller-uid",
        "pod-template-generation",
        "statefulset.kubernetes.io/pod-name",
    }
)
_OF_A_CRON_JOBS_JOBS = frozenset({"batch.kubernetes.io/job-name", "job-name"})


# VolumeRestrictions keeps pods with the same of these apart.
_DISKS = frozenset({"awsElasticBlockStore", "gcePersistentDisk", "iscsi", "rbd"})
# With the ten letters of a revision's hash it goes into a label, of 63 letters at most.
_LONGEST_STATEFUL_SET = 52


def caveats(trace: Trace, nodes: Sequence[Node]) -> Iterator[str]:
    """Say what of a trace a cluster would do otherwise."""
    events = trace.get("events") or ()
    applied = [(number, obj) for number, event in enumerate(events) for obj in _applied(event)]
    cron_jobs = any(gvk(obj) == "batch/v1.CronJob" for _, obj in applied)
    names = frozenset(node.name for node in nodes)
    evicting = {node.name: taints for node in nodes if (taints := _evicting(node))}
    given = _GIVEN | (_OF_A_CRON_JOBS_JOBS if cron_jobs else frozenset())
    for _, obj in applied:
        if gvk(obj) in MODELLED_KINDS:
            spec = _pod_spec(obj)
            name = _name(obj)
            for told in (
                *_about_nodes(spec, names, evicting),
                *_about_labels(spec, given),
                *_about_admission(spec),
            ):
                yield f"{name}: {told}"
    yield from _about_surroundings(applied, events)
    yield from _about_owners([obj for _, obj in applied])


def _applied(event: Object) -> Iterable[Object]:
    return event.get("applied_objs") or ()


def _name(obj: Object) -> str:
    return f"{obj['kind']}/{_namespace(obj)}/{(obj.get('metadata') or {}).get('name')}"


def _namespace(obj: Object) -> str:
    return str((obj.get("metadata") or {}).get("namespace") or "default")


def _pod_spec(obj: Object) -> Object:
    spec = obj.get("spec") or {}
    if obj["kind"] == "Pod":
        return dict(spec)
    if obj["kind"] == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    return dict((spec.get("template") or {}).get("spec") or {})


def _evicting(node: Node) -> list[Taint]:
    return [taint for taint in node.taints if taint.effect == "NoExecute"]


def _about_nodes(
    spec: Object, names: frozenset[str], evicting: Mapping[str, Sequence[Taint]]
) -> Iterator[str]:
    """Say what becomes of pods on nodes that are not there, or that evict them.

    Sources: Kubernetes `pkg/controller/podgc/gc_controller.go` (gcOrphaned) and
    `pkg/controller/tainteviction/taint_eviction.go`.
    """
    named = spec.get("nodeName")
    if named and named not in names:
        yield (
            f"its pods name the node {named}, which is not there: a cluster deletes them within a "
            "minute or so, the engine leaves them pending"
        )
    tolerations = spec.get("tolerations") or ()
    limited = [one for one in tolerations if one.get("tolerationSeconds") is not None]
    for node, taints in evicting.items():
        if named == node and not all(tolerates(tolerations, taint) for taint in taints):
            yield f"the NoExecute taint of {named} evicts its pods on a cluster: not modelled"
        elif any(_only_for_a_time(tolerations, limited, taint) for taint in taints):
            yield "tolerationSeconds is not modelled: its pods are not evicted when they are over"


def _only_for_a_time(
    tolerations: Iterable[Object], limited: Sequence[Object], taint: Taint
) -> bool:
    without = [one for one in tolerations if one not in limited]
    return tolerates(limited, taint) and not tolerates(without, taint)


def _about_labels(spec: Object, given: frozenset[str]) -> Iterator[str]:
    terms = [spec.get("affinity"), spec.get("topologySpreadConstraints")]
    for key in sorted(given.intersection(_selected_keys(terms))):
        yield f"it selects pods by the label {key}, which a controller gives them: not modelled"


def _selected_keys(value: object) -> Iterator[str]:
    """Yield the keys of all pod selectors in what is nested."""
    if isinstance(value, Mapping):
        selector = value.get("labelSelector") or {}
        yield from selector.get("matchLabels") or ()
        yield from (one["key"] for one in selector.get("matchExpressions") or ())
        for field in ("matchLabelKeys", "mismatchLabelKeys"):
            yield from value.get(field) or ()
        for inner in value.values():
            yield from _selected_keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _selected_keys(inner)


def _about_admission(spec: Object) -> Iterator[str]:
    """Say what the API server or VolumeRestrictions would refuse.

    Sources: Kubernetes `plugin/pkg/admission/runtimeclass/admission.go` and
    `pkg/scheduler/framework/plugins/volumerestrictions/volume_restrictions.go`.
    """
    if spec.get("runtimeClassName"):
        yield "runtimeClassName is not modelled: without that class its pods would be refused"
    elif spec.get("overhead"):
        yield "overhead without a runtimeClassName, for which the API server refuses its pods"
    for volume in spec.get("volumes") or ():
        for kind in _DISKS.intersection(volume):
            yield f"{kind} volumes that keep its pods apart are not modelled"


def _about_owners(objects: Sequence[Object]) -> Iterator[str]:
    """Say which pods a controller would adopt, or could not make.

    Sources: Kubernetes `pkg/controller/controller_ref_manager.go` (ClaimPods) and
    `pkg/controller/statefulset/stateful_pod_control.go`.
    """
    bare: dict[str, list[Object]] = {}
    for obj in objects:
        if gvk(obj) == "v1.Pod":
            bare.setdefault(_namespace(obj), []).append(obj)
    for owner in objects:
        beside = bare.get(_namespace(owner), ())
        if gvk(owner) in ("apps/v1.ReplicaSet", "apps/v1.DaemonSet"):
            yield from _adopted(owner, beside)
        elif gvk(owner) == "apps/v1.StatefulSet":
            yield from _refused(owner, beside)


def _adopted(owner: Object, beside: Iterable[Object]) -> Iterator[str]:
    selector = Selector(label_selector((owner.get("spec") or {}).get("selector")), frozenset([""]))
    for pod in beside:
        if selector.matches(PodLabels("", {}, pod["metadata"].get("labels") or {})):
            yield f"{_name(owner)} would adopt {_name(pod)}: not modelled"


def _refused(owner: Object, beside: Iterable[Object]) -> Iterator[str]:
    name = owner["metadata"]["name"]
    if len(name) > _LONGEST_STATEFUL_SET:
        yield f"{_name(owner)}: the name is too long for its pods' labels: they are refused"
    for pod in beside:
        stem, _, ordinal = pod["metadata"]["name"].rpartition("-")
        if stem == name and ordinal.isdigit():
            yield f"{_name(owner)} cannot make {_name(pod)}, which is there: not modelled"


def _about_surroundings(
    applied: Iterable[tuple[int, Object]], events: Sequence[Object]
) -> Iterator[str]:
    """Say which Services and PriorityClasses the engine takes as they are at the end."""
    values: dict[str, Any] = {}
    for number, obj in applied:
        kind = gvk(obj)
        if kind == "v1.Service" and number > 0 and (obj.get("spec") or {}).get("selector"):
            yield f"{_name(obj)} comes later: the engine spreads by it from the beginning"
        if kind == "scheduling.k8s.io/v1.PriorityClass":
            name = obj["metadata"]["name"]
            if number > 0 and obj.get("globalDefault"):
                yield f"PriorityClass {name} comes later: it is the default from the beginning"
            value = obj.get("value", 0), obj.get("preemptionPolicy")
            if values.setdefault(name, value) != value:
                yield f"PriorityClass {name} changes: its last value counts from the beginning"
    for event in events:
        for obj in event.get("deleted_objs") or ():
            if gvk(obj) == "v1.Service":
                yield f"{_name(obj)} is deleted: the engine spreads by it to the end"
