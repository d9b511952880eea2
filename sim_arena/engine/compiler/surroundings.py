"""What pods find around them: namespaces, Services and PriorityClasses of the trace.

They are taken as if they were there from the beginning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim_arena.engine.compiler.selectors import PodLabels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from traces import Trace

__all__ = ["Surroundings"]

_NAME_LABEL = "kubernetes.io/metadata.name"
_PREFIX = "virtual-"


class Surroundings:
    """Reads the objects that are no workloads but change how pods are scheduled.

    Args:
        trace: the trace.
        simkube: whether its namespaces get SimKube's prefix, and lose their labels.
    """

    def __init__(self, trace: Trace, *, simkube: bool) -> None:
        self._simkube = simkube
        self._namespaces: dict[str, dict[str, str]] = {}
        self._services: list[tuple[str, dict[str, str]]] = []
        self.priorities: dict[str, tuple[int, bool]] = {}
        """The value of each PriorityClass, and whether its pods never preempt others; the key
        `""` is the global default."""
        self.resource_claims: set[tuple[str, str, str]] = set()
        """Kind, namespace and name of each ResourceClaim and ResourceClaimTemplate."""
        for obj in _applied(trace):
            self._read(obj)

    def _read(self, obj: Mapping[str, Any]) -> None:
        metadata = obj.get("metadata") or {}
        name = str(metadata.get("name"))
        if obj.get("kind") == "PriorityClass":
            value = int(obj.get("value", 0)), obj.get("preemptionPolicy") == "Never"
            self.priorities[name] = value
            if obj.get("globalDefault"):
                self.priorities[""] = value
        elif obj.get("kind") in ("ResourceClaim", "ResourceClaimTemplate"):
            namespace = str(metadata.get("namespace") or "default")
            self.resource_claims.add((str(obj["kind"]), namespace, name))
        elif obj.get("kind") == "Namespace" and not self._simkube:
            self._namespaces[name] = dict(metadata.get("labels") or {})
        elif obj.get("kind") == "Service" and (obj.get("spec") or {}).get("selector"):
            namespace = str(metadata.get("namespace") or "default")
            self._services.append((namespace, dict(obj["spec"]["selector"])))

    def pod_labels(self, namespace: str, labels: Mapping[str, str]) -> PodLabels:
        """Return what selectors see of a pod in a namespace of the trace."""
        actual = _PREFIX + namespace if self._simkube else namespace
        return PodLabels(
            actual, {**self._namespaces.get(namespace, {}), _NAME_LABEL: actual}, labels
        )

    def service_selector(self, namespace: str, labels: Mapping[str, str]) -> dict[str, str]:
        """Return the merged selectors of the Services that match a pod."""
        merged: dict[str, str] = {}
        for service_namespace, selector in self._services:
            if service_namespace == namespace and selector.items() <= labels.items():
                merged |= selector
        return merged


def _applied(trace: Trace) -> Iterator[Mapping[str, Any]]:
    for event in trace.get("events") or ():
        yield from event.get("applied_objs") or ()
