"""From a pod template to its records: one template, its containers, its mask, its lifecycle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim_arena.engine.compiler.daemons import as_daemon, node_uses
from sim_arena.engine.compiler.matching import (
    bears_pressure,
    node_mask,
    preference,
    required_features,
    untolerated_preferences,
)
from sim_arena.engine.compiler.rewriting import rewritten
from sim_arena.engine.compiler.selectors import label_selector
from sim_arena.engine.compiler.terms import PodTemplate
from sim_arena.engine.compiler.usage import OURS, usage_of
from sim_arena.engine.program import ALWAYS, INIT, NEVER, ON_FAILURE, REGULAR, SIDECAR
from traces import TraceError, WorkloadRef, pod_template
from traces.arithmetic import UNSET
from traces.quantities import parse_cpu, parse_memory

if TYPE_CHECKING:
    from sim_arena.engine.compiler.admission_rules import AdmissionRules, Defaults
    from sim_arena.engine.compiler.images import Images
    from sim_arena.engine.compiler.surroundings import Surroundings
    from sim_arena.engine.compiler.unmodelled import Unmodelled
    from sim_arena.engine.compiler.usage import Profile
    from sim_arena.engine.compiler.volumes import Volumes
    from sim_arena.nodes import Node

__all__ = ["Interned", "Templates", "as_records"]

Object = Mapping[str, Any]

_RESTART_POLICIES = {"Always": ALWAYS, "OnFailure": ON_FAILURE, "Never": NEVER}
_SYSTEM_PRIORITIES = {
    "system-cluster-critical": 2_000_000_000,
    "system-node-critical": 2_000_001_000,
}
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


class Interned(dict[str, int]):
    """Gives equal texts equal numbers, counting from 0."""

    def __missing__(self, key: str) -> int:
        self[key] = len(self)
        return self[key]


class Templates:
    """Collects the pod templates of a trace.

    Args:
        nodes: the nodes, in the scheduler's order.
        simkube: whether SimKube's rewriting applies.
        images: the container images that nodes have.
        surroundings: the trace's namespaces, Services and PriorityClasses.
        rules: what decides which pods the API server takes.
        volumes: the claims for volumes.
        unmodelled: where to note what the engine does not model.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        simkube: bool,
        images: Images,
        surroundings: Surroundings,
        rules: AdmissionRules,
        volumes: Volumes,
        unmodelled: Unmodelled,
    ) -> None:
        self.rows: list[dict[str, int]] = []
        self.containers: list[dict[str, int]] = []
        self.lifecycles: list[int] = []
        self.numbers: list[int] = []  # behind the lifecycles: profiles, and what others add
        self.watched = False
        self.claims: list[int] = []
        self.masks: list[list[int]] = []
        self.selections: list[Object] = []
        self.taints: list[list[int]] = []
        self.preferences: list[list[int]] = []
        self.images: list[list[int]] = []
        self.pods: list[PodTemplate] = []
        self.extended: list[dict[str, int]] = []
        self.names = Interned()
        self._nodes = nodes
        self._node_numbers = {node.name: number for number, node in enumerate(nodes)}
        self._simkube = simkube
        self._images = images
        self._surroundings = surroundings
        self._rules = rules
        self._volumes = volumes
        self._unmodelled = unmodelled
        self._contents = Interned()
        self._specs = Interned()
        self._mask_numbers: dict[str, int] = {}

    def add(
        self, workload: int, ref: WorkloadRef, obj: Object, lifetimes: Sequence[int], order: int
    ) -> int:
        """Take an object's pod template in, and return its number.

        Behind it stand its variants for what LimitRanges say later.

        Args:
            workload: number of the workload that it belongs to.
            ref: the workload's name, for messages.
            obj: the object, or the Pod itself.
            lifetimes: nanoseconds that its pods run, in turn; UNSET for ever.
            order: the object's place among all of the trace.

        Raises:
            TraceError: if a field cannot be understood.
        """
        template = pod_template(obj)
        spec = template.get("spec") or {}
        if not isinstance(spec, Mapping) or not spec.get("containers"):
            raise TraceError(f"{ref}: expected a pod template with containers, found none")
        first = len(self.rows)
        versions = self._rules.defaults(ref.namespace, order)
        claim_templates: Sequence[Object] = ()
        if ref.kind == "StatefulSet":
            claim_templates = obj["spec"].get("volumeClaimTemplates") or ()
            self._volumes.note_templates(str(ref), claim_templates)
        variants = range(first, first + len(versions))
        try:
            for defaults in versions:
                self.pods.append(self._pod_template(ref, obj, template, variants))
                self._add(workload, ref, template, lifetimes, defaults, order, claim_templates)
        except TraceError as error:
            raise error.at(str(ref)) from error
        for row in self.rows[first:]:
            row["end_variant"] = len(self.rows)
        return first

    def _pod_template(
        self, ref: WorkloadRef, obj: Object, template: Object, variants: range
    ) -> PodTemplate:
        labels = {
            str(k): str(v)
            for k, v in ((template.get("metadata") or {}).get("labels") or {}).items()
        }
        owner = None
        if ref.kind == "Deployment":
            labels["pod-template-hash"] = str(variants.start)
        elif ref.kind in ("ReplicaSet", "StatefulSet"):
            owner = label_selector(obj["spec"].get("selector"))
        elif ref.kind == "Job":
            labels |= dict.fromkeys(("job-name", "batch.kubernetes.io/job-name"), ref.name)
        elif ref.kind == "Pod" and self._simkube:
            labels["app.kubernetes.io/name"] = ref.name
        return PodTemplate(
            ref=ref,
            spec=self._spec(ref, template),
            pod=self._surroundings.pod_labels(ref.namespace, labels),
            owner=owner,
            of_replica_set=ref.kind == "Deployment",
            variants=variants,
            services=self._surroundings.service_selector(ref.namespace, labels),
        )

    def _add(
        self,
        workload: int,
        ref: WorkloadRef,
        template: Object,
        lifetimes: Sequence[int],
        defaults: Defaults,
        order: int,
        claim_templates: Sequence[Object],
    ) -> None:
        spec = self._spec(ref, template)
        metadata = template.get("metadata") or {}
        self._unmodelled.note_pod(ref, spec)
        first = len(self.containers)
        self._add_containers(ref, spec, metadata.get("annotations") or {})
        self._note_unused(ref, spec, metadata.get("annotations") or {})
        first_lifecycle = len(self.lifecycles)
        self.lifecycles.extend(lifetimes)
        first_claim = len(self.claims)
        self.claims += self._volumes.needed(str(ref), ref.namespace, spec)
        own_claims = claim_templates or any(v.get("ephemeral") for v in spec.get("volumes") or ())
        bare = _without_resources(spec)
        content = [workload, metadata.get("labels"), metadata.get("annotations"), bare]
        annotations = metadata.get("annotations") or {}
        overhead = spec.get("overhead") or {}
        pod_level = (spec.get("resources") or {}).get("requests") or {}
        pod_limits = (spec.get("resources") or {}).get("limits") or {}
        self.rows.append(
            {
                "workload": workload,
                "content": self._contents[_text(content)],
                "spec": self._specs[_text(bare)],
                "mask": self._mask(spec),
                "first_container": first,
                "end_container": len(self.containers),
                "first_lifecycle": first_lifecycle,
                "end_lifecycle": len(self.lifecycles),
                "priority": self._priority(spec),
                "class_priority": self._class_priority(spec),
                "other_policy": int(self._names_other_policy(spec)),
                "overhead_cpu": parse_cpu(overhead.get("cpu", 0)),
                "overhead_memory": parse_memory(overhead.get("memory", 0)),
                "overhead_names_cpu": int("cpu" in overhead),
                "overhead_names_memory": int("memory" in overhead),
                "pod_level": int(bool(pod_level or pod_limits)),
                "pod_cpu": _cpu(pod_level),
                "pod_memory": _memory(pod_level),
                "pod_limited": int(bool(pod_limits)),
                "pod_cpu_limit": _cpu(pod_limits),
                "pod_memory_limit": _memory(pod_limits),
                "deletion_cost": _deletion_cost(annotations),
                "bound": self._bound(spec),
                "restart_policy": self._restart_policy(ref, spec),
                "gated": int(bool(spec.get("schedulingGates"))),
                "ignored": int(self._is_ignored(ref, spec)),
                "prefers_nodes": int(_prefers_nodes(spec)),
                "never_preempts": int(self._never_preempts(spec)),
                "daemon": self._daemon(template["spec"]) if ref.kind == "DaemonSet" else UNSET,
                "namespace": self._rules.namespace(ref.namespace),
                "limits": defaults.row,
                "limits_object": self._rules.limits_object(ref.namespace),
                "bears_pressure": int(bears_pressure(spec)),
                "needed_class": self._needed_class(spec, order),
                "first_claim": first_claim,
                "end_claim": len(self.claims),
                "own_claims": int(bool(own_claims)),
            }
        )
        self.extended.append(_extended_requests(_filled_in(spec, defaults)))

    def _spec(self, ref: WorkloadRef, template: Object) -> dict[str, Any]:
        """Return a pod's spec as the scheduler sees it, one node's name in it aside."""
        spec = rewritten(template["spec"]) if self._simkube else dict(template["spec"])
        return as_daemon(spec) if ref.kind == "DaemonSet" else spec

    def _daemon(self, bare: Object) -> int:
        """Add what a DaemonSet's pod does on each node to the masks; return its row."""
        spec = rewritten(bare) if self._simkube else bare
        affinity = (spec.get("affinity") or {}).get("nodeAffinity")
        key = "daemon" + _text(
            [spec.get("nodeSelector"), spec.get("nodeName"), spec.get("tolerations"), affinity]
        )
        if key not in self._mask_numbers:
            self._mask_numbers[key] = len(self.masks)
            self.masks.append(node_uses(spec, self._nodes))
            self.selections.append(spec)
            self.taints.append([0] * len(self._nodes))
            self.preferences.append([0] * len(self._nodes))
            if self._images:
                self.images.append([0] * len(self._nodes))
        return self._mask_numbers[key]

    def _add_containers(self, ref: WorkloadRef, spec: Object, annotations: Object) -> None:
        number = len(self.rows)
        for container in spec.get("initContainers") or ():
            kind = SIDECAR if container.get("restartPolicy") == "Always" else INIT
            self._add_container(ref, number, container, kind, annotations)
        for container in spec["containers"]:
            self._add_container(ref, number, container, REGULAR, annotations)

    def _note_unused(self, ref: WorkloadRef, spec: Object, annotations: Object) -> None:
        """Note usage that is written down for a container that there is not."""
        kept = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
        names = {OURS + str(container["name"]) for container in (*kept, *spec["containers"])}
        for key in annotations:
            if key.startswith(OURS) and key not in names:
                self._unmodelled.note(
                    f"{ref}: annotation {key} names no container that runs: it is left out"
                )

    def _add_container(
        self, ref: WorkloadRef, template: int, container: Object, kind: int, annotations: Object
    ) -> None:
        resources = container.get("resources") or {}
        requests = resources.get("requests") or {}
        limits = resources.get("limits") or {}
        name = str(container["name"])
        usage = usage_of(annotations, name, regular=kind == REGULAR)
        self.watched |= kind != INIT and (usage.cpu.watched or usage.memory.watched)
        row = {
            "template": template,
            "kind": kind,
            "name": self.names[name],
            "probe": int(bool(container.get("readinessProbe"))),
            "usage_cpu": usage.cpu.constant,
            "usage_memory": usage.memory.constant,
            **self._profile("cpu", usage.cpu),
            **self._profile("memory", usage.memory),
            "cpu_request": _cpu(requests),
            "cpu_limit": _cpu(limits),
            "memory_request": _memory(requests),
            "memory_limit": _memory(limits),
        }
        for resource in ("cpu", "memory"):
            request, limit = row[f"{resource}_request"], row[f"{resource}_limit"]
            if request != UNSET and limit != UNSET and request > limit:
                self._unmodelled.note(
                    f"{ref}: container {name} requests more {resource} than its limit: "
                    f"the API server would refuse it, the engine does not"
                )
        self.containers.append(row)

    def _profile(self, resource: str, profile: Profile) -> dict[str, int]:
        """Take a profile in; its place counts from the end of the lifecycles."""
        first = len(self.numbers)
        self.numbers += profile.numbers()
        return {f"first_{resource}": first, f"end_{resource}": len(self.numbers)}

    def timelines(self) -> list[int]:
        """Return the lifetimes of pods, and behind them all other numbers."""
        for row in self.containers:
            for resource in ("cpu", "memory"):
                row[f"first_{resource}"] += len(self.lifecycles)
                row[f"end_{resource}"] += len(self.lifecycles)
        return [*self.lifecycles, *self.numbers]

    def _mask(self, spec: Object) -> int:
        affinity = (spec.get("affinity") or {}).get("nodeAffinity")
        wanted = self._images.wanted(spec) if self._images else []
        key = _text(
            [
                spec.get("nodeSelector"),
                spec.get("nodeName"),
                spec.get("tolerations"),
                affinity,
                wanted,
                sorted(required_features(spec)),
            ]
        )
        if key not in self._mask_numbers:
            mask = node_mask(spec, self._nodes)
            self.taints.append([untolerated_preferences(spec, n) for n in self._nodes])
            self.preferences.append([preference(spec, n) for n in self._nodes])
            if self._images:
                self.images.append(self._images.scores(spec, self._nodes))
            self._mask_numbers[key] = len(self.masks)
            self.masks.append(mask)
            self.selections.append(spec)
        return self._mask_numbers[key]

    def _priority(self, spec: Object) -> int:
        """Return what the pod names; where that is not its class's, it is refused."""
        if spec.get("priority") is None:
            return self._class_priority(spec)
        return int(spec["priority"])

    def _names_other_policy(self, spec: Object) -> bool:
        """Say whether the preemptionPolicy is not that of the class, for which it is refused."""
        if not spec.get("preemptionPolicy"):
            return False
        name = spec.get("priorityClassName") or ""
        _, never = self._surroundings.priorities.get(name, (0, False))
        return bool(spec["preemptionPolicy"] != ("Never" if never else "PreemptLowerPriority"))

    def _class_priority(self, spec: Object) -> int:
        name = spec.get("priorityClassName") or ""
        if name in self._surroundings.priorities:
            return self._surroundings.priorities[name][0]
        if name in _SYSTEM_PRIORITIES:
            return _SYSTEM_PRIORITIES[name]
        return 0

    def _needed_class(self, spec: Object, order: int) -> int:
        name = spec.get("priorityClassName") or ""
        if not name or name in _SYSTEM_PRIORITIES:
            return UNSET
        return self._rules.needed_class(name, order)

    def _never_preempts(self, spec: Object) -> bool:
        if spec.get("preemptionPolicy"):
            return bool(spec["preemptionPolicy"] == "Never")
        _, never = self._surroundings.priorities.get(
            spec.get("priorityClassName") or "", (0, False)
        )
        return never

    def _restart_policy(self, ref: WorkloadRef, spec: Object) -> int:
        policy = _RESTART_POLICIES.get(str(spec.get("restartPolicy")), ALWAYS)
        if ref.kind in ("Job", "CronJob"):
            if policy == ALWAYS:
                self._unmodelled.note(
                    f"{ref}: a Job's restartPolicy must be OnFailure or Never: the API server "
                    f"would refuse it, the engine takes Always"
                )
            return policy
        if ref.kind != "Pod" and policy != ALWAYS:
            self._unmodelled.note(
                f"{ref}: restartPolicy {spec['restartPolicy']}: the API server would refuse it, "
                f"the engine takes Always"
            )
            return ALWAYS
        return policy

    def _bound(self, spec: Object) -> int:
        return self._node_numbers.get(str(spec.get("nodeName")), UNSET)

    def _is_ignored(self, ref: WorkloadRef, spec: Object) -> bool:
        """No scheduler acts: another one is named, or a node or a claim that does not exist."""
        if spec.get("nodeName"):
            return spec["nodeName"] not in self._node_numbers
        if (spec.get("schedulerName") or "default-scheduler") != "default-scheduler":
            return True
        return self._waits_for_claim(ref, spec)

    def _waits_for_claim(self, ref: WorkloadRef, spec: Object) -> bool:
        """Say whether a ResourceClaim, or the template to make one of, is missing.

        Such a pod does not come into the queue, and no condition says so: Kubernetes
        `pkg/scheduler/framework/plugins/dynamicresources/dynamicresources.go` (PreEnqueue).
        """
        for claim in spec.get("resourceClaims") or ():
            for field, kind in (
                ("resourceClaimName", "ResourceClaim"),
                ("resourceClaimTemplateName", "ResourceClaimTemplate"),
            ):
                name = claim.get(field)
                known = (kind, ref.namespace, str(name)) in self._surroundings.resource_claims
                if name and not known:
                    self._unmodelled.note(
                        f"{ref}: {kind} {name} is not in the trace: the scheduler keeps the pods "
                        f"out of its queue, and says nothing about it"
                    )
                    return True
        return False


def _cpu(amounts: Object) -> int:
    return parse_cpu(amounts["cpu"]) if "cpu" in amounts else UNSET


def _memory(amounts: Object) -> int:
    return parse_memory(amounts["memory"]) if "memory" in amounts else UNSET


def _prefers_nodes(spec: Object) -> bool:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return bool(affinity.get("preferredDuringSchedulingIgnoredDuringExecution"))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def _deletion_cost(annotations: Object) -> int:
    try:
        return int(annotations.get(_DELETION_COST, 0))
    except (TypeError, ValueError):
        return 0  # as the controller takes a cost that it cannot read


def _without_resources(spec: Object) -> dict[str, Any]:
    """Return a spec without the cpu and memory of its containers, which are compared as numbers."""
    bare = dict(spec)
    for field in ("initContainers", "containers"):
        if spec.get(field):
            bare[field] = [_without_cpu_and_memory(container) for container in spec[field]]
    return bare


def _without_cpu_and_memory(container: Object) -> dict[str, Any]:
    resources = {
        field: {k: v for k, v in (values or {}).items() if k not in ("cpu", "memory")}
        for field, values in (container.get("resources") or {}).items()
        if field in ("requests", "limits")
    }
    kept = {field: values for field, values in resources.items() if values}
    return {**container, "resources": kept}


def _filled_in(spec: Object, defaults: Defaults) -> Object:
    """Return a spec with the requests of other resources that LimitRanges fill in."""
    others = {k: v for k, v in defaults.requests.items() if k not in ("cpu", "memory")}
    if not others:
        return spec
    filled = dict(spec)
    for field in ("initContainers", "containers"):
        if spec.get(field):
            filled[field] = [_with_requests(container, others) for container in spec[field]]
    return filled


def _with_requests(container: Object, defaults: Object) -> dict[str, Any]:
    resources = container.get("resources") or {}
    named = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {**container, "resources": {"requests": {**defaults, **named}}}


def _extended_requests(spec: Object) -> dict[str, int]:
    """Sum the other resources by the same rule as cpu and memory: see engine/requests.py."""
    running: dict[str, int] = {}
    sidecars: dict[str, int] = {}
    most: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        sidecar = container.get("restartPolicy") == "Always"
        for name, amount in _other_requests(container).items():
            most[name] = max(most.get(name, 0), amount + sidecars.get(name, 0))
            if sidecar:
                sidecars[name] = sidecars.get(name, 0) + amount
                running[name] = running.get(name, 0) + amount
    for container in spec["containers"]:
        for name, amount in _other_requests(container).items():
            running[name] = running.get(name, 0) + amount
    total = {name: max(running.get(name, 0), most.get(name, 0)) for name in {**running, **most}}
    total |= _other_requests(spec)  # huge pages of the whole pod
    for name, amount in _others(spec.get("overhead") or {}).items():
        total[name] = total.get(name, 0) + amount
    return total


def _other_requests(owner: Object) -> dict[str, int]:
    resources = owner.get("resources") or {}
    return _others({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _others(amounts: Object) -> dict[str, int]:
    return {k: parse_memory(v) for k, v in amounts.items() if k not in ("cpu", "memory")}


def as_records(rows: Sequence[Mapping[str, int]], dtype: np.dtype[Any]) -> Any:
    """Return rows as one array of records."""
    names = dtype.names or ()
    records = np.zeros(len(rows), dtype)
    for position, row in enumerate(rows):
        records[position] = tuple(row.get(name, 0) for name in names)
    return records
