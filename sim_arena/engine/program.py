"""A compiled trace: arrays of records, one array a concept.

Everything that is static for an episode is decided when a trace is compiled. The event loop
sees only these arrays; names and texts stay in `Program`'s Python fields, for people.

Times are nanoseconds since the trace's first event, cpu is milli-CPU, memory is bytes.
`UNSET` (-1) marks a field that a manifest does not have, and an index that points nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from traces import WorkloadRef, arithmetic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim_arena.nodes import Node

__all__ = [
    "ANTI_AFFINITY",
    "APPLICATION",
    "BUDGET",
    "CLAIM",
    "CONFLICT",
    "CONTAINER",
    "COUNT",
    "COUNT_PODS",
    "CPU",
    "CRON_JOB",
    "DAEMON_SET",
    "DEPLOYMENT",
    "EXISTING_ANTI_AFFINITY",
    "EXTENDED",
    "FAIL_INDEX",
    "FAIL_JOB",
    "HARD_SPREAD",
    "HEADER",
    "IGNORE",
    "INIT",
    "JOB",
    "LACKS_CPU",
    "LACKS_KEY",
    "LACKS_MEMORY",
    "LIMITS",
    "LIMITS_CPU",
    "LIMITS_MEMORY",
    "MEMORY",
    "NEVER",
    "NODE",
    "NOT_HELPFUL",
    "NOT_NAMED",
    "NO_AFFINITY",
    "NO_VICTIMS",
    "NO_VOLUME",
    "NS",
    "ON_FAILURE",
    "OTHER_LABELS",
    "OTHER_NODE",
    "OTHER_VOLUME",
    "OTHER_ZONE",
    "PASSES",
    "POD",
    "PODS",
    "PORTS",
    "PORTS_TAKEN",
    "PREFERRED",
    "PRIORITY",
    "QUOTA",
    "REASONS",
    "REGULAR",
    "REPLICA_SET",
    "REQUIRED_AFFINITY",
    "REQUIRED_ANTI",
    "SIDECAR",
    "SKEWED",
    "SOFT_SPREAD",
    "STATEFUL_SET",
    "STATIC",
    "TAINTED",
    "TEMPLATE",
    "TERM",
    "TOO_MANY_PODS",
    "UNDECLARED",
    "UNSCHEDULABLE_NODE",
    "Arrays",
    "Program",
    "Rule",
]

NS = 1_000_000_000

# Kinds of workload.
POD, DEPLOYMENT, REPLICA_SET, STATEFUL_SET, DAEMON_SET, JOB, CRON_JOB = range(7)
# Restart policies; Always is 0.
ALWAYS, ON_FAILURE, NEVER = range(3)
# Kinds of container.
REGULAR, INIT, SIDECAR = range(3)
# What a failed pod means for its Job (podFailurePolicy).
COUNT, IGNORE, FAIL_JOB, FAIL_INDEX = range(4)

# Kinds of rule: objects that decide which pods there may be.
LIMITS, QUOTA, PRIORITY, BUDGET, CLAIM = range(5)
# What a bound of a LimitRange or a ResourceQuota is about.
PODS, COUNT_PODS, CPU, MEMORY, LIMITS_CPU, LIMITS_MEMORY, EXTENDED = range(7)

# Kinds of term: what a pod asks of the pods around it.
HARD_SPREAD, SOFT_SPREAD, REQUIRED_AFFINITY, REQUIRED_ANTI, PREFERRED, PORTS = range(6)

# Why a node was passed over. The texts are the scheduler's own; the extended resources follow.
REASONS = (
    "",  # 0 is "passes"
    "node(s) were unschedulable",
    "node(s) didn't match the requested node name",
    "node(s) had untolerated taint(s)",
    "node(s) didn't match Pod's node affinity/selector",
    "node(s) didn't satisfy plugin(s) [NodeAffinity]",
    "pod affinity terms conflict",
    "node(s) didn't have free ports for the requested pod ports",
    "Too many pods",
    "Insufficient cpu",
    "Insufficient memory",
    "node(s) didn't match pod topology spread constraints",
    "node(s) didn't match pod topology spread constraints (missing required label)",
    "node(s) didn't match pod affinity rules",
    "node(s) didn't match pod anti-affinity rules",
    "node(s) didn't satisfy existing pods anti-affinity rules",
    "node(s) didn't match PersistentVolume's node affinity",
    "node(s) had no available volume zone",
    "node(s) didn't find available persistent volumes to bind",
    "node(s) didn't match Pod's required features",
    "No preemption victims found for incoming pod",
    "Preemption is not helpful for scheduling",
)
(
    PASSES,
    UNSCHEDULABLE_NODE,
    OTHER_NODE,
    TAINTED,
    OTHER_LABELS,
    NOT_NAMED,
    CONFLICT,
    PORTS_TAKEN,
    TOO_MANY_PODS,
    LACKS_CPU,
    LACKS_MEMORY,
    SKEWED,
    LACKS_KEY,
    NO_AFFINITY,
    ANTI_AFFINITY,
    EXISTING_ANTI_AFFINITY,
    OTHER_VOLUME,
    OTHER_ZONE,
    NO_VOLUME,
    UNDECLARED,
    NO_VICTIMS,
    NOT_HELPFUL,
) = range(len(REASONS))


def _record(*fields: tuple[str, str]) -> np.dtype[Any]:
    return np.dtype(list(fields), align=True)


HEADER = _record(
    ("nodes", "i8"),
    ("templates", "i8"),
    ("containers", "i8"),
    ("applications", "i8"),
    ("workloads", "i8"),
    ("jobs", "i8"),  # that CronJobs may start: rows of `workloads` behind the trace's own
    ("extended", "i8"),
    ("lifecycles", "i8"),
    ("terms", "i8"),
    ("taints", "i8"),  # whether a node has a PreferNoSchedule taint
    ("images", "i8"),  # whether a node has container images
    ("areas_shared", "i8"),  # a soft constraint counts several templates' pods by domain
    ("whole", "i8"),  # needs more than the core of the engine: see `loop.advance`
    ("looks_at_pods", "i8"),  # a filter looks at other pods, or a pod may preempt
    ("preempts", "i8"),  # whether the templates' priorities differ
    ("admission", "i8"),  # whether the API server may change or refuse a pod
    ("budgets", "i8"),  # whether there are PodDisruptionBudgets
    ("claims", "i8"),  # whether pods have claims for volumes
    ("usage", "i8"),  # whether a container's usage has a profile: see kubelet.py
    ("names_nodes", "i8"),  # whether a template names its node: its pods begin as they are made
    ("rule_objects", "i8"),
    ("pod_containers", "i8"),  # most containers in one pod
    ("image_pull_delay", "i8"),
    ("image_pull_jitter", "i8"),
    ("pod_startup_delay", "i8"),
    ("pod_startup_jitter", "i8"),
)
NODE = _record(("cpu", "i8"), ("memory", "i8"), ("pods", "i8"))
TEMPLATE = _record(
    ("workload", "i8"),
    ("content", "i8"),  # equal for equal templates of a workload, resources aside
    ("spec", "i8"),  # equal for equal pod specs of all workloads, resources aside
    ("mask", "i8"),
    ("first_container", "i8"),
    ("end_container", "i8"),
    ("first_lifecycle", "i8"),
    ("end_lifecycle", "i8"),
    ("priority", "i8"),
    ("overhead_cpu", "i8"),
    ("overhead_memory", "i8"),
    ("pod_cpu", "i8"),
    ("pod_memory", "i8"),
    ("overhead_names_cpu", "i8"),
    ("overhead_names_memory", "i8"),
    ("pod_level", "i8"),  # has requests or limits of the whole pod
    ("pod_limited", "i8"),  # has limits of the whole pod, which may fill its requests in
    ("pod_cpu_limit", "i8"),
    ("pod_memory_limit", "i8"),
    ("deletion_cost", "i8"),
    ("bound", "i8"),  # the node that the manifest names, or UNSET
    ("restart_policy", "i8"),
    ("gated", "i8"),
    ("never_preempts", "i8"),
    ("first_hard", "i8"),
    ("end_hard", "i8"),
    ("first_soft", "i8"),
    ("end_soft", "i8"),
    ("first_affinity", "i8"),
    ("end_affinity", "i8"),
    ("first_anti", "i8"),
    ("end_anti", "i8"),
    ("first_preferred", "i8"),
    ("end_preferred", "i8"),
    ("first_ports", "i8"),
    ("end_ports", "i8"),
    ("first_incoming", "i8"),  # in `incoming`: other pods' terms that this pod matches
    ("end_incoming", "i8"),
    ("own_constraints", "i8"),  # names topologySpreadConstraints itself
    ("matches_all", "i8"),  # row of `matches`: the pods that match every affinity term
    ("matches_itself", "i8"),  # this pod matches its own affinity terms
    ("prefers_nodes", "i8"),
    ("ignored", "i8"),  # another scheduler's pod
    ("namespace", "i8"),
    ("limits", "i8"),  # the version of the LimitRanges that filled it in, or UNSET
    ("limits_object", "i8"),  # the LimitRanges of its namespace, or UNSET
    ("end_variant", "i8"),  # behind its variants for later versions of the LimitRanges
    ("first_claim", "i8"),  # in `claims`: those that the pods name
    ("end_claim", "i8"),
    ("own_claims", "i8"),  # each pod has claims of its own, which nobody binds
    ("class_priority", "i8"),  # what its PriorityClass, or none, makes of its priority
    ("other_policy", "i8"),  # names another preemptionPolicy than its PriorityClass
    ("needed_class", "i8"),  # the PriorityClass without which it is refused, or UNSET
    ("daemon", "i8"),  # UNSET, or of a DaemonSet the row of `static` with the nodes it runs on
    ("bears_pressure", "i8"),  # tolerates the taint of a node that is short of memory
    ("evenly_spread", "i8"),  # default spreading applies, and no node has a label for it
)
CONTAINER = _record(
    ("template", "i8"),
    ("kind", "i8"),
    ("name", "i8"),
    ("probe", "i8"),
    ("usage_cpu", "i8"),  # what it uses always; what varies comes on top, see usage.py
    ("usage_memory", "i8"),
    ("first_cpu", "i8"),  # in `timelines`: the terms of its profile
    ("end_cpu", "i8"),
    ("first_memory", "i8"),
    ("end_memory", "i8"),
    ("cpu_request", "i8"),
    ("cpu_limit", "i8"),
    ("memory_request", "i8"),
    ("memory_limit", "i8"),
)
APPLICATION = _record(
    ("time", "i8"),
    # How many milliseconds after its moment's first object it is applied; 0: that is drawn.
    ("offset", "i8"),
    ("workload", "i8"),
    ("template", "i8"),  # UNSET: the object is deleted
    ("rule", "i8"),  # 0, or 1 more than the row of `rules` that begins to hold
    ("everything", "i8"),  # deleted with its namespace, so that no pod of it stays
    ("replicas", "i8"),
    ("min_ready", "i8"),
    ("surge", "i8"),
    ("unavailable", "i8"),
    ("surge_percent", "i8"),
    ("unavailable_percent", "i8"),
    ("recreate", "i8"),
    ("paused", "i8"),
    ("parallel", "i8"),
    ("on_delete", "i8"),
    ("partition", "i8"),
    ("start", "i8"),  # the first ordinal
    ("history", "i8"),  # how many old ReplicaSets are kept
    # Of Jobs, and of the Jobs that a CronJob starts.
    ("parallelism", "i8"),
    ("completions", "i8"),
    ("indexed", "i8"),
    ("backoff_limit", "i8"),
    ("index_limit", "i8"),  # backoffLimitPerIndex
    ("most_failed", "i8"),  # maxFailedIndexes
    ("first_success", "i8"),  # in `timelines`: the rules of a successPolicy, see job.py
    ("end_success", "i8"),
    ("deadline", "i8"),
    ("suspended", "i8"),
    ("ttl", "i8"),
    ("on_failure", "i8"),  # what a failed pod means: `COUNT` and the like
    ("on_eviction", "i8"),  # and one that was evicted
    # Of CronJobs.
    ("schedule", "i8"),  # equal for equal schedules in equal time zones
    ("first_job", "i8"),  # the rows of `workloads` that it may start, by time
    ("end_job", "i8"),
    ("halted", "i8"),  # suspend
    ("one_at_a_time", "i8"),  # concurrencyPolicy: Forbid
    ("replaces", "i8"),  # concurrencyPolicy: Replace
    ("start_within", "i8"),  # startingDeadlineSeconds
    ("keeps_complete", "i8"),  # successfulJobsHistoryLimit
    ("keeps_failed", "i8"),  # failedJobsHistoryLimit
)
TERM = _record(
    ("kind", "i8"),
    ("template", "i8"),
    ("key", "i8"),  # row of `domains`
    ("hostname", "i8"),
    ("matches", "i8"),  # row of `matches`; UNSET: the pods of the same ReplicaSet
    ("included", "i8"),  # row of `included`: the nodes that count
    ("weight", "i8"),  # negative for anti-affinity
    ("max_skew", "i8"),
    ("min_domains", "i8"),
    ("matches_itself", "i8"),
    ("areas", "i8"),  # domains, and one for the nodes without; 0: not counted by domain
)
# One version of an object that decides which pods there may be.
RULE = _record(
    ("kind", "i8"),
    ("object", "i8"),
    ("namespace", "i8"),
    ("exists", "i8"),
    ("first", "i8"),  # in `amounts`
    ("end", "i8"),
    ("scope", "i8"),  # row of `matches`: the templates that it is about; UNSET: all. Of a bound
    # claim, row of `included`: for each node why its volume cannot be used there, or 0
    ("bound", "i8"),  # a claim is bound
    ("waits", "i8"),  # a claim waits for its first pod
    ("protects", "i8"),  # row of `matches`: the templates that a budget holds preemption off
    ("best_effort", "i8"),  # 1 or 0: a quota is only about such pods; UNSET: about both
    ("cpu_request", "i8"),  # a LimitRange's defaults
    ("cpu_limit", "i8"),
    ("memory_request", "i8"),
    ("memory_limit", "i8"),
)
AMOUNT = _record(
    ("resource", "i8"),
    ("whole_pod", "i8"),  # a LimitRange's bound is for pods, not for containers
    ("least", "i8"),
    ("most", "i8"),
    ("percent", "i8"),  # a budget's bound is one
    ("ratio", "i8"),  # most limit for each request, in thousandths
    ("column", "i8"),  # of `template_extended`
)
# What depends on a pod template and a node alone.
STATIC = _record(
    ("reason", "i8"),  # why a static filter rejects the node; `PASSES`
    ("taints", "i8"),  # PreferNoSchedule taints not tolerated
    ("preference", "i8"),  # weight of the matching preferred node affinity terms
    ("images", "i8"),  # score for the images that the node has
)
WORKLOAD = _record(
    ("kind", "i8"),
    ("first_template", "i8"),
    ("end_template", "i8"),
    ("owner", "i8"),  # of a Job that a CronJob may start, the CronJob; else the workload itself
    ("time", "i8"),  # of such a Job, when it is due
    ("minute", "i8"),  # the Unix minute in its name
    ("first_job", "i8"),  # of a CronJob, the Jobs that it may start
    ("end_job", "i8"),
)


class Arrays(NamedTuple):
    """The arrays of one program, or of a batch of them (with a leading axis)."""

    header: Any
    nodes: Any
    templates: Any
    containers: Any
    applications: Any
    workloads: Any
    static: Any  # [mask, node]: see `STATIC`
    node_extended: Any  # [node, resource]
    template_extended: Any  # [template, resource]
    timelines: Any  # nanoseconds from Running to Succeeded, UNSET: never; behind all of these
    # the terms of usage profiles, and the rules of successPolicies
    terms: Any
    matches: Any  # [row, template]: whether a template's pods match
    domains: Any  # [key, node]: number of the node's topology domain, UNSET without the label
    included: Any  # [row, node]: whether a node counts for a spread constraint
    incoming: Any  # numbers of terms
    logs: Any  # [size]: ln(size + 2)
    rules: Any
    amounts: Any
    claims: Any  # numbers of rules' objects


@dataclass(frozen=True, slots=True)
class Rule:
    """The names behind a row of `rules`, for messages.

    Attributes:
        kind: the object's kind.
        namespace: its namespace.
        name: its name.
        resources: the names of the amounts that follow one another from its first on.
    """

    kind: str
    namespace: str
    name: str
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """A trace on given nodes, compiled.

    Attributes:
        arrays: what the event loop reads.
        workloads: the trace's objects, in order of appearance.
        container_names: names by the number in a container's record.
        extended: names of the extended resources.
        selections: for each row of `static` a pod spec of that selection of nodes.
        nodes: the nodes in the scheduler's order.
        warnings: every kind and field that the engine does not model, by name.
        duration_s: where the window ends, in seconds after the first event.
        rules: the names of the rules, by row.
        objects: the names of PriorityClasses and claims, by the number of the object.
    """

    arrays: Arrays
    workloads: tuple[WorkloadRef, ...]
    container_names: tuple[str, ...]
    extended: tuple[str, ...]
    selections: tuple[Mapping[str, Any], ...]
    nodes: tuple[Node, ...]
    warnings: tuple[str, ...]
    duration_s: int
    rules: tuple[Rule, ...] = ()
    objects: Mapping[int, str] = field(default_factory=dict)

    def index(self, ref: WorkloadRef) -> int:
        """Return the number of a workload.

        Raises:
            KeyError: if the trace has no such workload.
        """
        try:
            return self.workloads.index(ref)
        except ValueError:
            raise KeyError(ref) from None

    def edit_container(
        self,
        ref: WorkloadRef,
        resource: str,
        op: str,
        amount: int,
        low: int = 0,
        high: int = arithmetic.UNBOUNDED,
        *,
        container: str | None = None,
    ) -> Program:
        """Return a program whose workload has other requests or limits.

        It equals the program compiled from the trace with the same edit.

        Args:
            ref: the workload.
            resource: `cpu` or `memory`.
            op: `change_request`, `change_limit` or `set_limit` of `traces.arithmetic`.
            amount: the step or the value, in milli-CPU or bytes.
            low: lower bound of the result.
            high: upper bound of the result.
            container: the container's name; by default the first regular one.
        """
        change = {
            "change_request": arithmetic.change_request,
            "change_limit": arithmetic.change_limit,
            "set_limit": arithmetic.set_limit,
        }[op]
        containers = self.arrays.containers.copy()
        request, limit = f"{resource}_request", f"{resource}_limit"
        for row in self._containers_named(ref, container):
            before = int(containers[request][row]), int(containers[limit][row])
            containers[request][row], containers[limit][row] = change(*before, amount, low, high)
        return replace(self, arrays=self.arrays._replace(containers=containers))

    def edit_replicas(
        self, ref: WorkloadRef, step: int, low: int = 0, high: int = arithmetic.UNBOUNDED
    ) -> Program:
        """Return a program whose workload has `step` more replicas wherever it is applied.

        Nothing changes for a workload that has none: a Job, CronJob or DaemonSet.
        """
        if self.arrays.workloads["kind"][self.index(ref)] > STATEFUL_SET:
            return self
        applications = self.arrays.applications.copy()
        for row in np.flatnonzero(applications["workload"] == self.index(ref)):
            if applications["template"][row] != arithmetic.UNSET:
                before = int(applications["replicas"][row])
                applications["replicas"][row] = arithmetic.change_replicas(before, step, low, high)
        return replace(self, arrays=self.arrays._replace(applications=applications))

    def _containers_named(self, ref: WorkloadRef, container: str | None) -> list[int]:
        workload = self.arrays.workloads[self.index(ref)]
        rows: list[int] = []
        for template in self.arrays.templates[
            workload["first_template"] : workload["end_template"]
        ]:
            for row in range(template["first_container"], template["end_container"]):
                record = self.arrays.containers[row]
                name = self.container_names[record["name"]]
                # The edits of trace files know no init containers.
                if record["kind"] == REGULAR and container in (None, name):
                    rows.append(row)
                    break
        return rows
