"""Finds the workloads of a trace: what makes pods from a template."""

from collections.abc import Iterator
from typing import NamedTuple

from traces.document import POD_TEMPLATES, Object, Trace, WorkloadRef, gvk, pod_template
from traces.errors import TraceError

__all__ = [
    "REPLICATED_KINDS",
    "WORKLOAD_KINDS",
    "Application",
    "applications",
    "containers",
    "find_deployments",
    "find_workload",
    "matching",
    "workload_ref",
]

WORKLOAD_KINDS = frozenset(POD_TEMPLATES) - {"v1.Pod"}
"""The kinds that make pods from a template, whose requests and limits the edits change."""

REPLICATED_KINDS = frozenset({"Deployment", "ReplicaSet", "StatefulSet"})
"""Those that have replicas, which the edits change too."""


class Application(NamedTuple):
    """One object as one event applies it; `event` counts from 0."""

    event: int
    workload: WorkloadRef
    obj: Object


def workload_ref(obj: Object) -> WorkloadRef:
    """Return an object's kind, namespace and name; no namespace means `default`, as in kubectl."""
    metadata = obj["metadata"]
    return WorkloadRef(obj["kind"], metadata.get("namespace") or "default", metadata["name"])


def applications(trace: Trace) -> Iterator[Application]:
    """Yield every application of a workload, in the order of the trace."""
    for position, event in enumerate(trace["events"]):
        for obj in event["applied_objs"]:
            if gvk(obj) in WORKLOAD_KINDS:
                yield Application(position, workload_ref(obj), obj)


def find_deployments(trace: Trace) -> list[WorkloadRef]:
    """Return the workloads that a trace applies, in order of appearance."""
    return list(dict.fromkeys(application.workload for application in applications(trace)))


def matching(trace: Trace, name: str, namespace: str | None = None) -> WorkloadRef | None:
    """Return the workload of a name, or None if the trace has none.

    Args:
        trace: The trace.
        name: The workload's name; `statefulset/db` names the kind too, as kubectl does.
        namespace: Its namespace; None for whichever it is in.

    Raises:
        TraceError: Several workloads have that name; lists them.
    """
    kind, slash, rest = name.partition("/")
    found = [
        ref
        for ref in find_deployments(trace)
        if ref.name == (rest if slash else name)
        and (not slash or ref.kind.lower() == kind.lower())
        and namespace in (None, ref.namespace)
    ]
    if len(found) > 1:
        several = len({ref.namespace for ref in found}) > 1
        raise TraceError(
            f"{len(found)} workloads are named {name}: {_list(found)}; "
            + ("name the namespace" if several else f"name the kind, as in {found[0].kind}/{name}")
        )
    return found[0] if found else None


def find_workload(trace: Trace, name: str, namespace: str | None = None) -> WorkloadRef:
    """Return the workload of a name.

    Args:
        trace: The trace.
        name: The workload's name; `statefulset/db` names the kind too, as kubectl does.
        namespace: Its namespace; None for whichever it is in.

    Raises:
        TraceError: There is none, or more than one; lists what there is.
    """
    if found := matching(trace, name, namespace):
        return found
    there = find_deployments(trace)
    what = f"the trace has {_list(there)}" if there else "the trace has no workload at all"
    place = f" in namespace {namespace}" if namespace is not None else ""
    raise TraceError(f"expected a workload named {name}{place}, found none; {what}")


def containers(trace: Trace, ref: WorkloadRef) -> list[str]:
    """Return the names of a workload's containers, in order of appearance, init ones left out."""
    return list(
        dict.fromkeys(
            container["name"]
            for application in applications(trace)
            if application.workload == ref
            for container in pod_template(application.obj)["spec"]["containers"]
        )
    )


def _list(refs: list[WorkloadRef]) -> str:
    return ", ".join(str(ref) for ref in refs)
