"""Short ways to write nodes, workloads and traces down."""

from itertools import chain
from typing import Any

from sim_arena.nodes import Node, Taint
from traces import Trace, WorkloadRef, dumps, loads

Json = dict[str, Any]
START = 1_700_000_000
GI = 1 << 30
MI = 1 << 20


def node(
    name: str = "n",
    cpu: int = 4000,
    memory: int = 8 * GI,
    pods: int = 110,
    *,
    taints: tuple[Taint, ...] = (),
    unschedulable: bool = False,
    extended: dict[str, int] | None = None,
    **labels: str,
) -> Node:
    return Node(name, cpu, memory, pods, labels, taints, unschedulable, extended or {})


def nodes(count: int, cpu: int = 4000, memory: int = 8 * GI, pods: int = 110) -> list[Node]:
    return [node(f"n{i}", cpu, memory, pods) for i in range(count)]


def container(
    cpu: str | None = None,
    memory: str | None = None,
    *,
    name: str = "app",
    limits: Json | None = None,
    probe: bool = False,
    sidecar: bool = False,
) -> Json:
    requests = {k: v for k, v in (("cpu", cpu), ("memory", memory)) if v is not None}
    made: Json = {"name": name, "image": "app"}
    if requests or limits:
        made["resources"] = {"requests": requests, "limits": limits or {}}
    if probe:
        made["readinessProbe"] = {"httpGet": {"path": "/", "port": 80}}
    if sidecar:
        made["restartPolicy"] = "Always"
    return made


def template(*containers: Json, usage: Json | None = None, **spec: Any) -> Json:
    """A pod template; `usage` gives annotations such as {"app": "cpu=1,memory=1Gi"}."""
    annotations = {f"usage.sim-arena.io/{name}": text for name, text in (usage or {}).items()}
    return {
        "metadata": {"labels": {"app": "x"}, "annotations": annotations},
        "spec": {"containers": list(containers) or [container()], **spec},
    }


def workload(kind: str, pod: Json, replicas: int | None, name: str, **spec: Any) -> Json:
    labels = pod["metadata"]["labels"]
    spec = {"selector": {"matchLabels": labels}, "template": pod, **spec}
    if replicas is not None:
        spec["replicas"] = replicas
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


def deployment(
    pod: Json, replicas: int | None = 1, name: str = "web", *,
    surge: int | str | None = None, unavailable: int | str | None = None, **spec: Any,
) -> Json:  # fmt: skip
    if surge is not None or unavailable is not None:
        rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
        spec["strategy"] = {"type": "RollingUpdate", "rollingUpdate": rolling}
    return workload("Deployment", pod, replicas, name, **spec)


def replica_set(pod: Json, replicas: int = 1, name: str = "web", **spec: Any) -> Json:
    return workload("ReplicaSet", pod, replicas, name, **spec)


def stateful_set(pod: Json, replicas: int = 1, name: str = "web", **spec: Any) -> Json:
    return workload("StatefulSet", pod, replicas, name, **spec)


def daemon_set(pod: Json, name: str = "web", **spec: Any) -> Json:
    return workload("DaemonSet", pod, None, name, **spec)


def job(pod: Json, name: str = "web", **spec: Any) -> Json:
    """A Job; its pods are never restarted unless the template says so."""
    pod = {**pod, "spec": {"restartPolicy": "Never", **pod["spec"]}}
    metadata = {"name": name, "namespace": "shop"}
    spec = {"template": pod, **spec}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def cron_job(
    pod: Json, schedule: str = "* * * * *", name: str = "web", *, of_job: Json | None = None,
    **spec: Any,
) -> Json:  # fmt: skip
    """A CronJob; `of_job` goes into the spec of its Jobs."""
    made = job(pod, name, **(of_job or {}))
    spec = {"schedule": schedule, "jobTemplate": {"spec": made["spec"]}, **spec}
    return {**made, "kind": "CronJob", "spec": spec}


def namespace(name: str = "shop") -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def bare_pod(pod: Json, name: str = "web") -> Json:
    metadata = {**pod["metadata"], "name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}


def ref(kind: str = "Deployment", name: str = "web") -> WorkloadRef:
    return WorkloadRef(kind, "shop", name)


def trace(
    *events: tuple[int, list[Json]] | tuple[int, list[Json], list[Json]],
    lifecycles: dict[WorkloadRef, list[Any]] | None = None,
) -> Trace:
    """A trace of (seconds after the start, applied objects, deleted objects).

    It has been through its file format, so that it is known to be one.
    """
    groups = {"Pod": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}
    document: Any = {
        "version": 2,
        "config": {"trackedObjects": {}},
        "events": [
            {"ts": START + at, "applied_objs": applied, "deleted_objs": [*chain(*deleted)]}
            for at, applied, *deleted in events
        ],
        "index": {},
        "pod_lifecycles": {
            (f"{groups.get(kind, 'apps/v1')}.{kind}", f"{namespace}/{name}"): {7: entries}
            for (kind, namespace, name), entries in (lifecycles or {}).items()
        },
    }  # fmt: skip
    return loads(dumps(document))


def finished(*seconds: int) -> list[Any]:
    """Lifecycle data of pods that ran for some seconds each."""
    return [{"Finished": [START, START + length]} for length in seconds]
