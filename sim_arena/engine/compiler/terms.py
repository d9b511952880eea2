"""What pods ask of the pods around them, as rows of numbers.

Label selectors become sets of templates, topology keys become numbered domains. Constraints and
terms that no pod has cost nothing later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sim_arena.engine.compiler.matching import matches_selection, tolerates_all
from sim_arena.engine.compiler.selectors import (
    PodLabels,
    Selector,
    affinity_selector,
    label_selector,
)
from sim_arena.engine.program import (
    HARD_SPREAD,
    PORTS,
    PREFERRED,
    REQUIRED_AFFINITY,
    REQUIRED_ANTI,
    SOFT_SPREAD,
)
from traces import TraceError
from traces.arithmetic import UNSET

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sim_arena.nodes import Node
    from traces import WorkloadRef

__all__ = ["PodTemplate", "Terms"]

_HOSTNAME = "kubernetes.io/hostname"
_ZONE = "topology.kubernetes.io/zone"
# The scheduler's own constraints for pods that name none (podtopologyspread/plugin.go).
_SYSTEM_DEFAULTS = (
    {"topologyKey": _HOSTNAME, "maxSkew": 3},
    {"topologyKey": _ZONE, "maxSkew": 5},
)


@dataclass(frozen=True)
class PodTemplate:
    """What terms need to know of a pod template.

    Attributes:
        ref: the workload that it belongs to, for messages.
        spec: the pod's spec, as the scheduler sees it.
        pod: its namespace and labels.
        owner: requirements of its owner's selector; None without an owner that counts.
        of_replica_set: whether a Deployment's ReplicaSet owns it, whose selector no other
            ReplicaSet's pods match.
        variants: the templates that differ from it only in what LimitRanges fill in.
        services: the selectors of the Services that match it, merged.
    """

    ref: WorkloadRef
    spec: Mapping[str, Any]
    pod: PodLabels
    owner: tuple[tuple[str, str, tuple[str, ...]], ...] | None
    of_replica_set: bool
    variants: range
    services: Mapping[str, str]


@dataclass
class Terms:
    """Collects the terms of all templates.

    Args:
        nodes: in the scheduler's order.
        templates: all pod templates of the program.
    """

    nodes: Sequence[Node]
    templates: Sequence[PodTemplate]
    rows: list[dict[str, int]] = field(default_factory=list)
    matches: list[Any] = field(default_factory=list)
    included: list[list[int]] = field(default_factory=list)
    incoming: list[int] = field(default_factory=list)
    fields: list[dict[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._keys: dict[str, int] = {}
        self._match_rows: dict[Any, int] = {}
        self._included_rows: dict[tuple[bool, ...], int] = {}
        for number, template in enumerate(self.templates):
            try:
                self.fields.append(self._add(number, template))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise TraceError(
                    f"{template.ref}: expected the affinity, topologySpreadConstraints and ports "
                    f"of a Kubernetes pod, found one without {error}"
                ) from error
        self._add_incoming()

    def domains(self) -> Any:
        """Return for each key and node the number of the node's domain."""
        table = np.full((len(self._keys), len(self.nodes)), UNSET, np.int64)
        for key, row in self._keys.items():
            numbers: dict[str, int] = {}
            for n, node in enumerate(self.nodes):
                if key in node.labels:
                    table[row, n] = numbers.setdefault(node.labels[key], len(numbers))
        return table

    def look_at_pods(self) -> bool:
        """Say whether there are other terms than soft constraints."""
        return any(row["kind"] != SOFT_SPREAD for row in self.rows)

    def share_areas(self) -> bool:
        """Say whether a soft constraint counts the pods of other templates by domain."""
        return any(row["areas"] and row["matches"] != UNSET for row in self.rows)

    def logs(self) -> Any:
        """Return ln(size + 2) for every possible number of domains, if any term needs it."""
        sizes = len(self.nodes) + 2 if self.rows else 0
        return np.array([math.log(size + 2) for size in range(sizes)], np.float64)

    def _add(self, number: int, template: PodTemplate) -> dict[str, int]:
        spec = template.spec
        affinity = spec.get("affinity") or {}
        together = affinity.get("podAffinity") or {}
        apart = affinity.get("podAntiAffinity") or {}
        required = "requiredDuringSchedulingIgnoredDuringExecution"
        preferred = "preferredDuringSchedulingIgnoredDuringExecution"
        own = spec.get("topologySpreadConstraints") or ()
        fields = {
            "own_constraints": int(bool(own)),
            "matches_all": UNSET,
            "matches_itself": 0,
            "evenly_spread": 0,
        }
        with self._range(fields, "hard"):
            for c in own:
                if c.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule":
                    self._spread(number, template, c, HARD_SPREAD)
        with self._range(fields, "soft"):
            for c in own:
                if c.get("whenUnsatisfiable") == "ScheduleAnyway":
                    self._spread(number, template, c, SOFT_SPREAD)
            if not own:
                self._default_spread(number, template, fields)
        with self._range(fields, "affinity"):
            selectors = [
                self._affinity(number, template, term, REQUIRED_AFFINITY, 0)
                for term in together.get(required) or ()
            ]
        if selectors:
            fields["matches_all"] = self._match_row(selectors)
            fields["matches_itself"] = int(all(s.matches(template.pod) for s in selectors))
        with self._range(fields, "anti"):
            for term in apart.get(required) or ():
                self._affinity(number, template, term, REQUIRED_ANTI, 0)
        with self._range(fields, "preferred"):
            for sign, terms in ((1, together), (-1, apart)):
                for weighted in terms.get(preferred) or ():
                    term, weight = weighted["podAffinityTerm"], sign * int(weighted["weight"])
                    self._affinity(number, template, term, PREFERRED, weight)
        with self._range(fields, "ports"):
            self._ports(number, template)
        return fields

    def _range(self, fields: dict[str, int], name: str) -> _Range:
        return _Range(self.rows, fields, name)

    def _key(self, key: str) -> int:
        return self._keys.setdefault(key, len(self._keys))

    def _match_row(self, selectors: Sequence[Selector]) -> int:
        """Return the row of the templates whose pods match every selector."""
        key = tuple(selectors)
        if key not in self._match_rows:
            row = [all(s.matches(t.pod) for s in selectors) for t in self.templates]
            self._match_rows[key] = len(self.matches)
            self.matches.append(row)
        return self._match_rows[key]

    def _variants_row(self, variants: range) -> int:
        """Return the row of the pods of one ReplicaSet, whatever LimitRanges filled in."""
        if variants not in self._match_rows:
            self._match_rows[variants] = len(self.matches)
            self.matches.append([number in variants for number in range(len(self.templates))])
        return self._match_rows[variants]

    def _spread(
        self, number: int, template: PodTemplate, constraint: Mapping[str, Any], kind: int
    ) -> None:
        requirements = label_selector(constraint.get("labelSelector"))
        if requirements is not None:
            for key in constraint.get("matchLabelKeys") or ():
                if key in template.pod.labels:
                    requirements += ((key, "In", (template.pod.labels[key],)),)
        selector = Selector(requirements, frozenset([template.pod.namespace]))
        # A selector without requirements counts no pods, but the pod itself matches it.
        counted = selector if requirements else Selector(None, frozenset())
        self._row(
            number,
            kind,
            constraint["topologyKey"],
            matches=self._match_row([counted]),
            included=UNSET
            if kind == HARD_SPREAD and _counts_own_node(template, constraint)
            else self._included(template, constraint),
            max_skew=int(constraint["maxSkew"]),
            min_domains=int(constraint.get("minDomains") or 1),
            matches_itself=int(selector.matches(template.pod)),
        )

    def _default_spread(self, number: int, template: PodTemplate, fields: dict[str, int]) -> None:
        services = label_selector({"matchLabels": template.services}) or ()
        requirements = services + (template.owner or ())
        if not requirements and not template.of_replica_set:
            return
        row = UNSET
        if not template.of_replica_set:
            row = self._match_row([Selector(requirements, frozenset([template.pod.namespace]))])
        elif len(template.variants) > 1:
            row = self._variants_row(template.variants)
        labelled = [c for c in _SYSTEM_DEFAULTS if self._has_label(str(c["topologyKey"]))]
        fields["evenly_spread"] = int(not labelled)  # then all nodes get the same score
        for constraint in labelled:  # one without labels adds 0 everywhere
            self._row(
                number,
                SOFT_SPREAD,
                str(constraint["topologyKey"]),
                matches=row,
                included=self._included(template, constraint),
                max_skew=int(str(constraint["maxSkew"])),
            )

    def _has_label(self, key: str) -> bool:
        return any(key in node.labels for node in self.nodes)

    def _included(self, template: PodTemplate, constraint: Mapping[str, Any]) -> int:
        """Return the row of the nodes that count under the constraint's inclusion policies."""
        affinity = constraint.get("nodeAffinityPolicy", "Honor") == "Honor"
        taints = constraint.get("nodeTaintsPolicy", "Ignore") == "Honor"
        row = tuple(
            (not affinity or matches_selection(template.spec, node))
            and (not taints or tolerates_all(template.spec, node))
            for node in self.nodes
        )
        if row not in self._included_rows:
            self._included_rows[row] = len(self.included)
            self.included.append([int(counts) for counts in row])
        return self._included_rows[row]

    def _affinity(
        self, number: int, template: PodTemplate, term: Mapping[str, Any], kind: int, weight: int
    ) -> Selector:
        selector = affinity_selector(term, template.pod.namespace, template.pod.labels)
        row = self._match_row([selector])
        self._row(number, kind, term["topologyKey"], matches=row, weight=weight)
        return selector

    def _ports(self, number: int, template: PodTemplate) -> None:
        mine = _host_ports(template.spec)
        if not mine:
            return
        row = [_collide(mine, _host_ports(other.spec)) for other in self.templates]
        self._row(number, PORTS, _HOSTNAME, matches=len(self.matches))
        self.matches.append(row)

    def _row(self, number: int, kind: int, key: str, **columns: int) -> None:
        areas = 0
        if kind == SOFT_SPREAD and key != _HOSTNAME:
            areas = len({node.labels[key] for node in self.nodes if key in node.labels}) + 1
        self.rows.append(
            {
                "areas": areas,
                "kind": kind,
                "template": number,
                "key": self._key(key),
                "hostname": int(key == _HOSTNAME),
                "included": UNSET,
                **columns,
            }
        )

    def _add_incoming(self) -> None:
        """List for each template the affinity terms of others that its pods match."""
        kinds = (REQUIRED_AFFINITY, REQUIRED_ANTI, PREFERRED)
        terms = [n for n, row in enumerate(self.rows) if row["kind"] in kinds]
        for number, fields in enumerate(self.fields):
            fields["first_incoming"] = len(self.incoming)
            self.incoming += [n for n in terms if self.matches[self.rows[n]["matches"]][number]]
            fields["end_incoming"] = len(self.incoming)


def _counts_own_node(template: PodTemplate, constraint: Mapping[str, Any]) -> bool:
    """Say whether only the node that the pod is for counts.

    The node affinity of a DaemonSet's pod names that node, and is honoured by default.
    """
    honoured = constraint.get("nodeAffinityPolicy", "Honor") == "Honor"
    return honoured and template.ref.kind == "DaemonSet"


class _Range:
    """Notes in a template's fields which rows are added while it is open."""

    def __init__(self, rows: list[dict[str, int]], fields: dict[str, int], name: str) -> None:
        self._rows = rows
        self._fields = fields
        self._name = name

    def __enter__(self) -> None:
        self._fields[f"first_{self._name}"] = len(self._rows)

    def __exit__(self, *_: object) -> None:
        self._fields[f"end_{self._name}"] = len(self._rows)


def _host_ports(spec: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Return (address, protocol, port); on the host's network every port of a pod is the host's."""
    fields = ("hostPort", "containerPort") if spec.get("hostNetwork") else ("hostPort",)
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    return [
        (str(port.get("hostIP") or "0.0.0.0"), str(port.get("protocol") or "TCP"), int(number))  # noqa: S104 - Kubernetes' wildcard
        for container in [*sidecars, *spec["containers"]]
        for port in container.get("ports") or ()
        if (number := next(filter(None, map(port.get, fields)), None))
    ]


def _collide(mine: Sequence[tuple[str, str, int]], others: Sequence[tuple[str, str, int]]) -> bool:
    """Say whether two lists of (address, protocol, port) have a port in common."""
    wildcard = "0.0.0.0"  # noqa: S104 - Kubernetes' wildcard
    return any(
        a[1:] == b[1:] and (a[0] == b[0] or wildcard in (a[0], b[0])) for a in mine for b in others
    )
