"""Label selectors and pod affinity terms: which pods they are about.

Sources: Kubernetes `staging/src/k8s.io/apimachinery/pkg/labels/selector.go` and
`staging/src/k8s.io/kube-scheduler/framework/types.go` (AffinityTerm).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PodLabels", "Selector", "affinity_selector", "label_selector"]


@dataclass(frozen=True)
class PodLabels:
    """What a selector sees of a pod: its namespace, that namespace's labels, its own labels."""

    namespace: str
    namespace_labels: Mapping[str, str]
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Selector:
    """Selects pods by namespace and labels.

    Attributes:
        requirements: (key, operator, values) that must all hold; None selects nothing.
        namespaces: names that are selected whatever their labels.
        namespace_requirements: requirements on the namespace's labels; None selects none by
            label.
    """

    requirements: tuple[tuple[str, str, tuple[str, ...]], ...] | None
    namespaces: frozenset[str]
    namespace_requirements: tuple[tuple[str, str, tuple[str, ...]], ...] | None = None

    def matches(self, pod: PodLabels) -> bool:
        """Say whether a pod is selected."""
        if self.requirements is None:
            return False
        if pod.namespace not in self.namespaces and (
            self.namespace_requirements is None
            or not _all_hold(self.namespace_requirements, pod.namespace_labels)
        ):
            return False
        return _all_hold(self.requirements, pod.labels)


def label_selector(
    selector: Mapping[str, Any] | None,
) -> tuple[tuple[str, str, tuple[str, ...]], ...] | None:
    """Return a LabelSelector's requirements; None, which selects nothing, for a missing one."""
    if selector is None:
        return None
    found: list[tuple[str, str, tuple[str, ...]]] = [
        (k, "In", (str(v),)) for k, v in sorted((selector.get("matchLabels") or {}).items())
    ]
    for expression in selector.get("matchExpressions") or ():
        values = tuple(str(v) for v in expression.get("values") or ())
        found.append((expression["key"], expression["operator"], values))
    return tuple(found)


def affinity_selector(
    term: Mapping[str, Any], namespace: str, labels: Mapping[str, str]
) -> Selector:
    """Return what a PodAffinityTerm of a pod selects.

    Without namespaces and namespaceSelector it is about the pod's own namespace; an empty
    namespaceSelector selects all. `matchLabelKeys` and `mismatchLabelKeys` join the pod's own
    values to the selector.
    """
    requirements = label_selector(term.get("labelSelector"))
    if requirements is not None:
        for key in term.get("matchLabelKeys") or ():
            if key in labels:
                requirements += ((key, "In", (labels[key],)),)
        for key in term.get("mismatchLabelKeys") or ():
            if key in labels:
                requirements += ((key, "NotIn", (labels[key],)),)
    names = frozenset(term.get("namespaces") or ())
    by_label = label_selector(term.get("namespaceSelector"))
    if not names and by_label is None:
        names = frozenset([namespace])
    return Selector(requirements, names, by_label)


def _all_hold(
    requirements: tuple[tuple[str, str, tuple[str, ...]], ...], labels: Mapping[str, str]
) -> bool:
    return all(_holds(operator, labels.get(key), values) for key, operator, values in requirements)


def _holds(operator: str, value: str | None, values: tuple[str, ...]) -> bool:
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator == "Exists":
        return value is not None
    return operator == "DoesNotExist" and value is None
