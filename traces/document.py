"""The types of a SimKube trace document, version 2, as Python holds it.

A trace is a plain dict with exactly what the MessagePack file has, in its order, unknown fields
included. The only difference: the map keys of `pod_lifecycles`, lists of two in the file, are
tuples, because Python cannot hash a list.

Source: SimKube 2.7, `sk-core/src/trace/` and `sk-tracer/src/store.rs`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypedDict

__all__ = [
    "PODLESS_KINDS",
    "POD_SPEC_TEMPLATE_PATHS",
    "POD_TEMPLATES",
    "VERSION",
    "Config",
    "Event",
    "Object",
    "Trace",
    "TrackedObject",
    "WorkloadRef",
    "gvk",
    "object_name",
    "pod_spec_template_paths",
    "pod_template",
]

VERSION = 2

Object = dict[str, Any]
"""A Kubernetes object: `apiVersion`, `kind`, `metadata`, `spec` and so on."""

POD_SPEC_TEMPLATE_PATHS = {
    "apps/v1.DaemonSet": "/spec/template",
    "apps/v1.Deployment": "/spec/template",
    "apps/v1.ReplicaSet": "/spec",
    "apps/v1.StatefulSet": "/spec/template",
    "batch/v1.CronJob": "/spec/jobTemplate/spec/template",
    "batch/v1.Job": "/spec/template",
    "v1.Pod": "",
}
"""Where SimKube looks for the pod template of the kinds that it knows. That of ReplicaSet looks
one level short, but it is SimKube's."""

POD_TEMPLATES: dict[str, tuple[str, ...]] = {
    "apps/v1.DaemonSet": ("spec", "template"),
    "apps/v1.Deployment": ("spec", "template"),
    "apps/v1.ReplicaSet": ("spec", "template"),
    "apps/v1.StatefulSet": ("spec", "template"),
    "batch/v1.CronJob": ("spec", "jobTemplate", "spec", "template"),
    "batch/v1.Job": ("spec", "template"),
    "v1.Pod": (),
}
"""Where the API really has the pod template, which for ReplicaSet is not where SimKube looks."""

PODLESS_KINDS = frozenset(
    {
        "policy/v1.PodDisruptionBudget",
        "v1.LimitRange",
        "v1.PersistentVolumeClaim",
        "v1.ResourceQuota",
        "v1.ServiceAccount",
    }
)
"""Kinds that make no pods and have a say in their fate: there is nothing to track."""


class TrackedObject(TypedDict, total=False):
    """How SimKube's tracer follows one kind of object; the singular path is deprecated."""

    podSpecTemplatePaths: list[str] | None
    podSpecTemplatePath: str | None
    trackLifecycle: bool
    skipOwned: bool


class Config(TypedDict):
    """What was tracked: `group/version.Kind` to how."""

    trackedObjects: dict[str, TrackedObject]


class Event(TypedDict):
    """What was applied and deleted at one moment; `ts` in seconds since 1970."""

    ts: int
    applied_objs: list[Object]
    deleted_objs: list[Object]


class Trace(TypedDict):
    """A trace document.

    `index`: group/version.Kind -> namespace/name -> hash of the spec last applied.
    `pod_lifecycles`: (group/version.Kind, namespace/name) -> hash of the pod's spec -> a list
    of `{"Running": start}` or `{"Finished": [start, end]}`.
    """

    version: int
    config: Config
    events: list[Event]
    index: dict[str, dict[str, int]]
    pod_lifecycles: dict[tuple[str, str], dict[int, list[dict[str, Any]]]]


class WorkloadRef(NamedTuple):
    """Names one object of a trace, such as `Deployment test-ns/web`."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def gvk(obj: Mapping[str, Any]) -> str:
    """Return an object's `group/version.Kind`, such as `apps/v1.Deployment` or `v1.Pod`."""
    return f"{obj['apiVersion']}.{obj['kind']}"


def object_name(obj: Object) -> str:
    """Return `namespace/name` as the index spells it; without a namespace only the name."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def pod_template(obj: Mapping[str, Any]) -> Any:
    """Return the pod template in an object of a known kind, which is a Pod itself.

    Raises:
        KeyError: The object has none where its kind has it.
    """
    template: Any = obj
    for name in POD_TEMPLATES[gvk(obj)]:
        template = template[name]
    return template


def pod_spec_template_paths(trace: Trace, kind: str) -> list[str]:
    """Return the JSON pointers to the pod templates of a kind, as SimKube understands them.

    The deprecated single path counts only where the list is absent or empty; without any path
    the default of a known kind counts.

    Args:
        trace: The trace whose `config` is asked.
        kind: A `group/version.Kind`.

    Returns:
        The paths; none for an unknown kind that names none.
    """
    tracked = trace["config"]["trackedObjects"].get(kind, {})
    single = tracked.get("podSpecTemplatePath")
    if paths := tracked.get("podSpecTemplatePaths"):
        return list(paths)
    if single is not None:
        return [single]
    return [POD_SPEC_TEMPLATE_PATHS[kind]] if kind in POD_SPEC_TEMPLATE_PATHS else []
