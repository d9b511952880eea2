"""What containers use at a moment, and what becomes of one that uses more than it may.

Neither KWOK nor SimKube models usage: this is the embedded cluster's own. The back-off is the
kubelet's (`pkg/kubelet/kubelet.go`, MaxContainerBackOff): at once after the first crash, then
10 s doubling to 5 min.

A profile is a sum of terms, each of which stands in `Arrays.timelines` as: whether it goes by
the trace's time, or by the container's; whether it is the load of all replicas together; the
second from which it counts; its period, or 0; the number of its points; and the points, each a
second and an amount. Between points lies a straight line; before the first and behind the last
of them holds the last.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.program import INIT, JOB, NEVER, NS
from sim_arena.engine.state import CRASHED, DOWN, RESTART, UP
from sim_arena.engine.timers import set_timer
from traces.arithmetic import UNSET

__all__ = [
    "crash",
    "is_up",
    "limit_of",
    "measure",
    "mostly_throttled",
    "start_container",
    "throttled_share",
]

_FIRST_BACKOFF = 10
_MAX_BACKOFF = 300
_MOST_CPU = 1_000_000_000
_HEAD = 5  # numbers of a term before its points


@jit
def throttled_share(record: Any) -> float:
    """Return the share of the wanted CPU time that the limit withholds, 0 to 1."""
    if record.cpu_limit == UNSET or record.usage_cpu <= record.cpu_limit:
        return 0.0
    return 1.0 - record.cpu_limit / record.usage_cpu


@jit
def mostly_throttled(record: Any) -> bool:
    """Say whether more than half of the wanted CPU time is withheld."""
    return record.cpu_limit != UNSET and 2 * record.cpu_limit < record.usage_cpu


@jit
def start_container(
    state: Any, record: Any, p: int, slot: int, restart_policy: int, memory: int
) -> None:
    """Start a container, as often as it crashes and may start again at once.

    Afterwards it runs (`UP`), waits for its next start (`CRASHED`, a timer is set) or stays
    down (`DOWN`). The caller counts who is ready.

    Args:
        state: the run's state.
        record: the container in the program.
        p: its pod.
        slot: its number in `state.containers`.
        restart_policy: of the container.
        memory: what it uses when it starts, in bytes.
    """
    container = state.containers[slot]
    while True:
        container.started = state.clock[0].now
        if record.memory_limit == UNSET or memory <= record.memory_limit:
            container.state = UP
            container.ready = 1
            return
        if not crash(state, p, slot, restart_policy):
            return


@jit
def crash(state: Any, p: int, slot: int, restart_policy: int) -> bool:
    """Let a container be killed for its memory; say whether it starts again at once."""
    clock = state.clock[0]
    container = state.containers[slot]
    container.oom_killed += 1
    container.ready = 0
    if restart_policy == NEVER:
        container.state = DOWN
        return False
    container.state = CRASHED
    container.crashes += 1
    if container.crashes > 1:
        wait = min(_FIRST_BACKOFF << min(int(container.crashes) - 2, 10), _MAX_BACKOFF)
        set_timer(state, clock.now + wait * NS, RESTART, p, slot, container.restarts)
        return False
    container.restarts += 1
    state.pods[p].restarts += 1
    return True


@jit
def is_up(program: Any, state: Any, row: int, slot: int) -> bool:
    """Say whether a container runs (init containers are over at once)."""
    return program.containers[row].kind != INIT and state.containers[slot].state == UP


@jit
def limit_of(program: Any, state: Any, row: int, cpu: bool) -> int:
    """Return a container's limit as the API server filled it in, or UNSET."""
    if program.header[0].admission:
        return state.filled[row].cpu_limit if cpu else state.filled[row].memory_limit
    return program.containers[row].cpu_limit if cpu else program.containers[row].memory_limit


@rare
def measure(program: Any, state: Any, p: int, row: int, slot: int, starting: bool) -> None:
    """Write into a container's state what it uses now, or would if it were started now.

    Args:
        program: the program.
        state: its state.
        p: the pod.
        row: the container in the program.
        slot: its number in `state.containers`.
        starting: whether it is being started; then it counts among those that share the load.
    """
    record = program.containers[row]
    container = state.containers[slot]
    now = state.clock[0].now
    age = 0 if starting else (now - container.started) // NS
    sharers = UNSET
    if record.first_cpu != record.end_cpu or record.first_memory != record.end_memory:
        sharers = _sharers(program, state, p, starting)
    seconds = now // NS
    cpu = _terms(program, record.first_cpu, record.end_cpu, seconds, age, sharers)
    memory = _terms(program, record.first_memory, record.end_memory, seconds, age, sharers)
    container.wanted = min(record.usage_cpu + cpu, _MOST_CPU)
    container.memory = record.usage_memory + memory
    limit = limit_of(program, state, row, True)
    container.given = container.wanted if limit == UNSET else min(int(container.wanted), limit)


@jit
def _sharers(program: Any, state: Any, p: int, starting: bool) -> int:
    """Return among how many pods a workload's load is shared; 0 if this one has no part in it.

    A Service sends requests to the ready pods alone.
    """
    pod = state.pods[p]
    if not pod.ready and not starting:
        return 0
    workload = program.workloads[pod.workload]
    ready = 0
    if workload.kind >= JOB:
        ready = state.sets[pod.set].ready
    else:
        for s in range(workload.first_template, workload.end_template):
            ready += state.sets[s].ready
    return ready if pod.ready else ready + 1


@jit
def _terms(program: Any, first: int, end: int, seconds: int, age: int, sharers: int) -> int:
    timelines = program.timelines
    total = 0
    at = first
    while at < end:
        count = timelines[at + 4]
        x = (seconds if timelines[at] != 0 else age) - timelines[at + 2]
        if timelines[at + 3] > 0 and x >= 0:
            x %= timelines[at + 3]
        amount = _on_line(timelines, at + _HEAD, count, x)
        if timelines[at + 1] != 0:
            amount = amount // sharers if sharers > 0 else 0
        total += amount
        at += _HEAD + 2 * count
    return total


@jit
def _on_line(timelines: Any, first: int, count: int, x: int) -> int:
    """Return the height of a line through points: see the top of the file."""
    low, high = 0, count  # the last point at or before x is in [low, high)
    if x < timelines[first]:
        return timelines[first + 2 * count - 1]
    while high - low > 1:
        middle = (low + high) // 2
        if timelines[first + 2 * middle] <= x:
            low = middle
        else:
            high = middle
    here = first + 2 * low
    if low == count - 1:
        return timelines[here + 1]
    width = timelines[here + 2] - timelines[here]
    rise = timelines[here + 3] - timelines[here + 1]
    past = x - timelines[here]
    # Split, because the product of a rise and a time may need more than 64 bits.
    return timelines[here + 1] + rise // width * past + rise % width * past // width
