"""What a policy gets to see: the observation, and the registry of its fields.

The registry is the one place to edit for a new field: the documentation, the columns of the
results and the environment's vector are derived from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

__all__ = [
    "CONTAINER_FIELDS",
    "FIELDS",
    "ContainerObservation",
    "Field",
    "Observation",
    "copied",
    "healthy",
    "is_success",
]


class ContainerObservation(TypedDict):
    """One container of the deployment's pod template, summed up over its pods.

    Requests and limits are those of the current template (None: not set). Usage is the mean
    over the pods that run now. CPU in milli-CPU, memory in bytes.
    """

    name: str
    cpu_request: int | None
    memory_request: int | None
    cpu_limit: int | None
    memory_limit: int | None
    cpu_usage: int | None
    memory_usage: int | None
    restarts: int | None
    oom_killed: int | None
    last_terminations: list[str] | None
    throttled: float | None


class Observation(TypedDict):
    """The state of one deployment's pods and of the nodes, at one moment.

    `ready`, `pending` and `total` are always known. Of the others a cluster gives what it can;
    what it cannot know is None, never 0.
    """

    ready: int
    pending: int
    total: int
    desired: NotRequired[int | None]
    failed: NotRequired[int | None]
    restarts: NotRequired[int | None]
    oom_killed: NotRequired[int | None]
    evicted: NotRequired[int | None]
    throttled: NotRequired[float | None]
    reasons: NotRequired[dict[str, int] | None]
    events: NotRequired[list[str] | None]
    containers: NotRequired[list[ContainerObservation] | None]
    nodes: NotRequired[int | None]
    allocatable_cpu: NotRequired[int | None]
    allocatable_memory: NotRequired[int | None]
    allocatable_pods: NotRequired[int | None]
    requested_cpu: NotRequired[int | None]
    requested_memory: NotRequired[int | None]
    requested_pods: NotRequired[int | None]
    largest_free_cpu: NotRequired[int | None]
    largest_free_memory: NotRequired[int | None]
    unassessable: NotRequired[list[str] | None]
    simulated_seconds: NotRequired[float | None]
    cluster: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name, type, unit and meaning."""

    name: str
    type: Literal["int", "float", "str", "counts", "names", "containers"]
    unit: str
    meaning: str
    required: bool = False


FIELDS: tuple[Field, ...] = (
    Field("ready", "int", "pods", "Running with every container ready", required=True),
    Field("pending", "int", "pods", "in phase Pending", required=True),
    Field("total", "int", "pods", "in any phase", required=True),
    Field("desired", "int", "pods", "replicas that the workload asks for"),
    Field("failed", "int", "pods", "in phase Failed"),
    Field("restarts", "int", "restarts", "container restarts of the present pods"),
    Field("oom_killed", "int", "kills", "containers of the present pods killed for memory"),
    Field("evicted", "int", "pods", "evicted so far from nodes that were short of memory"),
    Field("throttled", "float", "share", "CPU time wanted and not given, mean over running pods"),
    Field(
        "reasons",
        "counts",
        "pods",
        "messages of the scheduler, and of the API server about pods that it refused",
    ),
    Field("events", "names", "", "reasons of the latest events, newest first"),
    Field("containers", "containers", "", "the containers of the pod template"),
    Field("nodes", "int", "nodes", "nodes of the cluster"),
    Field("allocatable_cpu", "int", "mCPU", "allocatable on all nodes"),
    Field("allocatable_memory", "int", "bytes", "allocatable on all nodes"),
    Field("allocatable_pods", "int", "pods", "allocatable on all nodes"),
    Field("requested_cpu", "int", "mCPU", "requested by the pods on all nodes"),
    Field("requested_memory", "int", "bytes", "requested by the pods on all nodes"),
    Field("requested_pods", "int", "pods", "pods on all nodes"),
    Field("largest_free_cpu", "int", "mCPU", "most that one node has left"),
    Field("largest_free_memory", "int", "bytes", "most that one node has left"),
    Field("unassessable", "names", "", "why health cannot be told on this cluster; else None"),
    Field("simulated_seconds", "float", "s", "simulated time since the trace's first event"),
    Field("cluster", "str", "", "the cluster that was read: embedded, kwok or simkube"),
)

CONTAINER_FIELDS: tuple[Field, ...] = (
    Field("name", "str", "", "the container's name", required=True),
    Field("cpu_request", "int", "mCPU", "requested; None if not set"),
    Field("memory_request", "int", "bytes", "requested; None if not set"),
    Field("cpu_limit", "int", "mCPU", "limit; None if not set"),
    Field("memory_limit", "int", "bytes", "limit; None if not set"),
    Field("cpu_usage", "int", "mCPU", "used, mean over running pods"),
    Field("memory_usage", "int", "bytes", "used, mean over running pods"),
    Field("restarts", "int", "restarts", "over the present pods"),
    Field("oom_killed", "int", "kills", "killed for memory, over the present pods"),
    Field(
        "last_terminations",
        "names",
        "",
        "reasons with which it ended last in the present pods, each once: OOMKilled, Error, ...",
    ),
    Field("throttled", "float", "share", "CPU time wanted and not given, mean over running pods"),
)


def is_success(observation: Mapping[str, Any], target: int) -> bool:
    """Say whether the deployment is healthy: `ready == target and pending == 0`."""
    return healthy(observation["ready"], observation["pending"], target)


def healthy(ready: int, pending: int, target: int) -> bool:
    """Say the same of plain numbers: the vector environment compiles this."""
    return ready == target and pending == 0


def copied(observation: Observation) -> Observation:
    """Return an observation that may be changed without changing this one."""
    copy = observation.copy()
    if (reasons := observation.get("reasons")) is not None:
        copy["reasons"] = dict(reasons)
    if (events := observation.get("events")) is not None:
        copy["events"] = list(events)
    if (containers := observation.get("containers")) is not None:
        copy["containers"] = [_copied_container(container) for container in containers]
    return copy


def _copied_container(container: ContainerObservation) -> ContainerObservation:
    copy = container.copy()
    if (ended := container.get("last_terminations")) is not None:
        copy["last_terminations"] = list(ended)
    return copy
