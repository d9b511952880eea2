"""After a window was replayed: the observation, the reward, and whether the episode is over.

The numbers are those of `engine.observe`, encoded as `envs.encoding` does; tests hold the two
equal to the last bit.
"""

from typing import Any

import numpy as np

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.job_pods import own_set
from sim_arena.engine.program import DAEMON_SET, JOB, NS, PASSES, POD, STATEFUL_SET
from sim_arena.engine.state import (
    FAILED,
    GONE,
    NOMINATED,
    NOT_REFUSED,
    PENDING,
    RUNNING,
    SILENT,
    UNSCHEDULABLE,
    UP,
)
from sim_arena.envs.kernels.describing import describe, place_of, used_cpu
from sim_arena.envs.kernels.plain import (
    count_of,
    effective_request,
    is_healthy,
    reward_of,
    scaled,
)
from sim_arena.envs.kernels.records import ALL
from sim_arena.rewards import Outcome
from traces.arithmetic import UNSET

__all__ = ["observe"]

# Of the width that the vector has, so that compiled code rounds no differently.
NONE = np.float32(0.0)
UNKNOWN = np.float32(-1.0)


@jit
def observe(
    tables: Any, own: Any, program: Any, state: Any, output: Any, reward: int, b: int
) -> None:
    """Write what environment `b` returns."""
    episode = own.episodes[b]
    template = state.workloads[tables.questions[episode.problem].workload].template
    if template != episode.template:
        episode.template = template
        episode.stale = ALL
    if episode.stale:
        describe(tables, own, program, b)
    _see_nodes(tables, own, program, state, b)
    _see_desired(tables, own, program, state, b)
    outcome = _see_pods(tables, own, program, state, b)
    _finish(tables, own, output, reward, b, outcome)


@jit
def _see_pods(tables: Any, own: Any, program: Any, state: Any, b: int) -> Any:
    columns = tables.columns[0]
    row = own.rows[b]
    end = columns.reasons + columns.causes + 1
    for at in range(columns.reasons, end):
        row[at] = 0.0
    for slot in range(own.episodes[b].slots):
        seen = own.slots[b, slot]
        seen.restarts = 0
        seen.oom_killed = 0
        seen.up = 0
        seen.wanted = 0
        seen.given = 0
        seen.memory = 0
    w = tables.questions[own.episodes[b].problem].workload
    ready, pending, total, failed, restarts = 0, 0, 0, 0, 0
    for p in range(state.clock[0].pods):
        pod = state.pods[p]
        if pod.phase != GONE and program.workloads[pod.workload].owner == w:
            total += 1
            ready += pod.ready
            restarts += pod.restarts
            pending += pod.phase == PENDING
            failed += pod.phase == FAILED
            if pod.phase == PENDING and pod.message != SILENT:
                _see_reason(tables, own, program, state, b, p)
            _see_containers(own, program, state, b, p)
    if program.header[0].admission and state.workloads[w].exists:
        row[end - 1] += _refused(program, state, w)
    for at in range(columns.reasons, end):
        if row[at] != 0.0:
            _count(tables, row, at, int(row[at]))
    _count(tables, row, columns.ready, ready)
    _count(tables, row, columns.pending, pending)
    _count(tables, row, columns.total, total)
    _count(tables, row, columns.failed, failed)
    _count(tables, row, columns.restarts, restarts)
    if program.header[0].usage:
        _see_evictions(tables, own, program, state, b, w)
    return _see_usage(tables, own, program, b, ready, pending, failed)


@rare
def _see_evictions(tables: Any, own: Any, program: Any, state: Any, b: int, w: int) -> None:
    """Write how many pods were evicted, and what the containers use on average."""
    evicted = 0
    for owned in range(program.header[0].workloads + program.header[0].jobs):
        if program.workloads[owned].owner == w:
            evicted += state.workloads[owned].evicted
    columns = tables.columns[0]
    _count(tables, own.rows[b], columns.evicted, evicted)
    for slot in range(own.episodes[b].slots):
        seen = own.slots[b, slot]
        flag = columns.containers + slot * columns.stride
        if seen.up:
            seen.cpu_usage = scaled(seen.given // seen.up, tables.scales[flag + columns.cpu_usage])
            at = flag + columns.memory_usage
            seen.memory_usage = scaled(seen.memory // seen.up, tables.scales[at])
            short = 0.0 if seen.given >= seen.wanted else 1.0 - seen.given / seen.wanted
            seen.throttled = scaled(short, 0.0)


@jit
def _see_reason(tables: Any, own: Any, program: Any, state: Any, b: int, p: int) -> None:
    """Count a pending pod under each cause that its message names; see `engine.messages`."""
    problem = own.episodes[b].problem
    columns = tables.columns[0]
    pod = state.pods[p]
    bits = tables.always[pod.message]
    half = state.rejections.shape[1] // 2
    if pod.message == UNSCHEDULABLE or pod.message == NOMINATED:
        for k in range(tables.naming.shape[0]):
            column = tables.naming[k]
            if state.rejections[p, column] != 0:
                bits |= tables.causes[problem, column]
    if pod.message == UNSCHEDULABLE and not program.templates[pod.template].never_preempts:
        for k in range(tables.naming.shape[0]):
            column = tables.naming[k]
            if state.rejections[p, half + column] != 0:
                bits |= tables.causes[problem, column]
    for cause in range(columns.causes):
        if bits >> cause & 1:
            own.rows[b, columns.reasons + cause] += 1
    if bits == 0:
        own.rows[b, columns.reasons + columns.causes] += 1


@rare
def _refused(program: Any, state: Any, w: int) -> int:
    """Return how many pods are missing because the API server refused them: no cause names that.

    See `engine.refusals`.
    """
    workload = program.workloads[w]
    missing = 0
    for job in range(workload.first_job, workload.end_job):
        missing += _missing_of_job(program, state, job)
    for s in range(workload.first_template, workload.end_template):
        if state.admission[s].refused == NOT_REFUSED:
            continue
        if workload.kind == JOB:
            missing += _missing_of_job(program, state, w)
        elif workload.kind == DAEMON_SET:
            missing += max(0, _desired(program, state, w) - state.sets[s].active)
        elif workload.kind == POD:
            missing += 1
        elif workload.kind == STATEFUL_SET:
            wanted = program.applications[state.workloads[w].application].replicas
            missing += max(0, wanted - state.sets[s].active)
        elif state.sets[s].exists:
            missing += max(0, state.sets[s].replicas - state.sets[s].active)
    return missing


@jit
def _missing_of_job(program: Any, state: Any, w: int) -> int:
    s = own_set(program, w)
    job = state.workloads[w]
    if not job.exists or state.admission[s].refused == NOT_REFUSED:
        return 0
    return max(0, program.applications[job.application].replicas - state.sets[s].active)


@jit
def _desired(program: Any, state: Any, w: int) -> int:
    """Return how many pods there should be: see `engine.observe`."""
    workload = state.workloads[w]
    if not workload.exists:
        return 0
    if program.workloads[w].kind != DAEMON_SET:
        return program.applications[workload.application].replicas
    uses = program.static[program.templates[workload.template].daemon]
    desired = 0
    for n in range(program.header[0].nodes):
        desired += uses[n].reason == PASSES
    return desired


@jit
def _see_containers(own: Any, program: Any, state: Any, b: int, p: int) -> None:
    """Add a pod's containers to those of the observed template with the same names."""
    episode = own.episodes[b]
    pod = state.pods[p]
    first = p * program.header[0].pod_containers
    for slot in range(episode.slots):
        seen = own.slots[b, slot]
        place = seen.place
        if pod.template != episode.template:
            place = place_of(program, pod.template, program.containers[seen.row].name)
            if place == UNSET:
                continue
        container = state.containers[first + place]
        seen.restarts += container.restarts
        seen.oom_killed += container.oom_killed
        if pod.phase == RUNNING and container.state == UP:
            seen.up += 1
            seen.wanted += container.wanted
            seen.given += container.given
            seen.memory += container.memory


@jit
def _see_usage(
    tables: Any, own: Any, program: Any, b: int, ready: int, pending: int, failed: int
) -> Any:
    """Write what the containers did, and return what the reward depends on."""
    columns = tables.columns[0]
    row = own.rows[b]
    killed = 0
    throttled = UNKNOWN
    cpu_request, cpu_usage, memory_request, memory_usage = 0, 0, 0, 0
    for slot in range(own.episodes[b].slots):
        seen = own.slots[b, slot]
        record = program.containers[seen.row]
        killed += seen.oom_killed
        cpu_request += effective_request(record.cpu_request, record.cpu_limit)
        memory_request += effective_request(record.memory_request, record.memory_limit)
        if not seen.up:
            cpu_usage = UNSET
        elif cpu_usage != UNSET:
            if program.header[0].usage:
                cpu_usage += seen.given // seen.up
                memory_usage += seen.memory // seen.up
            else:
                cpu_usage += used_cpu(record)
                memory_usage += record.usage_memory
        if seen.up:
            throttled = max(throttled, seen.throttled)
        _write_usage(tables, row, columns.containers + slot * columns.stride, seen)
    _count(tables, row, columns.oom_killed, killed)
    row[columns.throttled - 1] = 0.0 if throttled == UNKNOWN else 1.0
    row[columns.throttled] = max(throttled, NONE)
    if cpu_usage == UNSET:
        memory_usage = UNSET
    return Outcome(
        ready, pending, failed + killed, cpu_request, cpu_usage, memory_request, memory_usage
    )


@jit
def _write_usage(tables: Any, row: Any, flag: int, seen: Any) -> None:
    columns = tables.columns[0]
    up = 1.0 if seen.up else 0.0
    row[flag + columns.cpu_usage - 1] = up
    row[flag + columns.memory_usage - 1] = up
    row[flag + columns.container_throttled - 1] = up
    row[flag + columns.cpu_usage] = up * seen.cpu_usage
    row[flag + columns.memory_usage] = up * seen.memory_usage
    row[flag + columns.container_throttled] = up * seen.throttled
    _count(tables, row, flag + columns.container_restarts, seen.restarts)
    _count(tables, row, flag + columns.container_oom_killed, seen.oom_killed)


@jit
def _see_nodes(tables: Any, own: Any, program: Any, state: Any, b: int) -> None:
    columns = tables.columns[0]
    row = own.rows[b]
    cpu, memory, pods, free_cpu, free_memory = 0, 0, 0, 0, 0
    for n in range(program.header[0].nodes):
        node = program.nodes[n]
        used = state.nodes[n]
        cpu += used.cpu
        memory += used.memory
        pods += used.pods
        free_cpu = max(free_cpu, node.cpu - used.cpu)
        free_memory = max(free_memory, node.memory - used.memory)
    _number(tables, row, columns.requested_cpu, cpu)
    _number(tables, row, columns.requested_memory, memory)
    _count(tables, row, columns.requested_pods, pods)
    _number(tables, row, columns.largest_free_cpu, free_cpu)
    _number(tables, row, columns.largest_free_memory, free_memory)
    if state.clock[0].now != own.until[b]:  # what `Tables.rows` holds
        _number(tables, row, columns.simulated_seconds, state.clock[0].now / NS)


@jit
def _see_desired(tables: Any, own: Any, program: Any, state: Any, b: int) -> None:
    """Write how many replicas are asked for, and which actions would move that."""
    desired = _desired(program, state, tables.questions[own.episodes[b].problem].workload)
    _count(tables, own.rows[b], tables.columns[0].desired, desired)
    for k in range(tables.counts.shape[0]):
        choice = tables.choices[tables.counts[k]]
        after = count_of(choice.op, desired, choice.amount, choice.low, choice.high)
        own.masks[b, tables.counts[k]] = after != desired


@jit
def _count(tables: Any, row: Any, at: int, value: int) -> None:
    """Write a number of pods, restarts or kills: mostly small ones, encoded before."""
    if 0 <= value < tables.pods.shape[0]:
        row[at] = tables.pods[value]
    else:
        row[at] = scaled(value, tables.scales[at])


@jit
def _number(tables: Any, row: Any, at: int, value: float) -> None:
    row[at] = scaled(value, tables.scales[at])


@jit
def _finish(tables: Any, own: Any, output: Any, reward: int, b: int, outcome: Any) -> None:
    """Write the reward, whether the episode is over, and the information."""
    episode = own.episodes[b]
    question = tables.questions[episode.problem]
    success = is_healthy(outcome.ready, outcome.pending, question.target)
    terminated = success and not episode.fresh
    truncated = not terminated and not episode.fresh and episode.step + 1 >= question.limit
    episode.over = terminated or truncated
    output.rewards[b] = 0.0
    if not episode.fresh:
        output.rewards[b] = reward_of(reward, outcome, question.target, question.duration)
    output.terminations[b] = terminated
    output.truncations[b] = truncated
    output.success[b] = success
    output.changed[b] = episode.changed
    output.fresh[b] = episode.fresh
    output.step[b] = episode.step
    output.problem[b] = episode.problem
    output.target[b] = question.target
    output.seed[b] = own.seeds[b]
    for at in range(output.observations.shape[1] if output.observations.shape[0] > 0 else 0):
        output.observations[b, at] = own.rows[b, at]
    for at in range(output.masks.shape[1] if output.masks.shape[0] > 0 else 0):
        output.masks[b, at] = own.masks[b, at]
