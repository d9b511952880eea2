"""Whether the arrays have room for what is done next: compiled code writes without asking.

What finds no room does nothing, and the run stops until the arrays have grown.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit

__all__ = ["has_room", "timers_of_one_event"]

_TIMERS_OF_A_POD, _TIMERS_OF_A_CONTAINER = 3, 2  # that a pod sets as it begins


@jit
def timers_of_one_event(program: Any, pods: int, whole: Any) -> int:
    """Return how many timers one event or one sync may set, but for new pods that begin at once.

    Args:
        program: the program.
        pods: how many pods there have been.
        whole: as for `loop.advance`.
    """
    header = program.header[0]
    most = 8 + 4 * header.pod_containers
    if whole is not None:
        most += 2 * (header.workloads + header.jobs)  # it can be news to all Jobs
        if header.usage:  # all containers can crash, or all pods become ready
            most += pods * (1 + header.pod_containers)
    return most


@jit
def has_room(program: Any, state: Any, pods: int, whole: Any) -> bool:
    """Say whether there is room for new pods, and for their timers if they may begin at once.

    Args:
        program: the program.
        state: its state.
        pods: how many may be made.
        whole: as for `loop.advance`.
    """
    clock = state.clock[0]
    if clock.pods + pods > state.pods.shape[0]:
        return False
    header = program.header[0]
    if not header.names_nodes:
        return True
    each = _TIMERS_OF_A_POD + _TIMERS_OF_A_CONTAINER * header.pod_containers
    most = timers_of_one_event(program, clock.pods + pods, whole) + pods * each
    return clock.timers + most <= state.timers.shape[0]
