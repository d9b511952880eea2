"""Reads a run's arrays as a person or a policy wants to see them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim_arena.engine.messages import claim_message, message
from sim_arena.engine.program import DAEMON_SET, INIT, NS, PASSES, Program
from sim_arena.engine.refusals import desired_daemons, refusals
from sim_arena.engine.state import (
    CRASHED,
    EVICTED,
    FAILED,
    GONE,
    PENDING,
    RUNNING,
    SUCCEEDED,
    UP,
    State,
)
from sim_arena.observation import ContainerObservation, Observation
from traces.arithmetic import UNSET

if TYPE_CHECKING:
    from traces import WorkloadRef

__all__ = ["WorkloadStatus", "observe", "status"]


class WorkloadStatus(NamedTuple):
    """One object of the trace and its pods.

    `total` counts the pods in every phase; `restarts` and `oom_killed` are of the present pods'
    containers, `evicted` is of all pods so far; `reasons` maps a scheduler's message to the number
    of pending pods that carry it; `refused` maps what the API server said of pods that it did not
    take to how many are missing.
    """

    kind: str
    namespace: str
    name: str
    ready: int
    pending: int
    total: int
    reasons: dict[str, int]
    refused: dict[str, int]
    restarts: int
    oom_killed: int
    evicted: int


def status(program: Program, state: State) -> list[WorkloadStatus]:
    """Return one row for each workload of the program, in the trace's order."""
    pods = state.pods[: state.clock["pods"][0]]
    owners = program.arrays.workloads["owner"][pods["workload"]]
    by_workload: dict[int, list[int]] = {}
    for p in np.flatnonzero(pods["phase"] != GONE):
        by_workload.setdefault(int(owners[p]), []).append(int(p))
    rows = []
    for w, ref in enumerate(program.workloads):
        present = by_workload.get(w, [])
        rows.append(
            WorkloadStatus(
                *ref,
                ready=int(pods["ready"][present].sum()),
                pending=int((pods["phase"][present] == PENDING).sum()),
                total=len(present),
                restarts=int(pods["restarts"][present].sum()),
                oom_killed=_kills(program, state, present),
                evicted=_evicted(program, state, w),
                reasons=_reasons(program, state, present),
                refused=refusals(program, state, w),
            )
        )
    return rows


def _kills(program: Program, state: State, present: list[int]) -> int:
    per_pod = int(program.arrays.header["pod_containers"][0])
    slots = [p * per_pod + i for p in present for i in range(per_pod)]
    return int(state.containers["oom_killed"][slots].sum())


def _evicted(program: Program, state: State, w: int) -> int:
    """Count the evictions of a workload's pods; those of a CronJob's Jobs are its own."""
    owned = program.arrays.workloads["owner"] == w
    return int(state.workloads["evicted"][: len(owned)][owned].sum())


def _reasons(program: Program, state: State, pods: list[int]) -> dict[str, int]:
    texts = Counter(
        text
        for p in pods
        if state.pods["phase"][p] == PENDING and (text := _message(program, state, p))
    )
    return dict(sorted(texts.items()))


def _message(program: Program, state: State, p: int) -> str | None:
    pod = state.pods[p]
    kind, column = int(pod["message"]), int(state.rejections[p][PASSES])
    held_up = claim_message(kind, len(program.nodes), program.objects.get(column, ""))
    if held_up is not None:
        return held_up
    return message(
        int(pod["message"]),
        state.rejections[p],
        len(program.nodes),
        program.extended,
        never_preempts=bool(program.arrays.templates["never_preempts"][pod["template"]]),
    )


def observe(program: Program, state: State, ref: WorkloadRef) -> Observation:
    """Return what is seen of one workload at the run's present time.

    Raises:
        KeyError: if the program has no such workload.
    """
    w = program.index(ref)
    rows = state.pods[: state.clock["pods"][0]]
    owners = program.arrays.workloads["owner"][rows["workload"]]
    present = np.flatnonzero((owners == w) & (rows["phase"] != GONE))
    pods = rows[present]
    running = present[pods["phase"] == RUNNING]
    containers = _containers(program, state, w, present, running)
    throttled = [c["throttled"] for c in containers if c["throttled"] is not None]
    application = int(state.workloads["application"][w])
    exists = bool(state.workloads["exists"][w])
    refused = refusals(program, state, w)
    observation = Observation(
        ready=int(pods["ready"].sum()),
        pending=int((pods["phase"] == PENDING).sum()),
        total=len(present),
        desired=_desired(program, state, w, application) if exists else 0,
        failed=int((pods["phase"] == FAILED).sum()),
        restarts=int(pods["restarts"].sum()),
        oom_killed=sum(c["oom_killed"] or 0 for c in containers),
        evicted=_evicted(program, state, w),
        throttled=max(throttled) if throttled else None,
        reasons=_reasons(program, state, [int(p) for p in present]) | refused,
        events=[*_events(program, state, present, pods), *(["FailedCreate"] if refused else [])],
        containers=containers,
        simulated_seconds=float(state.clock["now"][0]) / NS,
        cluster="embedded",
    )
    observation.update(_nodes(program, state))
    return observation


def _desired(program: Program, state: State, w: int, application: int) -> int:
    """Return how many pods there should be; of a Job or CronJob, at a time."""
    if program.arrays.workloads["kind"][w] == DAEMON_SET:
        return desired_daemons(program, state, w)
    return int(program.arrays.applications["replicas"][application])


def _nodes(program: Program, state: State) -> Observation:
    nodes = program.arrays.nodes
    used = state.nodes[: len(nodes)]
    free_cpu = nodes["cpu"] - used["cpu"]
    free_memory = nodes["memory"] - used["memory"]
    return {  # type: ignore[typeddict-item]  # a part of an observation
        "nodes": len(nodes),
        "allocatable_cpu": int(nodes["cpu"].sum()),
        "allocatable_memory": int(nodes["memory"].sum()),
        "allocatable_pods": int(nodes["pods"].sum()),
        "requested_cpu": int(used["cpu"].sum()),
        "requested_memory": int(used["memory"].sum()),
        "requested_pods": int(used["pods"].sum()),
        "largest_free_cpu": int(free_cpu.max(initial=0)),
        "largest_free_memory": int(free_memory.max(initial=0)),
    }


def _containers(
    program: Program, state: State, w: int, present: Any, running: Any
) -> list[ContainerObservation]:
    """Describe the containers of the workload's current template, init containers aside.

    During a rollout, pods of older templates count where they have a container of that name.
    """
    template = int(state.workloads["template"][w])
    if template == UNSET:
        return []
    record = program.arrays.templates[template]
    described = []
    for row in range(record["first_container"], record["end_container"]):
        container = program.arrays.containers[row]
        if container["kind"] == INIT:
            continue
        name = int(container["name"])
        states = state.containers[_slots(program, state, present, name)]
        up = state.containers[_slots(program, state, running, name)]
        ended = _last_terminations(program, state, present, name)
        described.append(_container(program, container, states, up[up["state"] == UP], ended))
    return described


def _slots(program: Program, state: State, pods: Any, name: int) -> Any:
    """Return where in `state.containers` some pods' containers of a name stand."""
    templates = state.pods["template"][pods]
    slots = np.zeros(len(pods), np.int64)
    found = np.zeros(len(pods), np.bool_)
    for template in np.unique(templates):
        record = program.arrays.templates[template]
        rows = slice(record["first_container"], record["end_container"])
        places = np.flatnonzero(program.arrays.containers["name"][rows] == name)
        if len(places):
            here = templates == template
            slots[here] = places[0]
            found |= here
    return (pods * program.arrays.header["pod_containers"][0] + slots)[found]


def _last_terminations(program: Program, state: State, present: Any, name: int) -> list[str]:
    """Return the reasons with which some pods' containers of a name ended last, each once."""
    over = state.pods["phase"][present] == SUCCEEDED
    completed = len(_slots(program, state, present[over], name)) > 0
    others = state.containers[_slots(program, state, present[~over], name)]
    reasons = {"Completed": completed, "OOMKilled": (others["oom_killed"] > 0).any()}
    return [reason for reason, found in reasons.items() if found]


def _container(
    program: Program, container: Any, states: Any, running: Any, ended: list[str]
) -> ContainerObservation:
    used = _used(program, container, running)
    return ContainerObservation(
        name=program.container_names[container["name"]],
        cpu_request=_set(container["cpu_request"]),
        memory_request=_set(container["memory_request"]),
        cpu_limit=_set(container["cpu_limit"]),
        memory_limit=_set(container["memory_limit"]),
        cpu_usage=used[0],
        memory_usage=used[1],
        restarts=int(states["restarts"].sum()),
        oom_killed=int(states["oom_killed"].sum()),
        last_terminations=ended,
        throttled=used[2],
    )


def _used(
    program: Program, container: Any, running: Any
) -> tuple[int | None, int | None, float | None]:
    """Return the mean of cpu and memory that is used, and the share of CPU time that is missing."""
    if not len(running):
        return None, None, None
    if program.arrays.header["usage"][0]:
        given, wanted = (int(running[name].sum(dtype=np.int64)) for name in ("given", "wanted"))
        memory = int(running["memory"].sum())
        short = 0.0 if given >= wanted else 1.0 - given / wanted
        return given // len(running), memory // len(running), short
    limit, wanted = int(container["cpu_limit"]), int(container["usage_cpu"])
    memory = int(container["usage_memory"])
    if limit == UNSET or wanted <= limit:
        return wanted, memory, 0.0
    return limit, memory, 1.0 - limit / wanted


def _set(value: Any) -> int | None:
    return None if value == UNSET else int(value)


def _events(program: Program, state: State, present: Any, pods: Any) -> list[str]:
    """Return the reasons that `kubectl get events` would show of the present pods."""
    reasons = []
    if ((pods["message"] != 0) & (pods["phase"] == PENDING)).any():
        reasons.append("FailedScheduling")
    if (pods["message"] == EVICTED).any():
        reasons.append("Evicted")
    per_pod = int(program.arrays.header["pod_containers"][0])
    templates = program.arrays.templates[pods["template"]]
    own = np.arange(per_pod) < (templates["end_container"] - templates["first_container"])[:, None]
    running = own & (pods["phase"] == RUNNING)[:, None]
    containers = state.containers[(present[:, None] * per_pod + np.arange(per_pod))[running]]
    if (containers["state"] == CRASHED).any():
        reasons.append("BackOff")
    if (containers["oom_killed"] > 0).any():
        reasons.append("OOMKilling")
    if ((containers["state"] == UP) & (containers["ready"] == 0)).any():
        reasons.append("Unhealthy")
    return reasons
