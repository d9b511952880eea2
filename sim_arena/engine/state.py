"""What changes while a program runs: arrays of records that are reused from run to run."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sim_arena.engine.program import CONTAINER, REASONS, Arrays

__all__ = [
    "CLOCK",
    "CONTAINER_STATE",
    "ENTRY",
    "FAILED",
    "GONE",
    "PENDING",
    "POD_STATE",
    "RUNNING",
    "SET_STATE",
    "SUCCEEDED",
    "WORKLOAD_STATE",
    "State",
    "allocate",
    "grow",
]

# Phases of a pod; GONE is a deleted one, whose row stays.
PENDING, RUNNING, SUCCEEDED, FAILED, GONE = range(5)
# Where a pod stands with the scheduler.
NOWHERE, ACTIVE, BACKOFF, WAITING = range(4)
# What the PodScheduled condition says.
SILENT, UNSCHEDULABLE, GATED, NO_NODES, NOMINATED, MISSING_CLAIM, UNBOUND_CLAIM = range(7)
# Or, of a Failed pod, why it is that.
EVICTED = 7
# States of a container.
CREATED, UP, CRASHED, DOWN = range(4)
# Kinds of timer.
START, COMPLETE, RESTART, PROBE, AVAILABLE, FLUSH, RETRY, SYNC, TICK, RELEASE = range(10)
# Whether a workload's controller hears of its pods: not, within the moment, or once a second.
DEAF, PROMPT, BATCHED = range(3)
# How a Job stands with a pod: not its own any more, to be counted, counted.
ORPHAN, UNCOUNTED, COUNTED = range(3)
# What refused a pod.
NOT_REFUSED, BY_PRIORITY, BY_VALIDATION, BY_LIMITS, BY_QUOTA, BY_VALUE, BY_POLICY = range(7)
# Why a run stopped.
DONE, FULL, MORE = range(3)


def _record(*fields: tuple[str, str]) -> np.dtype[Any]:
    return np.dtype(list(fields), align=True)


CLOCK = _record(
    ("program", "i8"),  # which of the batch's programs is run; kept when the run is set back
    ("now", "i8"),
    ("seed", "i8"),
    ("serial", "i8"),  # one number for every push; also the clock within a moment, see order.py
    ("cursor", "i8"),  # the next application
    ("pods", "i8"),
    ("active", "i8"),
    ("backoff", "i8"),
    ("waiting", "i8"),
    ("timers", "i8"),
    ("dirty_first", "i8"),
    ("dirty", "i8"),
    ("racing", "i8"),  # whether the order within the moment can matter
    ("guided", "i8"),  # whether everything happens when it really did, or `REFUSES`: see guided.py
    ("began", "i8"),  # when, by `serial`, the moment began
    ("apply_at", "i8"),  # when, by `serial`, the moment's next object is applied
    ("late", "i8"),  # how much later, by `serial`, the pod that is being made comes
    ("slow", "i8"),  # by how many doublings all delays are longer, see order.py
    ("choices", "i8"),  # how many delays were drawn
    ("order", "i8"),  # random bits that they are drawn from
    ("start_node", "i8"),
    ("flush_armed", "i8"),
    ("changes", "i8"),  # how often what the filters look at has changed
    ("nominees", "i8"),
    ("sets", "i8"),
    ("ticking", "i8"),  # whether the kubelets' next second is set
    ("status", "i8"),
)
NODE_STATE = _record(
    ("cpu", "i8"),
    ("memory", "i8"),
    ("scored_cpu", "i8"),  # with the scheduler's defaults for containers without requests
    ("scored_memory", "i8"),
    ("pods", "i8"),
    ("pressed_until", "i8"),  # until when it has the taint of memory pressure; 0: it has none
)
# One row a template. A ReplicaSet of a Deployment has the row of its template; a StatefulSet's
# or ReplicaSet's own pods, and a bare Pod, have the row of the object's first template. The Jobs
# that CronJobs may start have the rows behind those of the templates.
SET_STATE = _record(
    ("exists", "i8"),
    ("workload", "i8"),
    ("order", "i8"),  # of creation
    ("min_ready", "i8"),  # how long a pod must be ready to be available
    ("template", "i8"),  # of the pods that it makes
    ("replicas", "i8"),
    ("desired", "i8"),  # annotation deployment.kubernetes.io/desired-replicas
    ("largest", "i8"),  # annotation deployment.kubernetes.io/max-replicas
    ("active", "i8"),
    ("ready", "i8"),
    ("available", "i8"),
    ("head", "i8"),
    ("dirty", "i8"),
    ("due", "i8"),  # when, by `clock.serial`, its controller looks at it
    ("made", "i8"),  # pods ever made, per spec: see lifecycle.py
    ("spec_owner", "i8"),
    ("cpu", "i8"),  # what a pod of this template requests
    ("memory", "i8"),
    ("scored_cpu", "i8"),
    ("scored_memory", "i8"),
    ("placed_cpu", "i8"),
    ("placed_memory", "i8"),
    ("refused_at", "i8"),  # `clock.changes` when no node could take a pod of this template
    ("refused", "i8"),  # that pod
    ("keeps", "i8"),  # the template that has this row's number in `kept`
)
WORKLOAD_STATE = _record(
    ("exists", "i8"),
    ("application", "i8"),
    ("template", "i8"),
    ("current", "i8"),  # a StatefulSet's status.currentRevision
    ("rolling", "i8"),  # whether its controller hears of its pods: `DEAF` and the like
    ("dirty", "i8"),
    ("due", "i8"),
    ("sync_at", "i8"),  # when its controller looks at it again by itself, or UNSET
    ("evicted", "i8"),  # pods, so far
    # Of a Job.
    ("started", "i8"),
    ("deadline_at", "i8"),  # when it is overdue, if it is to be looked at then
    ("ending", "i8"),  # what becomes of it when its last pods are gone: see job.py
    ("ended", "i8"),  # what became of it
    ("ended_at", "i8"),
    ("succeeded", "i8"),  # pods, or indexes
    ("failed", "i8"),
    ("failures", "i8"),  # since the last success
    ("failed_at", "i8"),
    ("active_seen", "i8"),  # what its status says
    ("ready_seen", "i8"),
    # Of a CronJob.
    ("created", "i8"),
    ("last", "i8"),  # the slot of the Job that was started last, or UNSET
)
# One row an object of which a rule is a version.
RULE_STATE = _record(
    ("row", "i8"),  # of the version that holds, or UNSET
    ("allowed", "i8"),  # a PodDisruptionBudget: how many pods may go
    ("left", "i8"),  # scratch
)
# One row a template, for programs whose pods the API server may change or refuse: what its pods
# ask for when all is filled in; and for a set, what became of its last attempt to make a pod.
ADMISSION_STATE = _record(
    ("cpu_limit", "i8"),
    ("memory_limit", "i8"),
    ("best_effort", "i8"),
    ("verdict", "i8"),  # what validation and the LimitRanges say: see limit_ranges.py
    ("refused", "i8"),
    ("variant", "i8"),  # the template of the pod that was refused
    ("by", "i8"),  # the rule, or the PriorityClass that is missing
    ("failures", "i8"),  # in a row
    ("tries", "i8"),  # refusals ever
    # While its controller is making pods, see slow_start.py:
    ("batch", "i8"),  # how many at a time; else 0
    ("left", "i8"),  # of these, still to be asked for
    ("need", "i8"),  # of all, still to be asked for
    ("denied", "i8"),  # whether one of these was refused
    ("at", "i8"),  # the next ordinal, index or node
    ("retry_at", "i8"),
    ("early", "i8"),  # whether it is tried again within a moment that reaches up to `retry_at`
)
POD_STATE = _record(
    ("template", "i8"),
    ("set", "i8"),
    ("workload", "i8"),
    ("node", "i8"),
    ("phase", "i8"),
    ("ready", "i8"),
    ("available", "i8"),
    ("next", "i8"),
    ("previous", "i8"),
    ("queue", "i8"),
    ("waiting_at", "i8"),
    ("attempts", "i8"),
    ("rejected_fit", "i8"),
    ("rejected_spread", "i8"),
    ("rejected_affinity", "i8"),
    ("rejected_ports", "i8"),
    ("rejected_claims", "i8"),
    ("nominated", "i8"),  # the node where pods were evicted for this one, or UNSET
    ("message", "i8"),
    ("restarts", "i8"),
    ("unready", "i8"),  # containers that are not ready
    ("ordinal", "i8"),
    ("rank", "i8"),
    ("created", "i8"),
    ("started", "i8"),
    ("ready_since", "i8"),
    ("attempted", "i8"),
    ("stamp", "i8"),  # place in the queue among pods of one priority
    ("lifetime", "i8"),
    ("ended", "i8"),
    ("tracked", "i8"),  # how its Job stands with it: `ORPHAN` and the like
    ("failures", "i8"),  # of the pods in whose place it is
)
CONTAINER_STATE = _record(
    ("state", "i4"),
    ("ready", "i4"),
    ("restarts", "i4"),
    ("oom_killed", "i4"),
    ("crashes", "i4"),  # since the back-off was last reset
    # For programs whose usage has profiles: as it was read last. See kubelet.py.
    ("probed_at", "i4"),  # the second since which probes say other than `ready`, or UNSET
    ("wanted", "i4"),  # milli-CPU
    ("given", "i4"),
    ("memory", "i8"),
    ("started", "i8"),
)
# Room for one scheduling cycle: by node, by domain, and by place in the list of feasible nodes.
NODE_ROOM = _record(
    ("verdict", "i8"),  # by node: what the pods already there say of it
    ("domain", "i8"),  # by domain: pods
    ("feasible", "i8"),  # by place: the node
    ("score", "i8"),  # by place: the sum of all plugins
    ("raw", "i8"),
)
# What `kept` says of a node instead of a score: it must be looked at, it has no room.
STALE, NO_ROOM = -2, -1
# What `guided` says while a controller acts whose pods a quota has really refused then.
REFUSES = 2
# The lanes of `lanes`, by place in the list of feasible nodes: the node, the sum of the scores,
# one plugin's score, and how many pods are where that node is.
FEASIBLE, SCORE, RAW, AROUND = range(4)
_MOST_KEPT = 64  # templates whose nodes' standing is kept at a time
# Lists of pods, side by side; each has its length elsewhere.
POD_LISTS = _record(
    ("waiting", "i8"),  # unschedulable pods, in no order
    ("nominee", "i8"),  # pods for which others were evicted, in no order
    ("scratch", "i8"),
    ("chosen", "i8"),  # victims of a preemption
    ("spared", "i8"),  # whether the loss of the chosen one breaks a PodDisruptionBudget
)
CANDIDATE = _record(
    ("node", "i8"),
    ("violations", "i8"),  # of PodDisruptionBudgets
    ("highest", "i8"),  # priority of the most important victim
    ("priorities", "i8"),  # sum over the victims, each moved above 0
    ("count", "i8"),
    ("start", "i8"),  # earliest start among the most important victims
)
ENTRY = _record(
    ("a", "i8"),
    ("b", "i8"),
    ("c", "i8"),
    ("kind", "i8"),
    ("pod", "i8"),
    ("container", "i8"),
    ("token", "i8"),
)


class State(NamedTuple):
    """The mutable arrays of one run, or of a batch (with a leading axis)."""

    clock: Any
    nodes: Any
    extended: Any  # [node, resource]: requested
    sets: Any
    workloads: Any
    pods: Any
    containers: Any  # [pod * most containers in a pod]
    rejections: Any  # [pod, 2 x reason]: nodes by reason, of the last failed attempt; the
    # second half is what preemption says of them
    placed: Any  # [template, node]: pods; empty where no pod asks for others
    staying: Any  # [template, node]: those of them that are not on their way out
    active: Any
    backoff: Any
    timers: Any
    dirty: Any  # ring of sets, and of workloads behind them
    victims: Any  # scratch, [node]: candidates of a preemption
    room: Any  # scratch, [node]: see `NODE_ROOM`
    lists: Any  # [pod or template]: see `POD_LISTS`
    rules: Any  # [object]: see `RULE_STATE`
    admission: Any  # [template, then Job of a CronJob]: see `ADMISSION_STATE`
    filled: Any  # [container]: as the API server fills it in
    used: Any  # [template or such a Job, amount]: of the quota that refused its pod
    kept: Any  # [row, node]: see standing.py
    crowds: Any  # [term, domain]: pods that a soft spread constraint counts
    lanes: Any  # scratch, [lane, place]: each lane lies in one piece, for loops that are vectorised
    exact: Any  # scratch, [place]: a score before it is rounded


def allocate(programs: Arrays, pods: int) -> State:
    """Make the state for a batch of runs with room for `pods` pods each.

    There is a run for each of `programs.containers`, and run `b` plays program `b`; where the
    programs are shared, `clock.program` says which one.
    """
    header = programs.header
    batch = len(programs.containers)
    nodes = max(1, programs.nodes.shape[1])
    extended = programs.node_extended.shape[2]
    templates = max(1, programs.templates.shape[1])
    workloads = max(1, programs.workloads.shape[1])
    sets = templates + int(header["jobs"].max(initial=0))
    per_pod = max(1, int(header["pod_containers"].max(initial=1)))
    with_terms = bool(header["terms"].any())
    timers = 64 + templates + 2 * workloads + pods * (3 + 2 * per_pod)
    admission = bool(header["admission"].any())
    areas = int(programs.terms["areas"].max(initial=0))

    def records(dtype: Any, *shape: int) -> Any:
        return np.zeros((batch, *shape), dtype).view(np.recarray)

    clock = records(CLOCK, 1)
    clock["program"][:, 0] = np.arange(batch)
    return State(
        clock=clock,
        nodes=records(NODE_STATE, nodes),
        extended=np.zeros((batch, nodes, extended), np.int64),
        sets=records(SET_STATE, sets),
        workloads=records(WORKLOAD_STATE, workloads),
        pods=records(POD_STATE, pods),
        containers=records(CONTAINER_STATE, pods * per_pod),
        rejections=np.zeros((batch, pods, 2 * (len(REASONS) + extended)), np.int64),
        placed=np.zeros((batch, templates if with_terms else 0, nodes), np.int64),
        staying=np.zeros((batch, templates if with_terms else 0, nodes), np.int64),
        active=records(ENTRY, 2 * pods),
        backoff=records(ENTRY, 2 * pods),
        timers=records(ENTRY, timers),
        dirty=np.zeros((batch, sets + workloads), np.int64),
        victims=records(CANDIDATE, nodes),
        room=records(NODE_ROOM, nodes + 1),
        lists=records(POD_LISTS, max(pods, templates)),
        rules=records(RULE_STATE, int(header["rule_objects"].max(initial=0))),
        admission=records(ADMISSION_STATE, sets if admission else 0),
        filled=records(CONTAINER, programs.containers.shape[1] if admission else 0),
        used=np.zeros((batch, sets if admission else 0, programs.amounts.shape[1]), np.int64),
        kept=np.zeros((batch, min(templates, _MOST_KEPT), nodes), np.int64),
        crowds=np.zeros((batch, programs.terms.shape[1], areas), np.int64),
        lanes=np.zeros((batch, 4, nodes + 1), np.int64),
        exact=np.zeros((batch, nodes + 1), np.float64),
    )


def grow(programs: Arrays, state: State) -> State:
    """Return a state with twice the room for pods, in which the run can go on."""
    larger = allocate(programs, 2 * state.pods.shape[1])
    for old, new in zip(state, larger, strict=True):
        new[tuple(slice(length) for length in old.shape)] = old
    return larger
