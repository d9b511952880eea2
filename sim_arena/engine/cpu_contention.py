"""What a node's containers get of its CPU time where they want more than there is.

It is shared by weight of requests, as the kernel's cgroups do; all containers of BestEffort pods
together weigh as much as one that requests nothing. What one does not want goes to the others.
The weights are compared directly: that cgroups lie inside of each other is left out.

Source: Kubernetes `pkg/kubelet/cm/qos_container_manager_linux.go` and `helpers_linux.go`.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.qos import BEST_EFFORT, cpu_shares, quality_of
from sim_arena.engine.state import RUNNING
from sim_arena.engine.usage import is_up

__all__ = ["share_cpu"]

_COUNT, _WEIGH, _SERVE, _DIVIDE = range(4)
_SCALE = 1 << 10  # of the weights, so that one can be divided among many


@rare
def share_cpu(program: Any, state: Any) -> None:
    """Lower what containers are given (their wish, within their limit) where a node is short.

    `state.room` holds for each node: `score`, the CPU that is left; `feasible`, the weight of
    those that are not served yet; `domain`, how many of them are of BestEffort pods.
    """
    if not _find_short(program, state):
        return
    _go_over(program, state, _COUNT)
    _go_over(program, state, _WEIGH)
    for n in range(program.header[0].nodes):
        state.room[n].score = program.nodes[n].cpu
    while _go_over(program, state, _SERVE):
        pass
    _go_over(program, state, _DIVIDE)


@jit
def _find_short(program: Any, state: Any) -> bool:
    """Write into `score` what is left on each node; say whether that is less than 0 anywhere."""
    for n in range(program.header[0].nodes):
        state.room[n].score = program.nodes[n].cpu
        state.room[n].feasible = 0
        state.room[n].domain = 0
    for p in range(state.clock[0].pods):
        pod = state.pods[p]
        if pod.phase == RUNNING:
            record = program.templates[pod.template]
            slot = p * program.header[0].pod_containers
            for row in range(record.first_container, record.end_container):
                if is_up(program, state, row, slot):
                    state.room[pod.node].score -= state.containers[slot].given
                slot += 1
    short = False
    for n in range(program.header[0].nodes):
        short = short or state.room[n].score < 0
    return short


@rare
def _go_over(program: Any, state: Any, phase: int) -> bool:
    """Go once over the containers on nodes that are short.

    First those of BestEffort pods are counted; then the weights are added up, and what a container
    would take is kept as a negative number until it is served. Then, as often as it helps, those
    are served that want no more than their share; at last the rest get their shares.

    Returns:
        Whether any was served.
    """
    served = False
    for p in range(state.clock[0].pods):
        pod = state.pods[p]
        if pod.phase != RUNNING or not _concerns(state.room[pod.node], phase):
            continue
        best_effort = quality_of(program, state, pod.template) == BEST_EFFORT
        record = program.templates[pod.template]
        slot = p * program.header[0].pod_containers
        for row in range(record.first_container, record.end_container):
            if is_up(program, state, row, slot):
                if phase == _COUNT:
                    state.room[pod.node].domain += 1 if best_effort else 0
                else:
                    weight = cpu_shares(program, state, row) * _SCALE
                    if best_effort:
                        weight = max(1, weight // state.room[pod.node].domain)
                    if _settle(program, state, pod.node, slot, weight, phase):
                        served = True
            slot += 1
    return served


@jit
def _concerns(room: Any, phase: int) -> bool:
    """Say whether a node is one of the short ones."""
    return room.score < 0 if phase <= _WEIGH else room.feasible > 0


@jit
def _settle(program: Any, state: Any, n: int, slot: int, weight: int, phase: int) -> bool:
    """Do for one container what `_go_over` says; return whether it was served."""
    room = state.room[n]
    container = state.containers[slot]
    if phase == _WEIGH:
        room.feasible += weight
        container.given = -1 - container.given
    elif container.given < 0:
        wish = min(-1 - int(container.given), program.nodes[n].cpu)
        if phase == _DIVIDE:
            container.given = weight * room.score // room.feasible
        elif wish * room.feasible <= weight * room.score:
            container.given = wish
            room.score -= wish
            room.feasible -= weight
            return True
    return False
