"""What must be true of a run's arrays at any time, and once a moment is over."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sim_arena.engine import Program
from sim_arena.engine.daemonset import CONTINUES, RUNS
from sim_arena.engine.job import JOB_COMPLETE, JOB_FAILED, JOB_GOES_ON
from sim_arena.engine.program import (
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    INIT,
    JOB,
    NS,
    REPLICA_SET,
    SIDECAR,
    STATEFUL_SET,
)
from sim_arena.engine.state import (
    ACTIVE,
    BACKOFF,
    FAILED,
    GONE,
    ORPHAN,
    PENDING,
    RUNNING,
    SUCCEEDED,
    WAITING,
    State,
)
from traces.arithmetic import UNSET

__all__ = ["check", "check_settled", "pod_requests"]

ORDERED = (PENDING, RUNNING)


def pod_requests(program: Program, template: int) -> tuple[int, int]:
    """cpu and memory of a pod, by the words of the Kubernetes documentation.

    The largest of what all containers that run together request, and of what is there while
    each init container runs; requests of the whole pod replace it; overhead comes on top.
    """
    record = program.arrays.templates[template]
    rows = program.arrays.containers[record["first_container"] : record["end_container"]]
    found = []
    for resource in ("cpu", "memory"):
        named = [
            int(row[f"{resource}_request"])
            if row[f"{resource}_request"] != UNSET
            else int(row[f"{resource}_limit"])
            for row in rows
        ]
        default = UNSET
        if record["limits"] != UNSET:
            default = int(program.arrays.rules[f"{resource}_request"][record["limits"]])
        needs = [max(0, default if need == UNSET else need) for need in named]
        total = _with_init(needs, rows)
        if record[f"pod_{resource}"] != UNSET:
            total = int(record[f"pod_{resource}"])
        elif max(named) == UNSET and record[f"pod_{resource}_limit"] != UNSET:
            total = int(record[f"pod_{resource}_limit"])
        elif record["pod_limited"] and max(named) != UNSET:
            total = _with_init([max(0, need) for need in named], rows)
        found.append(total + int(record[f"overhead_{resource}"]))
    return found[0], found[1]


def _with_init(needs: list[int], rows: Any) -> int:
    stages = [sum(need for need, row in zip(needs, rows, strict=True) if row["kind"] != INIT)]
    sidecars = 0
    for need, row in zip(needs, rows, strict=True):
        if row["kind"] == INIT:
            stages.append(need + sidecars)
        elif row["kind"] == SIDECAR:
            sidecars += need
    return max(stages)


def check(program: Program, state: State) -> None:
    """What holds after every single step of the loop."""
    pods = _present(program, state)
    _check_lists(program, state, pods)
    _check_nodes(program, state, pods)
    _check_pods(program, state, pods)
    _check_queue(state)


def check_settled(program: Program, state: State) -> None:
    """What holds besides when nothing is left to do at the present time."""
    check(program, state)
    clock = state.clock[0]
    assert clock["active"] == clock["backoff"] == clock["dirty"] == 0
    _check_waiting(program, state)
    for w, workload in enumerate(program.arrays.workloads):
        pods = [p for p in _present(program, state) if state.pods["workload"][p] == w]
        if workload["kind"] == REPLICA_SET:
            _check_replica_set(state, int(workload["first_template"]), pods)
        elif workload["kind"] == DEPLOYMENT:
            _check_deployment(program, state, w, pods)
        elif workload["kind"] == STATEFUL_SET:
            _check_stateful_set(program, state, w, pods)
        elif workload["kind"] == DAEMON_SET:
            _check_daemon_set(program, state, w, pods)
        elif workload["kind"] == JOB:
            _check_job(program, state, w, pods)
        elif workload["kind"] == CRON_JOB:
            assert not pods
            _check_cron_job(program, state, w)


def _present(program: Program, state: State) -> list[int]:
    rows = range(int(state.clock[0]["pods"]))
    assert rows.stop <= len(state.pods)
    assert len(program.arrays.templates) <= len(state.sets)
    return [p for p in rows if state.pods["phase"][p] != GONE]


def _members(state: State, s: int) -> Iterator[int]:
    before, p = UNSET, int(state.sets["head"][s])
    while p != UNSET:
        assert state.pods["previous"][p] == before
        yield p
        before, p = p, int(state.pods["next"][p])


def _check_lists(program: Program, state: State, pods: list[int]) -> None:
    """Created = pending + running + finished + deleted, and each set knows its own."""
    listed = []
    jobs = int(program.arrays.header["jobs"][0])
    for s in range(len(program.arrays.templates) + jobs):
        members = list(_members(state, s))
        listed += members
        phases = Counter(int(state.pods["phase"][p]) for p in members)
        assert all(state.pods["set"][p] == s for p in members)
        assert state.sets["active"][s] == phases[PENDING] + phases[RUNNING]
        assert state.sets["ready"][s] == sum(state.pods["ready"][p] for p in members)
        assert state.sets["available"][s] == sum(state.pods["available"][p] for p in members)
    assert sorted(listed) == pods


def _check_nodes(program: Program, state: State, pods: list[int]) -> None:
    """A node's requests are the sum over its pods, and never more than it has."""
    for n, node in enumerate(program.arrays.nodes):
        here = [
            int(state.pods["template"][p])
            for p in pods
            if state.pods["node"][p] == n and state.pods["phase"][p] in ORDERED
        ]
        requests = [pod_requests(program, template) for template in here]
        used = state.nodes[n]
        assert used["cpu"] == sum(cpu for cpu, _ in requests) <= node["cpu"]
        assert used["memory"] == sum(memory for _, memory in requests) <= node["memory"]
        assert used["pods"] == len(here) <= node["pods"]
        for r in range(len(program.extended)):
            wanted = sum(program.arrays.template_extended[template, r] for template in here)
            assert state.extended[n, r] == wanted <= program.arrays.node_extended[n, r]
        for template in here:
            assert (
                program.arrays.static["reason"][program.arrays.templates["mask"][template], n] == 0
            )


def _check_pods(program: Program, state: State, pods: list[int]) -> None:
    for p in pods:
        pod = state.pods[p]
        template = program.arrays.templates[pod["template"]]
        if pod["phase"] in (RUNNING, SUCCEEDED, FAILED):
            assert pod["node"] != UNSET
        if pod["ready"]:
            assert pod["phase"] == RUNNING
            assert pod["unready"] == 0
        if pod["available"]:
            assert pod["ready"]
        if pod["node"] != UNSET:
            assert pod["queue"] == 0
            assert not template["gated"]
            assert not template["ignored"]
        assert pod["template"] >= program.arrays.workloads["first_template"][pod["workload"]]
        assert pod["template"] < program.arrays.workloads["end_template"][pod["workload"]]


def _check_queue(state: State) -> None:
    """Heaps are heaps, and a pod waits in one place at most."""
    clock = state.clock[0]
    for heap, size in (
        (state.active, clock["active"]),
        (state.backoff, clock["backoff"]),
        (state.timers, clock["timers"]),
    ):
        keys = [(row["a"], row["b"], row["c"]) for row in heap[:size]]
        assert all(keys[(i - 1) // 2] <= keys[i] for i in range(1, len(keys)))
    waiting = state.lists["waiting"][: clock["waiting"]].tolist()
    assert sorted(waiting) == _in_queue(state, WAITING)
    assert all(state.pods["waiting_at"][p] == i for i, p in enumerate(waiting))
    assert set(_in_queue(state, ACTIVE)) <= set(state.active["pod"][: clock["active"]].tolist())
    assert set(_in_queue(state, BACKOFF)) <= set(state.backoff["pod"][: clock["backoff"]].tolist())


def _in_queue(state: State, queue: int) -> list[int]:
    rows = state.pods[: state.clock[0]["pods"]]
    return [p for p, row in enumerate(rows) if row["queue"] == queue and row["phase"] != GONE]


def _check_waiting(program: Program, state: State) -> None:
    """A pod without a node is gated, someone else's, or fits nowhere at all."""
    for p in _present(program, state):
        pod = state.pods[p]
        template = program.arrays.templates[pod["template"]]
        if pod["phase"] != PENDING or pod["node"] != UNSET:
            continue
        if template["gated"] or template["ignored"]:
            assert pod["queue"] == 0
            continue
        assert pod["queue"] == WAITING
        if _depends_on_others(template):
            continue
        nodes = range(len(program.nodes)) if template["daemon"] == UNSET else [pod["ordinal"]]
        assert not any(
            program.arrays.static["reason"][template["mask"], n] == 0
            and _fits(program, state, pod, n)
            for n in nodes
        )


def _depends_on_others(template: Any) -> bool:
    """Whether more than a node's room decides: spreading, affinity, host ports, claims."""
    kinds = ("hard", "affinity", "anti", "ports", "incoming", "claim")
    return any(template[f"first_{kind}"] != template[f"end_{kind}"] for kind in kinds)


def _fits(program: Program, state: State, pod: Any, n: int) -> bool:
    node, used = program.arrays.nodes[n], state.nodes[n]
    cpu, memory = pod_requests(program, int(pod["template"]))
    extended = program.arrays.template_extended[pod["template"]]
    free = program.arrays.node_extended[n] - state.extended[n, : len(program.extended)]
    return bool(
        used["pods"] < node["pods"]
        and (cpu == 0 or used["cpu"] + cpu <= node["cpu"])
        and (memory == 0 or used["memory"] + memory <= node["memory"])
        and all(want == 0 or want <= has for want, has in zip(extended, free, strict=True))
    )


def _check_replica_set(state: State, s: int, pods: list[int]) -> None:
    if state.sets["exists"][s]:
        assert _is_complete(state, s)
    else:
        assert not pods


def _is_refused(state: State, s: int) -> bool:
    """Whether the API server refused the last pod that a set's controller wanted to make."""
    return len(state.admission) > 0 and bool(state.admission["refused"][s])


def _is_complete(state: State, s: int) -> bool:
    active, wanted = state.sets["active"][s], state.sets["replicas"][s]
    return bool(active < wanted if _is_refused(state, s) else active == wanted)


def _check_deployment(program: Program, state: State, w: int, pods: list[int]) -> None:
    workload = program.arrays.workloads[w]
    sets = state.sets[workload["first_template"] : workload["end_template"]]
    numbers = range(workload["first_template"], workload["end_template"])
    present = [s for s in numbers if state.sets["exists"][s]]
    assert all(_is_complete(state, s) for s in present)
    if not state.workloads["exists"][w]:
        assert not pods
        return
    application = program.arrays.applications[state.workloads["application"][w]]
    active = [p for p in pods if state.pods["phase"][p] in ORDERED]
    refused = any(_is_refused(state, s) for s in present)
    done = not refused and all(state.pods["available"][p] for p in active)
    if done and not application["paused"] and not _is_stuck(sets, application):
        # Nothing holds the rollout up, so it is over.
        assert len(active) == application["replicas"]
        assert len({int(state.pods["set"][p]) for p in active}) <= 1


def _is_stuck(sets: Any, application: Any) -> bool:
    """Kubernetes scales several ReplicaSets in proportion for rolling updates only (sync.go).

    Where the strategy became Recreate and the replicas others in the middle of a rollout, it
    takes every sync for one of scaling, and never does anything.
    """
    active = [one for one in sets if one["exists"] and one["replicas"] > 0]
    scaling = any(one["desired"] != application["replicas"] for one in active)
    return bool(application["recreate"] and len(active) > 1 and scaling)


def _check_stateful_set(program: Program, state: State, w: int, pods: list[int]) -> None:
    if not state.workloads["exists"][w]:
        assert not pods
        return
    application = program.arrays.applications[state.workloads["application"][w]]
    ordinals = sorted(int(state.pods["ordinal"][p]) for p in pods)
    assert len(set(ordinals)) == len(ordinals)
    refused = _is_refused(state, int(program.arrays.workloads["first_template"][w]))
    if refused:
        assert len(ordinals) < application["replicas"]
        return
    if application["parallel"]:
        assert ordinals == list(range(application["replicas"]))
    assert ordinals == list(range(len(ordinals)))
    if all(state.pods["available"][p] for p in pods):
        assert len(ordinals) == application["replicas"]


def _check_daemon_set(program: Program, state: State, w: int, pods: list[int]) -> None:
    """A pod on each node that wants one; two only while one takes the other's place."""
    if not state.workloads["exists"][w]:
        assert not pods
        return
    workload = state.workloads[w]
    refused = _is_refused(state, int(program.arrays.workloads["first_template"][w]))
    application = program.arrays.applications[workload["application"]]
    uses = program.arrays.static["reason"][program.arrays.templates["daemon"][workload["template"]]]
    for n in range(len(program.nodes)):
        here = [p for p in pods if state.pods["ordinal"][p] == n]
        assert all(state.pods["node"][p] in (UNSET, n) for p in here)
        assert len(here) <= (2 if application["surge"] > 0 else 1)
        if uses[n] == RUNS:
            assert here or refused
        elif uses[n] != CONTINUES:
            assert not here
    settled = not refused and all(state.pods["available"][p] for p in pods)
    if settled and not application["on_delete"]:
        assert len(pods) == sum(1 for n, use in enumerate(uses) if use == RUNS) or CONTINUES in uses


def _check_job(program: Program, state: State, w: int, pods: list[int]) -> None:
    job = state.workloads[w]
    own = [p for p in pods if state.pods["tracked"][p] != ORPHAN]
    if not job["exists"]:
        assert not own
        return
    application = program.arrays.applications[job["application"]]
    active = [p for p in own if state.pods["phase"][p] in ORDERED]
    succeeded = [p for p in own if state.pods["phase"][p] == SUCCEEDED]
    if job["ended"] != JOB_GOES_ON:
        assert not active
        assert job["ended"] in (JOB_COMPLETE, JOB_FAILED)
        return
    clock = state.clock[0]
    assert job["sync_at"] == UNSET or job["sync_at"] >= clock["now"]
    if job["sync_at"] > clock["now"] + NS or job["sync_at"] == UNSET:  # nothing is under way
        counted = {int(state.pods["ordinal"][p]) for p in succeeded}
        done = len(counted) if application["indexed"] else len(succeeded)
        assert job["succeeded"] == done
        if application["suspended"]:
            assert not active
        else:
            assert len(active) <= application["parallelism"]
    if application["indexed"]:
        indexes = [int(state.pods["ordinal"][p]) for p in active]
        assert len(set(indexes)) == len(indexes)


def _check_cron_job(program: Program, state: State, w: int) -> None:
    row = program.arrays.workloads[w]
    jobs = range(int(row["first_job"]), int(row["end_job"]))
    running = [j for j in jobs if state.workloads["exists"][j]]
    if not state.workloads["exists"][w]:
        assert not running
        return
    application = program.arrays.applications[state.workloads["application"][w]]
    now = state.clock[0]["now"]
    assert all(program.arrays.workloads["time"][j] <= now for j in running)
    for outcome, keeps in ((JOB_COMPLETE, "keeps_complete"), (JOB_FAILED, "keeps_failed")):
        ended = sum(int(state.workloads["ended"][j] == outcome) for j in running)
        assert ended <= application[keeps]
