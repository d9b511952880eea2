"""Which nodes the static filters reject: cordons, node names, taints, selectors and affinity.

Sources: Kubernetes `pkg/scheduler/framework/plugins/` (nodeunschedulable, nodename,
tainttoleration, nodeaffinity, nodedeclaredfeatures) and
`staging/src/k8s.io/component-helpers/scheduling/corev1/`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sim_arena.engine.program import (
    CONFLICT,
    NOT_NAMED,
    OTHER_LABELS,
    OTHER_NODE,
    PASSES,
    TAINTED,
    UNDECLARED,
    UNSCHEDULABLE_NODE,
)
from sim_arena.nodes import Node, Taint

__all__ = [
    "bears_pressure",
    "matches_selection",
    "matches_terms",
    "named_nodes",
    "node_mask",
    "preference",
    "rejecting_plugins",
    "required_features",
    "tolerates",
    "tolerates_all",
    "untolerated_preferences",
]

Object = Mapping[str, Any]


_DIGITS = re.compile(r"[0-9]+")
_KEEPING = ("NoSchedule", "NoExecute")
_PRESSURE = Taint("node.kubernetes.io/memory-pressure", "", "NoSchedule")
_CORDON = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")
# What the API server adds to every pod (admission plugin DefaultTolerationSeconds).
_DEFAULT_TOLERATIONS: tuple[Object, ...] = tuple(
    {"key": f"node.kubernetes.io/{condition}", "operator": "Exists", "effect": "NoExecute"}
    for condition in ("not-ready", "unreachable")
)


def node_mask(spec: Object, nodes: Sequence[Node]) -> list[int]:
    """Return for each node `PASSES`, or the number of the first reason to reject it."""
    tolerations = _tolerations(spec)
    named = named_nodes(spec)
    if named is not None and not named:
        return [CONFLICT] * len(nodes)
    return [
        _verdict(spec, tolerations, node) if named is None or node.name in named else NOT_NAMED
        for node in nodes
    ]


def named_nodes(spec: Object) -> set[str] | None:
    """Return the nodes to which a required affinity confines a pod by name, or None.

    No filter looks at the others (NodeAffinity's PreFilter). None at all are left where each
    term contradicts itself: then the pod is rejected at once.
    """
    names: set[str] = set()
    terms = _required_terms(spec)
    if not terms:
        return None
    for term in terms:
        in_term = [
            set(field.get("values") or ())
            for field in term.get("matchFields") or ()
            if field.get("key") == "metadata.name" and field.get("operator") == "In"
        ]
        if not in_term:
            return None
        names |= set.intersection(*in_term)
    return names


def rejecting_plugins(spec: Object, node: Node) -> list[int]:
    """Return a reason for each static filter that rejects a node, asked for itself."""
    tolerations = _tolerations(spec)
    return [reason for reason, rejects in _FILTERS if rejects(spec, tolerations, node)]


def _tolerations(spec: Object) -> list[Object]:
    return [*(spec.get("tolerations") or ()), *_DEFAULT_TOLERATIONS]


def _verdict(spec: Object, tolerations: Sequence[Object], node: Node) -> int:
    for reason, rejects in _FILTERS:
        if rejects(spec, tolerations, node):
            return reason
    return PASSES


def _node_unschedulable(_: Object, tolerations: Sequence[Object], node: Node) -> bool:
    return node.unschedulable and not tolerates(tolerations, _CORDON)


def _node_name(spec: Object, _: Sequence[Object], node: Node) -> bool:
    return bool(spec.get("nodeName")) and spec["nodeName"] != node.name


def _taint_toleration(_: Object, tolerations: Sequence[Object], node: Node) -> bool:
    return any(
        taint.effect in _KEEPING and not tolerates(tolerations, taint) for taint in node.taints
    )


def _node_affinity(spec: Object, _: Sequence[Object], node: Node) -> bool:
    return not matches_selection(spec, node)


def _node_declared_features(spec: Object, _: Sequence[Object], node: Node) -> bool:
    return not required_features(spec) <= node.features


# In the default profile's order, with what each says. The filters that change while a program
# runs come before the last one: see engine/rejections.py.
_FILTERS: tuple[tuple[int, Callable[[Object, Sequence[Object], Node], bool]], ...] = (
    (UNSCHEDULABLE_NODE, _node_unschedulable),
    (OTHER_NODE, _node_name),
    (TAINTED, _taint_toleration),
    (OTHER_LABELS, _node_affinity),
    (UNDECLARED, _node_declared_features),
)


def required_features(spec: Object) -> set[str]:
    """Return what a node must have declared to know before it gets a pod.

    Source: `staging/src/k8s.io/component-helpers/nodedeclaredfeatures/features/`.
    """
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    rules = [rule for one in containers for rule in one.get("restartPolicyRules") or ()]
    if any(rule.get("action") == "RestartAllContainers" for rule in rules):
        return {"RestartAllContainersOnContainerExits"}
    return set()


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


def bears_pressure(spec: Object) -> bool:
    """Say whether a pod may go to a node that is short of memory."""
    return tolerates(spec.get("tolerations") or (), _PRESSURE)


def tolerates_all(spec: Object, node: Node) -> bool:
    """Say whether a pod tolerates every taint of a node that keeps pods away."""
    return not _taint_toleration(spec, _tolerations(spec), node)


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
    have, bound = _number(value or ""), _number(values[0] if values else "")
    if have is None or bound is None:
        return False
    if operator == "Gt":
        return have > bound
    return operator == "Lt" and have < bound


def _number(text: str) -> int | None:
    """Read a label's value as Go's strconv.ParseInt does: digits, of 64 bits; None if it is none.

    Labels begin with a letter or a digit: there are no signs.
    """
    if not _DIGITS.fullmatch(text):
        return None
    number = int(text)
    return number if number < 1 << 63 else None
