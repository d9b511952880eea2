"""Makes Kubernetes objects of the few numbers that a generated trace is about.

CPU is in milli-CPU and memory in MiB here. The objects are as complete as those that SimKube
records from a real cluster, with the API server's defaults filled in and keys sorted.
"""

from dataclasses import dataclass, replace
from typing import Any

from traces.document import Object
from traces.generator.catalogue import Image
from traces.quantities import format_cpu, format_memory

__all__ = ["App", "Container", "Usage"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container uses: milli-CPU and MiB."""

    cpu: int
    memory: int


@dataclass(frozen=True, slots=True)
class Container:
    """A container: requests and limits in milli-CPU and MiB; None for a limit that is not set."""

    image: Image
    cpu: int
    memory: int
    cpu_limit: int | None = None
    memory_limit: int | None = None
    usage: Usage | None = None
    probe: bool = False

    def manifest(self) -> dict[str, Any]:
        """Return the container as a pod spec has it."""
        result: dict[str, Any] = {
            "image": self.image.image,
            "imagePullPolicy": "IfNotPresent",
            "name": self.image.name,
        }
        if self.image.port:
            result["ports"] = [{"containerPort": self.image.port, "protocol": "TCP"}]
        if self.probe:
            result["readinessProbe"] = {
                "failureThreshold": 3,
                "periodSeconds": 5,
                "successThreshold": 1,
                "tcpSocket": {"port": self.image.port},
                "timeoutSeconds": 1,
            }
        limits = _amounts(self.cpu_limit, self.memory_limit)
        requests = _amounts(self.cpu, self.memory)
        result["resources"] = ({"limits": limits} if limits else {}) | {"requests": requests}
        return result


@dataclass(frozen=True, slots=True)
class App:
    """A workload: a Deployment or a StatefulSet of some containers."""

    namespace: str
    name: str
    replicas: int
    containers: tuple[Container, ...]
    kind: str = "Deployment"

    def scaled(self, replicas: int) -> "App":
        """Return the same workload with another number of replicas."""
        return replace(self, replicas=replicas)

    def manifest(self) -> Object:
        """Return the object as SimKube records it."""
        labels = {"app.kubernetes.io/name": self.name}
        spec: dict[str, Any] = {
            "replicas": self.replicas,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": labels},
            "template": self._template(labels),
        }
        if self.kind == "Deployment":
            rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
            spec["progressDeadlineSeconds"] = 600
            spec["strategy"] = {"rollingUpdate": rolling, "type": "RollingUpdate"}
        else:
            spec["podManagementPolicy"] = "OrderedReady"
            spec["serviceName"] = self.name
            spec["updateStrategy"] = {"rollingUpdate": {"partition": 0}, "type": "RollingUpdate"}
        return {
            "apiVersion": "apps/v1",
            "kind": self.kind,
            "metadata": {
                "labels": {**labels, "app.kubernetes.io/part-of": self.namespace},
                "name": self.name,
                "namespace": self.namespace,
            },
            "spec": dict(sorted(spec.items())),
        }

    def _template(self, labels: dict[str, str]) -> dict[str, Any]:
        annotations = self._usage()
        return {
            "metadata": ({"annotations": annotations} if annotations else {}) | {"labels": labels},
            "spec": {
                "containers": [container.manifest() for container in self.containers],
                "dnsPolicy": "ClusterFirst",
                "restartPolicy": "Always",
                "schedulerName": "default-scheduler",
                "terminationGracePeriodSeconds": 30,
            },
        }

    def _usage(self) -> dict[str, str]:
        """Return KWOK's annotations for a single container, else one for each container."""
        used = [(one.image.name, one.usage) for one in self.containers if one.usage is not None]
        if len(self.containers) == 1 and used:
            usage = used[0][1]
            return {
                "kwok.x-k8s.io/usage-cpu": format_cpu(usage.cpu),
                "kwok.x-k8s.io/usage-memory": _memory(usage.memory),
            }
        return {
            f"usage.sim-arena.io/{name}": (
                f"cpu={format_cpu(usage.cpu)},memory={_memory(usage.memory)}"
            )
            for name, usage in used
        }


def _memory(mebibytes: int) -> str:
    return format_memory(mebibytes << 20)


def _amounts(cpu: int | None, memory: int | None) -> dict[str, str]:
    amounts = {} if cpu is None else {"cpu": format_cpu(cpu)}
    return amounts if memory is None else amounts | {"memory": _memory(memory)}
