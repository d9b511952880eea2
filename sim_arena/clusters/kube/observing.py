"""Reads one workload, its pods and the nodes of a cluster, as an observation.

Pods belong to a workload by their owners, never by their names. What the API does not say is None.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.errors import AwayError, RefusedError
from sim_arena.clusters.kube.nodes import read_nodes, to_node
from sim_arena.clusters.kube.objects import (
    COLLECTIONS,
    MADE_BY,
    TERMINAL,
    Genealogy,
    State,
    controller,
    workload_status,
)
from sim_arena.errors import PermanentError
from sim_arena.observation import ContainerObservation, Observation
from traces import WorkloadRef, pod_template
from traces.arithmetic import UNSET, effective_request
from traces.quantities import parse_cpu, parse_memory

__all__ = ["observe", "pod_requests"]

_METRICS = "/apis/metrics.k8s.io/v1beta1"
_LATEST = 10
_REFUSED_POD = re.compile(r'^pods "[^"]*" is ')
_PARSERS = {"cpu": parse_cpu, "memory": parse_memory}


def observe(
    api: Api, ref: WorkloadRef, cluster: str, seconds: float, *, deleted: bool = False
) -> Observation:
    """Read everything that the API tells of a workload.

    Args:
        api: the cluster.
        ref: the workload, in the namespace that it has there.
        cluster: the cluster's name.
        seconds: simulated time since the trace's first event.
        deleted: whether the trace has deleted it by now; else it has to be there.

    Raises:
        PermanentError: the workload is not there although the trace applied it.
        ClusterError: the cluster could not be read.
    """
    all_pods = api.list("/api/v1/pods")  # once, so that all that is said of pods is of one moment
    owners = _owners(api, ref)
    named = (obj for obj in owners[ref.kind] if obj["metadata"]["name"] == ref.name)
    workload = next(named, None)
    if workload is None and not deleted:
        raise PermanentError(
            f"expected {ref} on the cluster, found none: somebody removed it, and what is there "
            "says nothing of it"
        )
    makers = _makers(workload, owners)
    pods = _pods_of(ref, all_pods, owners)
    status = workload_status(ref, pods)
    nodes = [to_node(node) for node in read_nodes(api)]
    observation = Observation(
        ready=status.ready,
        pending=status.pending,
        total=status.total,
        desired=_desired(workload) if workload is not None else 0,
        failed=sum(pod["status"].get("phase") == "Failed" for pod in pods),
        restarts=sum(one["restartCount"] for pod in pods for one in _statuses(pod)),
        oom_killed=_oom_kills(one for pod in pods for one in _statuses(pod)),
        throttled=None,
        reasons=status.reasons | _refused(makers),
        events=_events(api, ref.namespace, pods, makers),
        containers=_containers(workload, pods, _usage(api, ref.namespace)),
        nodes=len(nodes),
        allocatable_cpu=sum(node.cpu for node in nodes),
        allocatable_memory=sum(node.memory for node in nodes),
        allocatable_pods=sum(node.pods for node in nodes),
        simulated_seconds=seconds,
        cluster=cluster,
    )
    sizes = {node.name: (node.cpu, node.memory) for node in nodes}
    observation.update(_requested(all_pods, sizes))
    return observation


def pod_requests(spec: Mapping[str, Any]) -> dict[str, int]:
    """What a pod requests, in milli-CPU and bytes.

    Source: Kubernetes `staging/src/k8s.io/component-helpers/resource/helpers.go`, PodRequests.
    """
    total: dict[str, int] = {}
    for name, parse in _PARSERS.items():
        running = sum(_request(container, name) for container in spec.get("containers") or ())
        highest = sidecars = 0
        for container in spec.get("initContainers") or ():
            own = _request(container, name)
            if container.get("restartPolicy") == "Always":
                sidecars += own
                highest = max(highest, sidecars)
            else:
                highest = max(highest, own + sidecars)
        overhead = (spec.get("overhead") or {}).get(name)
        total[name] = max(running + sidecars, highest)
        total[name] += parse(str(overhead)) if overhead is not None else 0
    return total


def _desired(workload: Json) -> int | None:
    """How many pods there should be; of a Job or a CronJob at a time, as the engine counts."""
    spec = workload["spec"]
    if workload["kind"] == "DaemonSet":
        status = workload.get("status") or {}
        if status.get("observedGeneration") != workload["metadata"].get("generation"):
            return None  # its controller has not counted the nodes yet
        return int(status["desiredNumberScheduled"])
    if workload["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if workload["kind"] in {"CronJob", "Job"}:
        at_once = int(spec.get("parallelism", 1))
        return min(at_once, int(spec.get("completions") or at_once))
    return int(spec.get("replicas", 1))


def _owners(api: Api, ref: WorkloadRef) -> dict[str, list[Json]]:
    """The workloads of its kind in its namespace, and what they own that makes their pods.

    They are read after the pods, as an owner is there before its pods.
    """
    owners: dict[str, list[Json]] = {}
    for kind in filter(None, (ref.kind, MADE_BY.get(ref.kind))):
        root, _, plural = COLLECTIONS[kind].rpartition("/")
        version = root.removeprefix("/apis/").removeprefix("/api/")
        found = api.list(f"{root}/namespaces/{ref.namespace}/{plural}")
        owners[kind] = [{**obj, "apiVersion": version, "kind": kind} for obj in found]
    return owners


def _pods_of(
    ref: WorkloadRef, pods: Iterable[Json], owners: Mapping[str, list[Json]]
) -> list[Json]:
    here = [{**pod, "kind": "Pod"} for pod in pods if pod["metadata"]["namespace"] == ref.namespace]
    state = State({**{kind: [] for kind in COLLECTIONS}, **owners, "Pod": here})
    genealogy = Genealogy()
    genealogy.update(state)
    return [pod for pod in here if genealogy.root(pod) == tuple(ref)]


def _makers(workload: Json | None, owners: Mapping[str, list[Json]]) -> list[Json]:
    """The workload and its ReplicaSets or Jobs: what makes its pods."""
    if workload is None:
        return []
    uid = workload["metadata"]["uid"]
    between = owners.get(MADE_BY.get(workload["kind"], ""), ())
    return [workload, *(one for one in between if (controller(one) or {}).get("uid") == uid)]


def _refused(makers: Iterable[Json]) -> dict[str, int]:
    """What the API server said of pods that it refused, and how many are missing.

    ReplicaSets show it as their condition ReplicaFailure; of other kinds there are only events. The
    refused pod's name is random, and left out.
    Source: Kubernetes `pkg/controller/replicaset/replica_set_utils.go`, calculateStatus.
    """
    found: Counter[str] = Counter()
    for one in makers:
        status = one.get("status") or {}
        for condition in status.get("conditions") or () if one["kind"] == "ReplicaSet" else ():
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                missing = one["spec"].get("replicas", 1) - status.get("replicas", 0)
                found[_REFUSED_POD.sub("", condition["message"])] += missing
    return dict(sorted((+found).items()))


def _requested(all_pods: Iterable[Json], nodes: Mapping[str, tuple[int, int]]) -> Observation:
    """What the pods of everybody request on these nodes, and what one node has left at most."""
    used = {name: {"cpu": 0, "memory": 0} for name in nodes}
    pods = 0
    for pod in all_pods:
        node = pod["spec"].get("nodeName")
        if node not in used or pod["status"].get("phase") in TERMINAL:
            continue
        pods += 1
        for name, amount in pod_requests(pod["spec"]).items():
            used[node][name] += amount
    free_cpu = [cpu - used[name]["cpu"] for name, (cpu, _) in nodes.items()]
    free_memory = [memory - used[name]["memory"] for name, (_, memory) in nodes.items()]
    return {  # type: ignore[typeddict-item]  # a part of an observation
        "requested_cpu": sum(one["cpu"] for one in used.values()),
        "requested_memory": sum(one["memory"] for one in used.values()),
        "requested_pods": pods,
        "largest_free_cpu": max([0, *free_cpu]),
        "largest_free_memory": max([0, *free_memory]),
    }


def _events(api: Api, namespace: str, pods: Iterable[Json], makers: Iterable[Json]) -> list[str]:
    """Reasons of the latest events of pods and warnings of their makers, each once, newest first.

    What makers say beside warnings is what they did, and of pods that are there or gone.
    """
    own = {pod["metadata"]["uid"] for pod in pods}
    warned = {one["metadata"]["uid"] for one in makers}
    found = []
    for event in api.list(f"/api/v1/namespaces/{namespace}/events"):
        uid = event["involvedObject"].get("uid")
        if not (uid in own or (uid in warned and event.get("type") == "Warning")):
            continue
        if event.get("reason"):
            when = event.get("lastTimestamp") or event.get("eventTime") or ""
            found.append((str(when), str(event["reason"])))
    return list(dict.fromkeys(reason for _, reason in sorted(found, reverse=True)))[:_LATEST]


def _containers(
    workload: Json | None, pods: list[Json], usage: Mapping[tuple[str, str], tuple[int, int]]
) -> list[ContainerObservation]:
    """Describe the containers of the workload's template, init containers aside."""
    if workload is None:
        return []
    running = [pod for pod in pods if pod["status"].get("phase") == "Running"]
    described = []
    for container in pod_template(workload)["spec"]["containers"]:
        name = container["name"]
        own = [one for pod in pods for one in _statuses(pod) if one["name"] == name]
        used = [
            usage[pod["metadata"]["name"], name]
            for pod in running
            if (pod["metadata"]["name"], name) in usage
        ]
        described.append(
            ContainerObservation(
                name=name,
                cpu_request=_amount(container, "requests", "cpu"),
                memory_request=_amount(container, "requests", "memory"),
                cpu_limit=_amount(container, "limits", "cpu"),
                memory_limit=_amount(container, "limits", "memory"),
                cpu_usage=sum(cpu for cpu, _ in used) // len(used) if used else None,
                memory_usage=sum(memory for _, memory in used) // len(used) if used else None,
                restarts=sum(one["restartCount"] for one in own),
                oom_killed=_oom_kills(own),
                last_terminations=_last_terminations(own),
                throttled=None,
            )
        )
    return described


def _usage(api: Api, namespace: str) -> dict[tuple[str, str], tuple[int, int]]:
    """Milli-CPU and bytes by pod and container, where the metrics API is served; else nothing."""
    try:
        found = json.loads(api.text(f"{_METRICS}/namespaces/{namespace}/pods"))["items"] or []
    except RefusedError as error:
        if error.status not in {403, 404}:
            raise
        return {}
    except AwayError:  # the API server's, or of the metrics server behind it: usage is not known
        return {}
    return {
        (pod["metadata"]["name"], one["name"]): (
            parse_cpu(one["usage"]["cpu"]),
            parse_memory(one["usage"]["memory"]),
        )
        for pod in found
        for one in pod["containers"]
    }


def _oom_kills(statuses: Iterable[Json]) -> int | None:
    """Containers whose present or last state is an OOM kill.

    None where there is none: pods that KWOK plays use no memory, which is not the same as having
    enough of it.
    """
    kills = sum(
        (one.get(state) or {}).get("terminated", {}).get("reason") == "OOMKilled"
        for one in statuses
        for state in ("state", "lastState")
    )
    return kills or None


def _last_terminations(statuses: Iterable[Json]) -> list[str]:
    """Reasons with which containers ended last, each once; a container that runs may have one."""
    ended = (
        (one.get("state") or {}).get("terminated") or (one.get("lastState") or {}).get("terminated")
        for one in statuses
    )
    return sorted({last.get("reason") or f"exit code {last['exitCode']}" for last in ended if last})


def _statuses(pod: Json) -> list[Json]:
    found: list[Json] = pod["status"].get("containerStatuses") or []
    return found


def _request(container: Mapping[str, Any], name: str) -> int:
    resources = container.get("resources") or {}
    pair = [
        _PARSERS[name](str(part[name])) if name in part else UNSET
        for part in (resources.get("requests") or {}, resources.get("limits") or {})
    ]
    return effective_request(pair[0], pair[1])


def _amount(container: Mapping[str, Any], part: str, name: str) -> int | None:
    amounts = (container.get("resources") or {}).get(part) or {}
    return _PARSERS[name](str(amounts[name])) if name in amounts else None
