"""What containers do with what they may use: OOM kills, restarts, throttling.

Neither KWOK nor SimKube models usage: this is the embedded cluster's own. The back-off is the
kubelet's (`pkg/kubelet/kubelet.go`, MaxContainerBackOff): at once after the first crash, then
10 s doubling to 5 min.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit
from sim_arena.engine.program import NEVER, NS
from sim_arena.engine.state import CRASHED, DOWN, PROBE, RESTART, UP
from sim_arena.engine.timers import set_timer
from traces.arithmetic import UNSET

__all__ = ["mostly_throttled", "start_container", "throttled_share"]

_FIRST_BACKOFF = 10
_MAX_BACKOFF = 300
# A probe that times out for this long makes the container unready.
_PROBE_PATIENCE = 10 * NS


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
def start_container(state: Any, record: Any, p: int, slot: int, restart_policy: int) -> None:
    """Start a container, as often as it crashes and may start again at once.

    Afterwards it runs (`UP`), waits for its next start (`CRASHED`, a timer is set) or stays
    down (`DOWN`). The caller counts who is ready.

    Args:
        state: the run's state.
        record: the container in the program.
        p: its pod.
        slot: its number in `state.containers`.
        restart_policy: of the pod.
    """
    clock = state.clock[0]
    container = state.containers[slot]
    while True:
        container.started = clock.now
        if record.memory_limit == UNSET or record.usage_memory <= record.memory_limit:
            container.state = UP
            container.ready = 1
            if record.probe and mostly_throttled(record):
                set_timer(state, clock.now + _PROBE_PATIENCE, PROBE, p, slot, container.restarts)
            return
        container.oom_killed += 1
        container.ready = 0
        if restart_policy == NEVER:
            container.state = DOWN
            return
        container.state = CRASHED
        container.crashes += 1
        if container.crashes > 1:
            wait = min(_FIRST_BACKOFF << min(container.crashes - 2, 10), _MAX_BACKOFF)
            set_timer(state, clock.now + wait * NS, RESTART, p, slot, container.restarts)
            return
        container.restarts += 1
        state.pods[p].restarts += 1
