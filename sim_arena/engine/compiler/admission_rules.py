"""Objects that decide which pods there may be, as they come, change and go.

They are LimitRanges, ResourceQuotas, PriorityClasses, PodDisruptionBudgets and claims for volumes.

Each version of such an object becomes a row of rules. The LimitRanges of a namespace count as
one object: a version is what all of them say together. A pod template has a variant for each
version that its pods may meet, because what it requests depends on it.

Sources: Kubernetes `plugin/pkg/admission/limitranger/admission.go`, `pkg/apis/core/v1/defaults.go`
(SetDefaults_LimitRangeItem) and `pkg/quota/v1/evaluator/core/pods.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sim_arena.engine.compiler.selectors import Selector, label_selector
from sim_arena.engine.program import (
    BUDGET,
    CLAIM,
    COUNT_PODS,
    CPU,
    EXTENDED,
    LIMITS,
    LIMITS_CPU,
    LIMITS_MEMORY,
    MEMORY,
    PODS,
    PRIORITY,
    QUOTA,
    Rule,
)
from traces import TraceError
from traces.arithmetic import UNSET
from traces.quantities import parse_cpu, parse_memory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sim_arena.engine.compiler.surroundings import Surroundings
    from sim_arena.engine.compiler.unmodelled import Unmodelled

__all__ = ["AdmissionRules", "Defaults"]

Object = Mapping[str, Any]

KINDS = {
    "v1.LimitRange": "LimitRange",
    "v1.ResourceQuota": "ResourceQuota",
    "scheduling.k8s.io/v1.PriorityClass": "PriorityClass",
    "policy/v1.PodDisruptionBudget": "PodDisruptionBudget",
}
_CLAIM = "PersistentVolumeClaim"
# What does not concern the API server's admission of pods.
_ASIDE = ("PodDisruptionBudget", _CLAIM)
_RESOURCES = {
    "pods": PODS,
    "count/pods": COUNT_PODS,
    "cpu": CPU,
    "requests.cpu": CPU,
    "memory": MEMORY,
    "requests.memory": MEMORY,
    "limits.cpu": LIMITS_CPU,
    "limits.memory": LIMITS_MEMORY,
}
_SCOPES = ("Terminating", "NotTerminating", "PriorityClass", "CrossNamespacePodAffinity")
_REQUESTS = "requests."
_HUGE_PAGES = "hugepages-"


@dataclass(frozen=True)
class Defaults:
    """What one version of a namespace's LimitRanges fills in.

    Attributes:
        row: the version's rule; UNSET without LimitRanges.
        requests: default requests by resource.
        limits: default limits by resource.
    """

    row: int
    requests: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Hard:
    """A quota's bound, whose column is known only when all pod templates are."""

    row: dict[str, int]
    resource: str


class AdmissionRules:
    """Collects the rules of a trace, in the order of its events."""

    def __init__(self, unmodelled: Unmodelled, surroundings: Surroundings) -> None:
        self.rows: list[dict[str, int]] = []
        self.amounts: list[dict[str, int]] = []
        self.texts: list[Rule] = []
        self.applications: list[dict[str, int]] = []
        self.scopes: list[tuple[dict[str, int], list[Object]]] = []
        self.selectors: list[tuple[dict[str, int], Selector]] = []
        self._unmodelled = unmodelled
        self._surroundings = surroundings
        self._objects: dict[tuple[str, str, str], int] = {}
        self._limit_ranges: dict[str, dict[str, Object]] = {}
        self._versions: dict[str, list[tuple[int, Defaults]]] = {}
        self._classes: dict[str, list[tuple[int, bool]]] = {}
        self._hard: list[_Hard] = []
        self._namespaces: dict[str, int] = {}

    @property
    def objects(self) -> int:
        """How many objects there are."""
        return len(self._objects)

    def decide_admission(self) -> bool:
        """Say whether the API server may change or refuse a pod."""
        return any(kind not in _ASIDE for kind, _, _ in self._objects)

    def has_budgets(self) -> bool:
        """Say whether there are PodDisruptionBudgets."""
        return any(kind == "PodDisruptionBudget" for kind, _, _ in self._objects)

    def namespace(self, name: str) -> int:
        """Return the number of a namespace."""
        return self._namespaces.setdefault(name, len(self._namespaces))

    def take(self, time: int, order: int, obj: Object, *, deleted: bool) -> bool:
        """Take an object in that is applied or deleted, if it is one of the rules'.

        Args:
            time: nanoseconds since the first event.
            order: its place among all objects of the trace.
            obj: the object.
            deleted: whether it is deleted.

        Raises:
            TraceError: if it cannot be understood.
        """
        kind = KINDS.get(f"{obj.get('apiVersion')}.{obj.get('kind')}")
        if kind is None:
            return False
        metadata = obj.get("metadata") or {}
        name = str(metadata.get("name"))
        namespace = str(metadata.get("namespace") or "default")
        try:
            if kind == "LimitRange":
                row = self._limit_range(namespace, name, None if deleted else obj, order)
            elif kind == "ResourceQuota":
                row = self._quota(namespace, name, None if deleted else obj)
            elif kind == "PodDisruptionBudget":
                row = self._budget(namespace, name, None if deleted else obj)
            else:
                row = self._class(name, order, deleted=deleted)
        except (TypeError, ValueError, AttributeError, TraceError) as error:
            raise TraceError(f"{kind} {namespace}/{name}: {error}") from error
        self._apply(time, order, row)
        return True

    def defaults(self, namespace: str, order: int) -> list[Defaults]:
        """Return what LimitRanges fill in for an object applied at `order`, then and later."""
        versions = self._versions.get(namespace, [])
        first = Defaults(UNSET)
        later = []
        for at, version in versions:
            if at < order:
                first = version
            else:
                later.append(version)
        return [first, *later]

    def limits_object(self, namespace: str) -> int:
        """Return the number of a namespace's LimitRanges, or UNSET if it never has any."""
        return self._objects.get(("LimitRange", namespace, ""), UNSET)

    def needed_class(self, name: str, order: int) -> int:
        """Return the number of a PriorityClass that may be missing; UNSET if it never is.

        Args:
            name: the class that pods name.
            order: when the first of them may be made.
        """
        history = self._classes.get(name, [])
        if history and history[0][0] < order and all(exists for _, exists in history):
            return UNSET
        return self._object("PriorityClass", "", name)

    def names(self) -> dict[int, str]:
        """Return the names of the PriorityClasses and claims by their numbers."""
        return {
            number: name
            for (kind, _, name), number in self._objects.items()
            if kind in ("PriorityClass", _CLAIM)
        }

    def claim(self, namespace: str, name: str) -> int:
        """Return the number of a claim, which may never come."""
        return self._object(_CLAIM, namespace, name)

    def add_claim(
        self, time: int, order: int, namespace: str, name: str, **columns: int
    ) -> dict[str, int]:
        """Let a claim come, change or go; return its row."""
        rule = Rule(_CLAIM, namespace, name)
        row = self._row(rule, kind=CLAIM, first=len(self.amounts), **columns)
        self._apply(time, order, row)
        return self.rows[row]

    def _apply(self, time: int, order: int, row: int) -> None:
        self.applications.append(
            {
                "time": time,
                "order": order,
                "workload": UNSET,
                "template": UNSET,
                "rule": row + 1,
            }
        )

    def finish(self, extended: list[str]) -> None:
        """Give the quotas' bounds their columns, now that all resources are known."""
        for hard in self._hard:
            if hard.resource in extended:
                hard.row["column"] = extended.index(hard.resource)

    def _object(self, kind: str, namespace: str, name: str) -> int:
        return self._objects.setdefault((kind, namespace, name), len(self._objects))

    def _row(self, rule: Rule, **columns: int) -> int:
        name = "" if rule.kind == "LimitRange" else rule.name
        self.rows.append(
            {
                "object": self._object(rule.kind, rule.namespace, name),
                "namespace": self.namespace(rule.namespace),
                "scope": UNSET,
                "best_effort": UNSET,
                **columns,
                "end": len(self.amounts),
            }
        )
        self.texts.append(rule)
        return len(self.rows) - 1

    def _class(self, name: str, order: int, *, deleted: bool) -> int:
        self._classes.setdefault(name, []).append((order, not deleted))
        first = len(self.amounts)
        rule = Rule("PriorityClass", "", name)
        return self._row(rule, kind=PRIORITY, exists=int(not deleted), first=first)

    def _limit_range(self, namespace: str, name: str, obj: Object | None, order: int) -> int:
        present = self._limit_ranges.setdefault(namespace, {})
        present.pop(name, None)
        if obj is not None:
            present[name] = obj
        items = [
            [_with_defaults(item) for item in (one.get("spec") or {}).get("limits") or ()]
            for one in present.values()
        ]
        requests: dict[str, Any] = {}
        limits: dict[str, Any] = {}
        for one in items:  # what the first LimitRange fills in, the next one finds there
            for into, by_field in ((requests, "defaultRequest"), (limits, "default")):
                found: dict[str, Any] = {}
                for item in one:
                    if item.get("type") == "Container":
                        found |= item[by_field]
                into |= {k: v for k, v in found.items() if k not in into}
        first = len(self.amounts)
        for one in items:
            for item in one:
                self._constraints(namespace, name, item)
        row = self._row(
            Rule("LimitRange", namespace, name),
            kind=LIMITS,
            exists=1,
            first=first,
            cpu_request=_cpu(requests),
            cpu_limit=_cpu(limits),
            memory_request=_memory(requests),
            memory_limit=_memory(limits),
        )
        version = Defaults(row, requests, limits)
        self._versions.setdefault(namespace, []).append((order, version))
        return row

    def _constraints(self, namespace: str, name: str, item: Object) -> None:
        if item.get("type") not in ("Container", "Pod"):
            if item.get("type") != "PersistentVolumeClaim":
                self._unmodelled.note(
                    f"LimitRange {namespace}/{name}: type {item.get('type')} is not modelled"
                )
            return
        bounds = {field: item.get(field) or {} for field in ("min", "max", "maxLimitRequestRatio")}
        for resource in sorted({name for found in bounds.values() for name in found}):
            if resource not in ("cpu", "memory"):
                self._unmodelled.note(
                    f"LimitRange {namespace}/{name}: bounds of {resource} are not modelled"
                )
                continue
            parse = parse_cpu if resource == "cpu" else parse_memory
            low, high, ratio = (found.get(resource) for found in bounds.values())
            self.amounts.append(
                {
                    "resource": CPU if resource == "cpu" else MEMORY,
                    "whole_pod": int(item["type"] == "Pod"),
                    "least": UNSET if low is None else parse(low),
                    "most": UNSET if high is None else parse(high),
                    "ratio": UNSET if ratio is None else parse_cpu(ratio),
                }
            )

    def _budget(self, namespace: str, name: str, obj: Object | None) -> int:
        first = len(self.amounts)
        rule = Rule("PodDisruptionBudget", namespace, name)
        if obj is None:
            return self._row(rule, kind=BUDGET, exists=0, first=first)
        spec = obj.get("spec") or {}
        most, percent = _int_or_percent(spec.get("maxUnavailable"))
        least = UNSET
        if most == UNSET:
            least, percent = _int_or_percent(spec.get("minAvailable"))
        if most == least == UNSET:
            most = 0  # a budget that names neither lets nothing go
        self.amounts.append({"least": max(0, least), "most": most, "percent": percent})
        requirements = label_selector(spec.get("selector"))
        row = self._row(rule, kind=BUDGET, exists=1, first=first)
        actual = self._surroundings.pod_labels(namespace, {}).namespace
        self.selectors.append((self.rows[row], Selector(requirements, frozenset([actual]))))
        return row

    def _quota(self, namespace: str, name: str, obj: Object | None) -> int:
        rule = Rule("ResourceQuota", namespace, name)
        first = len(self.amounts)
        if obj is None:
            return self._row(rule, kind=QUOTA, exists=0, first=first)
        spec = obj.get("spec") or {}
        names = []
        for resource, amount in sorted((spec.get("hard") or {}).items()):
            if self._bound(namespace, name, resource, amount):
                names.append(resource)
        rule = Rule("ResourceQuota", namespace, name, tuple(names))
        row = self._row(rule, kind=QUOTA, exists=1, first=first)
        self._scopes(f"ResourceQuota {namespace}/{name}", spec, self.rows[row])
        return row

    def _bound(self, namespace: str, name: str, resource: str, amount: Any) -> bool:
        code = _RESOURCES.get(resource, UNSET)
        requested = resource.removeprefix(_REQUESTS)
        if code == UNSET:
            counted = resource.startswith((_REQUESTS, _HUGE_PAGES)) or (
                resource == "ephemeral-storage"
            )
            if not counted or requested == "storage":
                self._unmodelled.note(
                    f"ResourceQuota {namespace}/{name}: {resource} is not modelled"
                )
                return False
            code = EXTENDED
        parse = parse_cpu if code in (CPU, LIMITS_CPU) else parse_memory
        row = {"resource": code, "most": parse(amount), "column": UNSET}
        self.amounts.append(row)
        if code == EXTENDED:
            self._hard.append(_Hard(row, requested))
        return True

    def _scopes(self, label: str, spec: Object, row: dict[str, int]) -> None:
        """Note which pods a quota is about. BestEffort depends on what an edit may change."""
        found = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
        found += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
        others: list[Object] = []
        for selector in found:
            scope = selector.get("scopeName")
            if scope in ("BestEffort", "NotBestEffort"):
                row["best_effort"] = int(scope == "BestEffort")
            elif scope in _SCOPES:
                others.append(selector)
            else:
                self._unmodelled.note(f"{label}: scope {scope} is not modelled")
        if others:
            self.scopes.append((row, others))


def in_scope(selectors: Iterable[Object], spec: Object) -> bool:
    """Say whether a pod is one that a quota's scopes are about, BestEffort aside."""
    return all(_matches(selector, spec) for selector in selectors)


def _matches(selector: Object, spec: Object) -> bool:
    ends = (spec.get("activeDeadlineSeconds") or -1) >= 0 or (
        spec.get("activeDeadlineSeconds") == 0
    )
    if selector["scopeName"] == "Terminating":
        return ends
    if selector["scopeName"] == "NotTerminating":
        return not ends
    if selector["scopeName"] == "CrossNamespacePodAffinity":
        return _looks_across_namespaces(spec)
    name = spec.get("priorityClassName") or ""
    operator, values = selector.get("operator"), selector.get("values") or ()
    if operator == "Exists":
        return bool(name)
    if operator == "DoesNotExist":
        return not name
    return (name in values) == (operator == "In")


def _looks_across_namespaces(spec: Object) -> bool:
    """Say whether a pod's affinity names namespaces (`usesCrossNamespacePodAffinity`)."""
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms = [*(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())]
        weighted = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [one.get("podAffinityTerm") or {} for one in weighted]
        if any(one.get("namespaces") or one.get("namespaceSelector") is not None for one in terms):
            return True
    return False


def _with_defaults(item: Object) -> dict[str, Any]:
    """Fill a LimitRange's item in as the API server does."""
    if item.get("type") != "Container":
        return dict(item)
    limits = {**(item.get("max") or {}), **(item.get("default") or {})}
    requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
    return {**item, "default": limits, "defaultRequest": requests}


def _int_or_percent(value: Any) -> tuple[int, int]:
    if value is None:
        return UNSET, 0
    if isinstance(value, str) and value.endswith("%") and value[:-1].isdigit():
        return int(value[:-1]), 1
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TraceError(f"expected a whole number or a percentage, found {value!r}")
    return value, 0


def _cpu(amounts: Object) -> int:
    return parse_cpu(amounts["cpu"]) if "cpu" in amounts else UNSET


def _memory(amounts: Object) -> int:
    return parse_memory(amounts["memory"]) if "memory" in amounts else UNSET
