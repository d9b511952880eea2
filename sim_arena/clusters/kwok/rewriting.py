"""What a replay changes in a trace's objects before it applies them.

SimKube's part is written from SimKube 2.7, `sk-driver/src/runner.rs` (build_virtual_obj) and
`sk-core/src/k8s/util.rs` (add_common_metadata); independent of the engine, which is compared
with it.
"""

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from sim_arena.clusters.kube.api import Json
from sim_arena.clusters.kube.ownership import virtual_name
from sim_arena.clusters.kube.simkube_objects import (
    ORIGINAL_NAMESPACE,
    SIMKUBE_LABEL,
    VIRTUAL_LABEL,
)
from traces import pod_template

__all__ = [
    "TOLERATION",
    "VIRTUAL_SELECTOR",
    "Tenant",
    "owned_object",
    "sent_to_virtual_nodes",
    "stripped",
    "virtual_namespace",
    "virtual_object",
]

NAME_LABEL = "app.kubernetes.io/name"
TOLERATION: Json = {"key": "kwok-provider", "operator": "Exists", "effect": "NoSchedule"}
VIRTUAL_SELECTOR = {"type": "virtual"}

_MAX_LABEL = 63

# What a cluster gives an object, and would refuse or misunderstand in another one.
_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",  # nobody there takes them off: a namespace would never go
    "generation",
    "managedFields",
    "ownerReferences",  # to objects of another cluster: the garbage collector would delete ours
    "resourceVersion",
    "selfLink",
    "uid",
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SPEC = {
    "Service": ("clusterIP", "clusterIPs", "healthCheckNodePort"),
    "PersistentVolumeClaim": ("volumeName",),
    "Pod": ("nodeName",),  # it would go there past the scheduler
}


class Tenant(NamedTuple):
    """One replay among others on a cluster: its namespaces, and what its objects carry.

    Attributes:
        name: the simulation's name, at most 63 characters.
        prefix: goes before the namespaces' names.
        root: reference to the object that owns all others, if there is one.
        labels: labels of the owner, also for the pods and all between.
    """

    name: str
    prefix: str
    root: Json | None = None
    labels: Mapping[str, str] = {}

    def namespace(self, original: str) -> str:
        """The virtual namespace that stands for an original one."""
        return virtual_name(self.prefix, original)


def virtual_namespace(tenant: Tenant, original: str) -> Json:
    """The manifest of a virtual namespace."""
    manifest: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {}}
    manifest["metadata"]["name"] = tenant.namespace(original)
    _add_common_metadata(tenant, manifest["metadata"])
    return manifest


def virtual_object(tenant: Tenant, obj: Json, template_paths: list[str]) -> Json:
    """An object as SimKube applies it.

    Args:
        tenant: the replay.
        obj: the trace's object, with a namespace; it is left as it is.
        template_paths: where its pod templates lie, as `/spec/template`; empty for a Pod's own.
    """
    virtual = copy.deepcopy(obj)
    metadata = virtual["metadata"]
    original = metadata["namespace"]
    _add_common_metadata(tenant, metadata)
    metadata["namespace"] = tenant.namespace(original)
    virtual.pop("status", None)
    for path in template_paths:
        _rewrite_template(_at(virtual, path), original)
    return virtual


def sent_to_virtual_nodes(obj: Json) -> Json:
    """An object whose pods go to virtual nodes, which SimKube's webhook sees to for every pod.

    Source: SimKube 2.7, `sk-driver/src/mutation.rs`, add_node_selector_tolerations.
    """
    sent = copy.deepcopy(obj)
    _to_virtual_nodes(pod_template(sent)["spec"])
    return sent


def owned_object(tenant: Tenant, obj: Json) -> Json:
    """An object with the owner's labels on it, and on the pods and Jobs that it will make.

    Args:
        tenant: the replay.
        obj: the object; it is left as it is.
    """
    owned = copy.deepcopy(obj)
    spec = owned.get("spec") or {}
    inner = [spec.get("template"), spec.get("jobTemplate")]
    inner.append(((spec.get("jobTemplate") or {}).get("spec") or {}).get("template"))
    for part in (owned, *(found for found in inner if isinstance(found, dict))):
        metadata = part.setdefault("metadata", None) or {}
        metadata["labels"] = {**(metadata.get("labels") or {}), **tenant.labels}
        part["metadata"] = metadata
    return owned


def stripped(obj: Json) -> Json:
    """An object without its status and without what its cluster gave it; `obj` stays as it is."""
    bare = copy.deepcopy(obj)
    bare.pop("status", None)
    metadata = bare["metadata"]
    for name in _METADATA:
        metadata.pop(name, None)
    (metadata.get("annotations") or {}).pop(_LAST_APPLIED, None)
    spec = bare.get("spec")
    if isinstance(spec, dict):
        for name in _SPEC.get(bare["kind"], ()):
            if spec.get(name) not in ("None", ["None"]):  # a headless Service stays one
                spec.pop(name, None)
        for port in (spec.get("ports") or []) if bare["kind"] == "Service" else []:
            port.pop("nodePort", None)
    return bare


def _add_common_metadata(tenant: Tenant, metadata: Json) -> None:
    labels = metadata.get("labels") or {}
    labels[SIMKUBE_LABEL] = _label(tenant.name)
    labels[NAME_LABEL] = _label(metadata["name"])
    labels[VIRTUAL_LABEL] = "true"
    metadata["labels"] = {**labels, **tenant.labels}
    if tenant.root is not None:
        metadata["ownerReferences"] = [*(metadata.get("ownerReferences") or []), tenant.root]


def _rewrite_template(template: Json, original_namespace: str) -> None:
    _at(template, "/metadata/annotations")[ORIGINAL_NAMESPACE] = original_namespace
    spec = _at(template, "/spec")
    _to_virtual_nodes(spec)
    for container in spec.get("containers") or []:
        container.pop("ports", None)


def _to_virtual_nodes(spec: Json) -> None:
    spec["nodeSelector"] = {**(spec.get("nodeSelector") or {}), **VIRTUAL_SELECTOR}
    spec["tolerations"] = [*(spec.get("tolerations") or []), TOLERATION]


def _at(obj: Json, path: str) -> Json:
    """The object at a path, made where it is missing."""
    here: Any = obj
    for key in path.split("/")[1:]:
        if here.get(key) is None:
            here[key] = {}
        here = here[key]
    found: Json = here
    return found


def _label(text: str) -> str:
    """A label's value as SimKube cuts it."""
    return text if len(text) <= _MAX_LABEL else text[: _MAX_LABEL - 4] + "XXXX"
