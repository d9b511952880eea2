"""Takes from an object what belongs to the cluster that it comes from.

What SimKube's tracer takes away is taken away (SimKube 2.7, `sk-core/src/k8s/util.rs`,
sanitize_obj, and `sk-tracer/src/watchers/dyn_obj_watcher.rs`), and so is what `skctl validate`
objects to (`skctl/src/validation/rules/`): the status, and references to Secrets, ConfigMaps and
the default service account, none of which are in the trace. Finalizers, too: where a trace is
replayed nobody takes them off, and an object that is deleted would stay for ever.
"""

import copy
from collections.abc import Callable, Iterable
from typing import Any

from traces.document import POD_TEMPLATES, Object, gvk

__all__ = ["clean", "pod_spec"]

_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
_ANNOTATIONS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
)
# A Job's controller gives these, and the API server refuses those of another Job.
_OF_JOBS = (
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
)
_TOKEN = "kube-api-access-"  # noqa: S105 - how the names of the volumes begin
_SOURCES = ("secret", "configMap")


def clean(obj: Object) -> Object:
    """Return a copy of an object as a trace holds it."""
    cleaned = copy.deepcopy(obj)
    cleaned.pop("status", None)
    metadata = cleaned["metadata"]
    _drop(metadata, _METADATA)
    _drop(metadata.get("annotations"), _ANNOTATIONS)
    if gvk(cleaned) == "batch/v1.Job":
        _clean_job(cleaned)
    if (spec := pod_spec(cleaned)) is not None:
        _clean_pod(spec)
        if gvk(cleaned) == "v1.Pod":
            spec.pop("nodeName", None)  # a node of another cluster
    return cleaned


def pod_spec(obj: Object) -> dict[str, Any] | None:
    """Return the spec of the pods that an object is or makes; None if it has none."""
    found: Any = obj if gvk(obj) in POD_TEMPLATES else None
    for name in (*POD_TEMPLATES.get(gvk(obj), ()), "spec"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _clean_job(job: Object) -> None:
    spec = job.get("spec")
    if not isinstance(spec, dict) or spec.get("manualSelector"):
        return
    spec.pop("selector", None)
    template = spec.get("template")
    for metadata in (job["metadata"], (template or {}).get("metadata")):
        if isinstance(metadata, dict):
            _drop(metadata.get("labels"), _OF_JOBS)


def _clean_pod(spec: dict[str, Any]) -> None:
    for name in ("serviceAccountName", "serviceAccount"):
        if spec.get(name) in {"default", ""}:
            del spec[name]
    gone = {
        volume.get("name")
        for volume in _maps(spec.get("volumes"))
        if any(source in volume for source in _SOURCES)
        or str(volume.get("name")).startswith(_TOKEN)
    }
    _keep(spec, "volumes", lambda volume: volume.get("name") not in gone)
    for containers in ("initContainers", "containers", "ephemeralContainers"):
        for container in _maps(spec.get(containers)):
            _keep(container, "volumeMounts", lambda mount: mount.get("name") not in gone)
            _keep(container, "envFrom", lambda _: False)
            _keep(container, "env", lambda one: not _is_reference(one))


def _is_reference(variable: dict[str, Any]) -> bool:
    """Whether a variable's value is in a Secret or a ConfigMap."""
    source = variable.get("valueFrom")
    return isinstance(source, dict) and ("secretKeyRef" in source or "configMapKeyRef" in source)


def _keep(owner: dict[str, Any], name: str, wanted: Callable[[dict[str, Any]], bool]) -> None:
    """Keep of a list of maps those that are wanted; a list of which none is left goes."""
    found = owner.get(name)
    if not isinstance(found, list):
        return  # what has another form is told when the trace is checked
    kept = [one for one in found if not isinstance(one, dict) or wanted(one)]
    if kept:
        owner[name] = kept
    elif found:
        del owner[name]


def _maps(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _drop(found: Any, names: Iterable[str]) -> None:
    if isinstance(found, dict):
        for name in names:
            found.pop(name, None)
