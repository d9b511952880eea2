"""What the API server shows of pods and their owners at one moment."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from sim_arena.clusters.kube.api import Json
from traces import WorkloadRef

__all__ = [
    "COLLECTIONS",
    "MADE_BY",
    "TERMINAL",
    "WORKLOAD_KINDS",
    "Genealogy",
    "State",
    "Status",
    "controller",
    "is_active",
    "is_deleted",
    "is_ready",
    "scheduled_condition",
    "workload_status",
]

COLLECTIONS = {
    "Pod": "/api/v1/pods",
    "ReplicaSet": "/apis/apps/v1/replicasets",
    "Deployment": "/apis/apps/v1/deployments",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "DaemonSet": "/apis/apps/v1/daemonsets",
    "Job": "/apis/batch/v1/jobs",
    "CronJob": "/apis/batch/v1/cronjobs",
}
"""Pods and all that makes pods, with the paths of their collections."""

MADE_BY = {"Deployment": "ReplicaSet", "CronJob": "Job"}
"""What stands between a workload and its pods, where something does."""

WORKLOAD_KINDS = frozenset(COLLECTIONS)
TERMINAL = frozenset({"Succeeded", "Failed"})


class State(NamedTuple):
    """Objects by kind, of all namespaces."""

    objects: dict[str, list[Json]]

    @property
    def pods(self) -> list[Json]:
        """All pods."""
        return self.objects["Pod"]

    def owners(self) -> Iterator[Json]:
        """Everything but the pods."""
        for kind, objects in self.objects.items():
            if kind != "Pod":
                yield from objects

    def fingerprint(self) -> frozenset[tuple[str, str]]:
        """Equal for two states exactly if nothing changed between them."""
        return frozenset(
            (obj["metadata"]["uid"], obj["metadata"]["resourceVersion"])
            for objects in self.objects.values()
            for obj in objects
        )

    def pods_by_owner(self) -> dict[str, list[Json]]:
        """Pods by the uid of their controller."""
        found: dict[str, list[Json]] = {}
        for pod in self.pods:
            if (owner := controller(pod)) is not None:
                found.setdefault(owner["uid"], []).append(pod)
        return found


def controller(obj: Json) -> Json | None:
    """The owner reference of an object's controller."""
    owners = obj["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def is_ready(pod: Json) -> bool:
    """Running with every container ready."""
    containers = pod["status"].get("containerStatuses") or []
    return (
        pod["status"].get("phase") == "Running"
        and len(containers) == len(pod["spec"]["containers"])
        and all(container["ready"] for container in containers)
    )


def is_active(pod: Json) -> bool:
    """Whether its controller counts a pod among those that it has."""
    return pod["status"].get("phase") not in TERMINAL and not is_deleted(pod)


def is_deleted(obj: Json) -> bool:
    """Whether an object waits for its end."""
    return "deletionTimestamp" in obj["metadata"]


def scheduled_condition(pod: Json) -> Json | None:
    """The pod's PodScheduled condition."""
    conditions = pod["status"].get("conditions") or []
    return next((c for c in conditions if c["type"] == "PodScheduled"), None)


class Status(NamedTuple):
    """Counts of one workload's pods, and what the scheduler says of those without a node."""

    workload: WorkloadRef
    ready: int
    pending: int
    total: int
    reasons: dict[str, int]

    def as_json(self) -> Json:
        """As `sim-arena simulate --json` prints it."""
        return self.workload._asdict() | {
            "ready": self.ready,
            "pending": self.pending,
            "total": self.total,
            "reasons": self.reasons,
        }


class Genealogy:
    """Which workload a pod belongs to, remembered when the owners between them are gone.

    An orphan, such as a deleted Job's pod, still counts for the workload that made it.
    """

    def __init__(self) -> None:
        self._roots: dict[str, tuple[str, str, str]] = {}
        self._lines: dict[str, tuple[tuple[str, str], ...]] = {}

    def update(self, state: State) -> None:
        """Learn who owns whom. An owner that was not seen yet, or never, is looked for again."""
        for obj in (obj for kind in _ELDEST_FIRST for obj in state.objects[kind]):
            uid = obj["metadata"]["uid"]
            owner = controller(obj)
            if uid in self._roots or (owner and owner["uid"] not in self._roots):
                continue
            own = _identity(obj)
            self._roots[uid] = self._roots[owner["uid"]] if owner else own
            above = self._lines[owner["uid"]] if owner else ()
            self._lines[uid] = ((own[0], own[2]), *above)

    def root(self, obj: Json) -> tuple[str, str, str]:
        """Kind, namespace and name of what an object descends from, as far as it is known."""
        return self._roots.get(obj["metadata"]["uid"], _identity(obj))

    def line(self, obj: Json) -> tuple[tuple[str, str], ...]:
        """Kind and name of an object's owners, nearest first, and of the object itself at last."""
        kind, _, name = _identity(obj)
        _, *owners = self._lines.get(obj["metadata"]["uid"], ((kind, name),))
        return (*owners, (kind, name))


def _identity(obj: Json) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"]["namespace"], obj["metadata"]["name"]


_ELDEST_FIRST = ("CronJob", "Deployment", "Job", "ReplicaSet", "StatefulSet", "DaemonSet", "Pod")


def workload_status(workload: WorkloadRef, pods: list[Json]) -> Status:
    """Count a workload's pods, whatever their phase."""
    reasons = Counter(
        condition["message"]
        for pod in pods
        if pod["status"].get("phase") == "Pending"
        and (condition := scheduled_condition(pod)) is not None
        and condition["status"] == "False"
    )
    return Status(
        workload,
        ready=sum(map(is_ready, pods)),
        pending=sum(pod["status"].get("phase") == "Pending" for pod in pods),
        total=len(pods),
        reasons=dict(sorted(reasons.items())),
    )
