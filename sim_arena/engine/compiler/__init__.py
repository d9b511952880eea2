"""Compiles a trace on given nodes into a `Program`.

Everything that does not change while a program runs is decided here, in plain Python: which
nodes a pod may go to, what its containers ask for and use, when the trace's events happen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim_arena.engine.compiler.admission_rules import AdmissionRules, in_scope
from sim_arena.engine.compiler.caveats import caveats
from sim_arena.engine.compiler.cronjobs import CronJobs
from sim_arena.engine.compiler.history import Applied
from sim_arena.engine.compiler.images import Images
from sim_arena.engine.compiler.rewriting import as_virtual
from sim_arena.engine.compiler.surroundings import Surroundings
from sim_arena.engine.compiler.templates import Templates, as_records
from sim_arena.engine.compiler.terms import Terms
from sim_arena.engine.compiler.unmodelled import MODELLED_KINDS, Unmodelled
from sim_arena.engine.compiler.volumes import Volumes, why_not
from sim_arena.engine.compiler.workloads import application_row, lifetimes_of
from sim_arena.engine.parameters import Parameters
from sim_arena.engine.program import (
    AMOUNT,
    APPLICATION,
    CONTAINER,
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    HEADER,
    JOB,
    NODE,
    NS,
    POD,
    REPLICA_SET,
    RULE,
    STATEFUL_SET,
    STATIC,
    TEMPLATE,
    TERM,
    WORKLOAD,
    Arrays,
    Program,
)
from traces import Trace, TraceError, WorkloadRef, due_events, gvk
from traces.arithmetic import UNSET

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sim_arena.nodes import Node

__all__ = ["compile_trace"]

_KINDS = {
    "Pod": POD,
    "Deployment": DEPLOYMENT,
    "ReplicaSet": REPLICA_SET,
    "StatefulSet": STATEFUL_SET,
    "DaemonSet": DAEMON_SET,
    "Job": JOB,
    "CronJob": CRON_JOB,
}
_AFTER_LAST_EVENT = 60  # seconds
_MS = 1_000_000


def compile_trace(
    trace: Trace, nodes: Sequence[Node], parameters: Parameters | None = None
) -> Program:
    """Compile a trace.

    Args:
        trace: the trace.
        nodes: the cluster's nodes.
        parameters: how the trace is replayed.

    Returns:
        The program, with a warning for everything that the engine does not model.

    Raises:
        TraceError: if an object of the trace cannot be understood.
    """
    return _Compiler(trace, nodes, parameters or Parameters()).program()


class _Inhabitants:
    """What is in namespaces beside workloads, and goes with them."""

    _KINDS = ("ResourceQuota", "LimitRange", "PodDisruptionBudget", "PersistentVolumeClaim")

    def __init__(self) -> None:
        self._there: dict[tuple[str, str, str], Mapping[str, Any]] = {}

    def note(self, obj: Mapping[str, Any], *, deleted: bool) -> None:
        """Note that an object comes or goes."""
        if obj["kind"] in self._KINDS:
            metadata = obj["metadata"]
            key = str(metadata.get("namespace") or "default"), obj["kind"], metadata["name"]
            if deleted:
                self._there.pop(key, None)
            else:
                self._there[key] = obj

    def leave(self, namespace: str) -> list[Mapping[str, Any]]:
        """Take out, and return, what is in a namespace."""
        keys = [key for key in self._there if key[0] == namespace]
        return [self._there.pop(key) for key in keys]


class _Compiler:
    def __init__(self, trace: Trace, nodes: Sequence[Node], parameters: Parameters) -> None:
        self.trace = trace
        self.parameters = parameters
        self.unmodelled = Unmodelled()
        simkube = parameters.replay == "simkube"
        self.nodes = _in_zone_turns(as_virtual(nodes) if simkube else list(nodes))
        self.images = Images(nodes)
        surroundings = Surroundings(trace, simkube=simkube)
        self.rules = AdmissionRules(self.unmodelled, surroundings)
        self.volumes = Volumes(self.rules, self.unmodelled)
        self.templates = Templates(
            self.nodes,
            simkube=simkube,
            images=self.images,
            surroundings=surroundings,
            rules=self.rules,
            volumes=self.volumes,
            unmodelled=self.unmodelled,
        )
        self.refs: list[WorkloadRef] = []
        self.last: dict[int, int] = {}  # workload -> its last template
        self.changed: set[int] = set()

    def program(self) -> Program:
        events, end = self._timed_events()
        objects = self._objects_by_workload(events)
        cronjobs = CronJobs(len(self.refs), self.trace["events"][0]["ts"], end, self.unmodelled)
        applications, workloads = self._compile(objects, cronjobs)
        applications += self.rules.applications
        applications.sort(key=lambda row: (row["time"], row["order"]))
        templates = self.templates
        extended = sorted({name for requests in templates.extended for name in requests})
        terms = Terms(self.nodes, templates.pods)
        for row, fields in zip(templates.rows, terms.fields, strict=True):
            row.update(fields)
        self._finish_rules(terms, extended)
        for text in caveats(self.trace, self.nodes):
            self.unmodelled.note(text)
        priorities = {row["priority"] for row in templates.rows}
        header = np.zeros(1, HEADER)
        header["terms"] = len(terms.rows)
        header["areas_shared"] = terms.share_areas()
        header["taints"] = any(any(row) for row in templates.taints)
        header["preempts"] = len(priorities) > 1
        header["looks_at_pods"] = len(priorities) > 1 or terms.look_at_pods()
        refused = any(
            row["priority"] != row["class_priority"] or row["other_policy"]
            for row in templates.rows
        )
        header["admission"] = self.rules.decide_admission() or refused
        header["claims"] = any(
            row["own_claims"] or row["end_claim"] > row["first_claim"] for row in templates.rows
        )
        header["names_nodes"] = any(row["bound"] != UNSET for row in templates.rows)
        header["budgets"] = self.rules.has_budgets()
        header["rule_objects"] = self.rules.objects
        header["images"] = bool(self.images)
        header["jobs"] = len(cronjobs.rows)
        header["usage"] = templates.watched
        reasons = ("looks_at_pods", "images", "admission", "budgets", "claims", "usage")
        beyond = any(row["kind"] > STATEFUL_SET for row in workloads)
        header["whole"] = beyond or any(header[reason][0] for reason in reasons)
        if not header["whole"][0]:  # no pod looks at the rules, and the core knows none
            applications = [row for row in applications if not row.get("rule")]
        header["nodes"] = len(self.nodes)
        header["templates"] = len(templates.rows)
        header["containers"] = len(templates.containers)
        header["applications"] = len(applications)
        header["workloads"] = len(self.refs)
        header["extended"] = len(extended)
        header["lifecycles"] = len(templates.lifecycles)
        header["pod_containers"] = max(
            (row["end_container"] - row["first_container"] for row in templates.rows), default=1
        )
        for name in (
            "image_pull_delay",
            "image_pull_jitter",
            "pod_startup_delay",
            "pod_startup_jitter",
        ):
            header[name] = getattr(self.parameters, name) * _MS
        timelines = np.array(templates.timelines(), np.int64)
        for row in applications:
            for place in ("first_success", "end_success"):
                row[place] = row.get(place, 0) + len(templates.lifecycles)
        arrays = Arrays(
            header=header,
            nodes=as_records(
                [{"cpu": n.cpu, "memory": n.memory, "pods": n.pods} for n in self.nodes], NODE
            ),
            templates=as_records(templates.rows, TEMPLATE),
            containers=as_records(templates.containers, CONTAINER),
            applications=as_records(applications, APPLICATION),
            workloads=as_records([*workloads, *cronjobs.rows], WORKLOAD),
            static=_static(templates, len(self.nodes)),
            node_extended=_table([n.extended for n in self.nodes], extended),
            template_extended=_table(templates.extended, extended),
            timelines=timelines,
            terms=as_records(terms.rows, TERM),
            matches=_matrix(terms.matches, len(templates.rows), np.int8),
            domains=terms.domains(),
            included=_matrix(terms.included, len(self.nodes), np.int8),
            incoming=np.array(terms.incoming, np.int64),
            logs=terms.logs(),
            rules=as_records(self.rules.rows, RULE),
            amounts=as_records(self.rules.amounts, AMOUNT),
            claims=np.array(templates.claims, np.int64),
        )
        return Program(
            arrays=arrays,
            workloads=tuple(self.refs),
            container_names=tuple(templates.names),
            extended=tuple(extended),
            selections=tuple(templates.selections),
            nodes=tuple(self.nodes),
            warnings=self.unmodelled.warnings,
            duration_s=end,
            rules=tuple(self.rules.texts),
            objects=self.rules.names(),
        )

    def _finish_rules(self, terms: Terms, extended: list[str]) -> None:
        """Find the pods that quotas with a scope, budgets and claims are about."""
        self.rules.finish(extended)
        for row, selectors in self.rules.scopes:
            row["scope"] = len(terms.matches)
            terms.matches.append([in_scope(selectors, pod.spec) for pod in self.templates.pods])
        for row, volume in self.volumes.bound:
            row["scope"] = len(terms.included)
            terms.included.append([why_not(volume, node) for node in self.nodes])
        for row, selector in self.rules.selectors:
            row["scope"] = len(terms.matches)
            pods = [selector.matches(t.pod) for t in self.templates.pods]
            terms.matches.append(pods)
            # To preemption, neither an empty selector nor a pod without labels is in a budget.
            row["protects"] = len(terms.matches)
            terms.matches.append(
                [
                    bool(selector.requirements and t.pod.labels and selected)
                    for t, selected in zip(self.templates.pods, pods, strict=True)
                ]
            )

    def _timed_events(self) -> tuple[list[tuple[int, Any]], int]:
        """Return the events with their seconds in the replay, and the end of the window."""
        if not self.trace.get("events"):
            raise TraceError("expected a trace with at least one event, found none", "events")
        speed, duration = self.parameters.speed, self.parameters.duration
        timed = list(due_events(self.trace, duration, speed))
        due, last = timed[-1]
        if duration is None:
            return timed, due + _AFTER_LAST_EVENT
        rest = self.trace["events"][0]["ts"] + duration - last["ts"]
        return timed, due + int(rest / speed)

    def _objects_by_workload(self, events: list[tuple[int, Any]]) -> dict[int, list[Applied]]:
        """Return for each workload how it is applied and deleted; a namespace takes all along."""
        numbers: dict[WorkloadRef, int] = {}
        found: dict[int, list[Applied]] = {}
        inside = _Inhabitants()
        order = 0
        for time, event in events:
            for field in ("applied_objs", "deleted_objs"):
                for obj in event.get(field) or ():
                    order += 1
                    deleted = field == "deleted_objs"
                    if self._take(time, order, obj, deleted=deleted):
                        inside.note(obj, deleted=deleted)
                        continue
                    ref = self._modelled(obj)
                    if deleted and gvk(obj) == "v1.Namespace":
                        gone = obj["metadata"]["name"]
                        for own, number in numbers.items():
                            if own.namespace == gone:
                                order += 1
                                found[number].append(Applied(time, order, None, everything=True))
                        for other in inside.leave(gone):
                            order += 1
                            self._take(time, order, other, deleted=True)
                        continue
                    if ref is None or (deleted and ref not in numbers):
                        continue
                    number = numbers.setdefault(ref, len(numbers))
                    item = None if deleted else obj
                    found.setdefault(number, []).append(Applied(time, order, item))
        self.volumes.finish(order)
        self.refs = list(numbers)
        return found

    def _take(self, time: int, order: int, obj: Mapping[str, Any], *, deleted: bool) -> bool:
        """Take in what is no workload; say whether it is none."""
        at = time * NS
        return self.rules.take(at, order, obj, deleted=deleted) or self.volumes.take(
            at, order, obj, deleted=deleted
        )

    def _modelled(self, obj: Mapping[str, Any]) -> WorkloadRef | None:
        metadata = obj.get("metadata") or {}
        kind = f"{obj.get('apiVersion')}.{obj.get('kind')}"
        ref = WorkloadRef(
            str(obj.get("kind")),
            str(metadata.get("namespace") or "default"),
            str(metadata.get("name")),
        )
        if kind in MODELLED_KINDS:
            return ref
        self.unmodelled.note_kind(kind, f"{ref.namespace}/{ref.name}")
        return None

    def _compile(
        self,
        objects: dict[int, list[Applied]],
        cronjobs: CronJobs,
    ) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
        """Return the rows of the applications and of the workloads.

        The templates of one workload stand together, in the order of its applications.
        """
        applications: list[dict[str, int]] = []
        workloads: list[dict[str, int]] = []
        for number, ref in enumerate(self.refs):
            first = len(self.templates.rows)
            lifetimes = self._lifetimes(ref)
            before: Mapping[str, Any] | None = None
            children = len(cronjobs.rows)
            fields: list[dict[str, int]] = [{} for _ in objects[number]]
            if ref.kind == "CronJob":
                fields = cronjobs.fields(number, ref, objects[number])
            for (time, order, obj, everything), more in zip(objects[number], fields, strict=True):
                row = {"time": time * NS, "order": order, "workload": number, "template": UNSET}
                row |= {"everything": int(everything), **more}
                if obj is not None:
                    self.unmodelled.note_immutable(ref, before, obj)
                    if ref.kind != "Pod":
                        self.unmodelled.note_workload(ref, obj.get("spec") or {})
                    row |= application_row(ref, obj, self.unmodelled, self.templates.numbers)
                    row["template"] = self.templates.add(number, ref, obj, lifetimes, order)
                applications.append(row)
                before = obj
            end = len(self.templates.rows)
            workloads.append(
                {
                    "kind": _KINDS[ref.kind],
                    "first_template": first,
                    "end_template": end,
                    "owner": number,
                    "first_job": len(self.refs) + children,
                    "end_job": len(self.refs) + len(cronjobs.rows),
                }
            )
            for child in cronjobs.rows[children:]:
                child |= {"first_template": first, "end_template": end}
        return applications, workloads

    def _lifetimes(self, ref: WorkloadRef) -> list[int]:
        if ref.kind == "ReplicaSet" and self.parameters.replay == "simkube":
            # SimKube's path to a ReplicaSet's pod template is one level short, so that its pods
            # never learn whose they are (sk-driver/src/mutation.rs, add_lifecycle_fields).
            return []
        return lifetimes_of(self.trace, ref, self.parameters.speed, self.unmodelled)


def _in_zone_turns(nodes: list[Node]) -> list[Node]:
    """Order nodes as the scheduler lists them: one of each zone in turn.

    Source: Kubernetes `pkg/scheduler/backend/cache/node_tree.go`.
    """
    zones: dict[tuple[str, str], list[Node]] = {}
    for node in nodes:
        zone = (
            node.labels.get("topology.kubernetes.io/region", ""),
            node.labels.get("topology.kubernetes.io/zone", ""),
        )
        zones.setdefault(zone, []).append(node)
    most = max((len(members) for members in zones.values()), default=0)
    return [members[i] for i in range(most) for members in zones.values() if i < len(members)]


def _table(rows: Sequence[Mapping[str, int]], names: Sequence[str]) -> Any:
    table = np.zeros((len(rows), len(names)), np.int64)
    for i, row in enumerate(rows):
        for j, name in enumerate(names):
            table[i, j] = row.get(name, 0)
    return table


def _matrix(rows: Sequence[Sequence[int]], width: int, dtype: Any) -> Any:
    return np.array(rows, dtype).reshape(len(rows), width)


def _static(templates: Templates, nodes: int) -> Any:
    table = np.zeros((len(templates.masks), nodes), STATIC)
    table["reason"] = _matrix(templates.masks, nodes, np.int64)
    table["taints"] = _matrix(templates.taints, nodes, np.int64)
    if templates.images:
        table["images"] = _matrix(templates.images, nodes, np.int64)
    table["preference"] = _matrix(templates.preferences, nodes, np.int64)
    return table
