"""Small objects and traces that the tests of this folder share."""

from typing import Any

from sim_arena.clusters.kube.api import Json
from traces import Trace

NAMESPACE = "test-ns"


def pod_template(name: str, cpu: str = "1", memory: str = "1Gi", **spec: Any) -> Json:
    """A pod template with one container; `spec` adds fields to the pod's spec."""
    resources = {"requests": {"cpu": cpu, "memory": memory}}
    container = {"name": "main", "image": "registry.test/app:1", "resources": resources}
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **spec}}


def workload(kind: str, name: str, cpu: str = "1", **spec: Any) -> Json:
    """A workload of the apps group; `spec` adds fields to its spec."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": pod_template(name, cpu),
            **spec,
        },
    }


def job(name: str, cpu: str = "1", **spec: Any) -> Json:
    """A Job; `spec` adds fields to its spec."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"template": pod_template(name, cpu, restartPolicy="Never"), **spec},
    }


def bare_pod(name: str, cpu: str = "1", **spec: Any) -> Json:
    """A Pod without an owner; `spec` adds fields to its spec."""
    template = pod_template(name, cpu, **spec)
    metadata = {"name": name, "namespace": NAMESPACE, **template["metadata"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def make_trace(
    *events: tuple[int, list[Json], list[Json]],
    lifecycles: dict[tuple[str, str], list[Json]] | None = None,
) -> Trace:
    """A trace that tracks all known kinds.

    Args:
        events: seconds after the start, what is applied, what is deleted.
        lifecycles: the running pods by owner, `("batch/v1.Job", "test-ns/name")`.
    """
    index: dict[str, dict[str, int]] = {}
    for _, applied, _ in events:
        for obj in applied:
            kind = f"{obj['apiVersion']}.{obj['kind']}"
            name = f"{obj['metadata'].get('namespace')}/{obj['metadata']['name']}"
            index.setdefault(kind, {})[name] = 0
    kinds = ["DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]
    names = [*(f"apps/v1.{kind}" for kind in kinds), "batch/v1.CronJob", "batch/v1.Job", "v1.Pod"]
    return {
        "version": 2,
        "config": {"trackedObjects": {name: {} for name in names}},
        "events": [
            {"ts": 1_700_000_000 + when, "applied_objs": applied, "deleted_objs": deleted}
            for when, applied, deleted in events
        ],
        "index": index,
        "pod_lifecycles": {owner: {1: runs} for owner, runs in (lifecycles or {}).items()},
    }


def custom_kind(version: str, kind: str, plural: str, scope: str = "Namespaced") -> Json:
    """The definition of a kind whose objects may have any fields.

    Args:
        version: such as `example.com/v1`.
        kind: its name.
        plural: its name in paths.
        scope: `Namespaced` or `Cluster`.
    """
    group, _, name = version.partition("/")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": name, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    metadata: Json = {"name": f"{plural}.{group}"}
    if group.endswith(".k8s.io"):  # the API server asks for it, for such groups
        metadata["annotations"] = {"api-approved.kubernetes.io": "unapproved, in a test"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural},
            "versions": [served],
        },
    }
