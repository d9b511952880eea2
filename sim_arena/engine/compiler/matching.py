"""Which nodes the static filters reject: cordons, node names, taints, selectors and affinity.

Sources: Kubernetes `pkg/scheduler/framework/plugins/` (nodeunschedulable, nodename,
tainttoleration, nodeaffinity) and `staging/src/k8s.io/component-helpers/scheduling/corev1/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sim_arena.nodes import Node, Taint

__all__ = [
    "matches_selection",
    "matches_terms",
    "node_mask",
    "preference",
    "tolerates",
    "tolerates_all",
    "untolerated_preferences",
]

Object = Mapping[str, Any]

# Numbers of the reasons in program.REASONS.
_UNSCHEDULABLE, _NODE_NAME, _TAINT, _AFFINITY, _NOT_NAMED = 1, 2, 3, 4, 5

_CORDON = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")
# What the API server adds to every pod (admission plugin DefaultTolerationSeconds).
_DEFAULT_TOLERATIONS: tuple[Object, ...] = tuple(
    {"key": f"node.kubernetes.io/{condition}", "operator": "Exists", "effect": "NoExecute"}
    for condition in ("not-ready", "unreachable")
)


def node_mask(spec: Object, nodes: Sequence[Node]) -> list[int]:
    """Return for each node 0, or the number of the first reason to reject it."""
    tolerations = [*(spec.get("tolerations") or ()), *_DEFAULT_TOLERATIONS]
    named = _named_nodes(spec)
    return [
        _verdict(spec, tolerations, node) if named is None or node.name in named else _NOT_NAMED
        for node in nodes
    ]


def _named_nodes(spec: Object) -> set[str] | None:
    """Return the nodes to which a required affinity confines a pod by name, or None.

    No filter looks at the others (NodeAffinity's PreFilter).
    """
    names: set[str] = set()
    for term in _required_terms(spec) or ():
        in_term = [
            set(field.get("values") or ())
            for field in term.get("matchFields") or ()
            if field.get("key") == "metadata.name" and field.get("operator") == "In"
        ]
        if not in_term:
            return None
        names |= set.intersection(*in_term)
    return names or None


def _verdict(spec: Object, tolerations: Sequence[Object], node: Node) -> int:
    if node.unschedulable and not tolerates(tolerations, _CORDON):
        return _UNSCHEDULABLE
    if spec.get("nodeName") and spec["nodeName"] != node.name:
        return _NODE_NAME
    for taint in node.taints:
        if taint.effect in ("NoSchedule", "NoExecute") and not tolerates(tolerations, taint):
            return _TAINT
    return 0 if matches_selection(spec, node) else _AFFINITY


def tolerates(tolerations: Iterable[Object], taint: Taint) -> bool:
    """Say whether one of the tolerations covers a taint."""
    return any(_covers(toleration, taint) for toleration in tolerations)


def _covers(toleration: Object, taint: Taint) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.effect:
        return False
    if toleration.get("key") and toleration["key"] != taint.key:
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and str(toleration.get("value") or "") == taint.value


def tolerates_all(spec: Object, node: Node) -> bool:
    """Say whether a pod tolerates every taint of a node that keeps pods away."""
    tolerations = [*(spec.get("tolerations") or ()), *_DEFAULT_TOLERATIONS]
    keeping = [t for t in node.taints if t.effect in ("NoSchedule", "NoExecute")]
    return all(tolerates(tolerations, taint) for taint in keeping)


def untolerated_preferences(spec: Object, node: Node) -> int:
    """Count a node's PreferNoSchedule taints that a pod does not tolerate."""
    tolerations = [
        t
        for t in spec.get("tolerations") or ()
        if t.get("effect") in (None, "", "PreferNoSchedule")
    ]
    return sum(
        not tolerates(tolerations, taint)
        for taint in node.taints
        if taint.effect == "PreferNoSchedule"
    )


def preference(spec: Object, node: Node) -> int:
    """Sum the weights of a pod's preferred node affinity terms that a node matches."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return sum(
        int(term["weight"])
        for term in affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        if _matches_term(term["preference"], node)
    )


def matches_selection(spec: Object, node: Node) -> bool:
    """Say whether a node has what a pod's nodeSelector and required node affinity ask for."""
    for key, value in (spec.get("nodeSelector") or {}).items():
        if node.labels.get(key) != value:
            return False
    terms = _required_terms(spec)
    return terms is None or matches_terms(terms, node)


def _required_terms(spec: Object) -> Sequence[Object] | None:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return None if required is None else required.get("nodeSelectorTerms") or ()


def matches_terms(terms: Iterable[Object], node: Node) -> bool:
    """Say whether a node matches one of some node selector terms."""
    return any(_matches_term(term, node) for term in terms)


def _matches_term(term: Object, node: Node) -> bool:
    expressions = term.get("matchExpressions") or ()
    fields = term.get("matchFields") or ()
    if not expressions and not fields:
        return False  # an empty term selects nothing
    return all(_matches(e, node.labels) for e in expressions) and all(
        _matches(f, {"metadata.name": node.name}) for f in fields
    )


def _matches(expression: Object, labels: Mapping[str, str]) -> bool:
    operator = expression.get("operator")
    value = labels.get(expression["key"])
    values = expression.get("values") or ()
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    return _compares(operator, value, values)


def _compares(operator: str | None, value: str | None, values: Sequence[str]) -> bool:
    try:
        have, bound = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    if operator == "Gt":
        return have > bound
    return operator == "Lt" and have < bound
