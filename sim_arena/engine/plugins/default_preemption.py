"""DefaultPreemption: pods of lower priority make room.

Sources: Kubernetes `pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go`
and `pkg/scheduler/framework/preemption/preemption.go`.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.choice import NODE, OFFSET, choose
from sim_arena.engine.disruption_budgets import count_allowed, mark_violations
from sim_arena.engine.jit import jit, rare
from sim_arena.engine.lifecycle import count_on_node, delete_pod
from sim_arena.engine.nominees import (
    nominate,
    nominees_are_in_the_way,
    passes_beside_nominees,
    take_off_nominees,
)
from sim_arena.engine.program import NO_VICTIMS, NOT_HELPFUL, NS
from sim_arena.engine.queue import withdraw
from sim_arena.engine.rejections import blames_preemptable, count_rejection
from sim_arena.engine.state import NOMINATED, PENDING, RUNNING
from sim_arena.engine.verdicts import judge
from traces.arithmetic import UNSET

__all__ = ["find_candidates", "pick", "preempt", "select_victims"]

_SUM_OFFSET = 1 << 31


@rare
def preempt(program: Any, state: Any, p: int, wanted: Any) -> None:
    """Look for a node where removing pods of lower priority lets a pod in, and remove them.

    The pod waits for the victims' deletion like any other; the node is kept for it.

    Args:
        program: the program.
        state: its state.
        p: the pod.
        wanted: as for `scheduler.schedule`.
    """
    if program.templates[state.pods[p].template].never_preempts:
        return
    if program.header[0].budgets:
        count_allowed(program, state)
    candidates = find_candidates(program, state, p)
    withdraw(state, p)
    if candidates == 0:
        return
    node = pick(state, p, candidates, wanted)
    state.pods[p].message = NOMINATED
    victims = select_victims(program, state, p, node)
    for i in range(victims):  # they have been taken off the node for the trial
        count_on_node(program, state, state.lists[i].chosen, 1)
    nominate(program, state, p, node)
    for i in range(victims):
        delete_pod(program, state, state.lists[i].chosen)


@jit
def _priority(program: Any, state: Any, p: int) -> int:
    return program.templates[state.pods[p].template].priority


@jit
def find_candidates(program: Any, state: Any, p: int) -> int:
    """Try the nodes from a random one on; write candidates into `state.victims`.

    `judge` must have written the verdicts. What is found of the nodes that are no candidates goes
    into the second half of the pod's rejections.
    """
    row = state.rejections[p]
    half = row.shape[0] // 2
    nodes = program.header[0].nodes
    for i in range(half, row.shape[0]):
        row[i] = 0
    potential = 0
    for n in range(nodes):
        if _could_help(program, state, p, n):
            state.room[potential].feasible = n
            potential += 1
    row[half + NOT_HELPFUL] = nodes - potential
    if potential == 0:
        return 0
    wanted = min(potential, max(100, potential // 10))
    offset = choose(state.clock[0].seed, OFFSET, p, potential)
    found = 0
    sparing = 0
    for i in range(potential):
        if sparing > 0 and found >= wanted:
            break
        n = state.room[(offset + i) % potential].feasible
        victims = select_victims(program, state, p, n)
        if victims > 0:
            _describe(program, state, n, victims, found)
            if state.victims[found].violations == 0:
                sparing += 1
            found += 1
        for v in range(victims):
            count_on_node(program, state, state.lists[v].chosen, 1)
    return found


@jit
def _could_help(program: Any, state: Any, p: int, n: int) -> bool:
    """Say whether what rejects a node, its nominated pods included, can be helped by fewer pods."""
    beside = nominees_are_in_the_way(program, state, p, n)
    helpful = blames_preemptable(program, state, p, n)
    if beside:
        take_off_nominees(program, state, p, n)
    return helpful


@rare
def select_victims(program: Any, state: Any, p: int, n: int) -> int:
    """Take pods off a node so that a pod fits, and write them into `state.lists[].chosen`.

    As many as fit are put back: first those whose loss breaks a PodDisruptionBudget, in each
    group the most important ones.

    The victims are left off the node; the caller puts them back.

    Returns:
        Their number; 0 if the pod cannot fit, or nobody has lower priority.
    """
    row = state.rejections[p]
    half = row.shape[0] // 2
    lower = _lower_priority(program, state, p, n)
    if lower == 0:
        row[half + NO_VICTIMS] += 1
        return 0
    for i in range(lower):
        count_on_node(program, state, state.lists[i].chosen, -1)
    judge(program, state, state.pods[p].template)
    if not passes_beside_nominees(program, state, p, n):
        _count_failure(program, state, p, n, half)
        for i in range(lower):
            count_on_node(program, state, state.lists[i].chosen, 1)
        return 0
    for i in range(lower):
        state.lists[i].spared = 0
    if program.header[0].budgets:
        mark_violations(program, state, lower)
        _put_back(program, state, p, n, lower, 1)
    _put_back(program, state, p, n, lower, 0)
    victims = 0
    for i in range(lower):
        if state.lists[i].chosen != UNSET:
            state.lists[victims].chosen = state.lists[i].chosen
            state.lists[victims].spared = state.lists[i].spared
            victims += 1
    return victims


@jit
def _count_failure(program: Any, state: Any, p: int, n: int, half: int) -> None:
    """Count why a node would not do without its pods of lower priority either."""
    beside = nominees_are_in_the_way(program, state, p, n)
    count_rejection(program, state, p, n, half)
    if beside:
        take_off_nominees(program, state, p, n)


@jit
def _put_back(program: Any, state: Any, p: int, n: int, count: int, spared: int) -> None:
    """Put those of the chosen pods that the pod leaves room for back, and choose them no more."""
    for i in range(count):
        if state.lists[i].spared == spared:
            other = state.lists[i].chosen
            count_on_node(program, state, other, 1)
            judge(program, state, state.pods[p].template)
            if passes_beside_nominees(program, state, p, n):
                state.lists[i].chosen = UNSET
            else:
                count_on_node(program, state, other, -1)


@jit
def _lower_priority(program: Any, state: Any, p: int, n: int) -> int:
    """List a node's pods of lower priority, the most important first."""
    count = 0
    mine = _priority(program, state, p)
    for q in range(state.clock[0].pods):
        pod = state.pods[q]
        if pod.node == n and (pod.phase == PENDING or pod.phase == RUNNING):
            if _priority(program, state, q) < mine:
                place = count
                while place > 0 and _more_important(
                    program, state, q, state.lists[place - 1].chosen
                ):
                    state.lists[place].chosen = state.lists[place - 1].chosen
                    place -= 1
                state.lists[place].chosen = q
                count += 1
    return count


@jit
def _start(state: Any, q: int) -> int:
    pod = state.pods[q]
    return (pod.started if pod.phase == RUNNING else state.clock[0].now) // NS


@jit
def _more_important(program: Any, state: Any, a: int, b: int) -> bool:
    if _priority(program, state, a) != _priority(program, state, b):
        return _priority(program, state, a) > _priority(program, state, b)
    return _start(state, a) < _start(state, b)


@jit
def _describe(program: Any, state: Any, n: int, victims: int, place: int) -> None:
    """Note what a candidate costs; its victims stand in order, the most important first."""
    candidate = state.victims[place]
    candidate.node = n
    candidate.count = victims
    candidate.highest = _priority(program, state, state.lists[0].chosen)
    candidate.start = _start(state, state.lists[0].chosen)
    candidate.violations = 0
    total = 0
    for i in range(victims):
        candidate.violations += state.lists[i].spared
        total += _priority(program, state, state.lists[i].chosen) + _SUM_OFFSET
    candidate.priorities = total


@jit
def _cost(candidate: Any) -> Any:
    """Return what decides between candidates, the first that differs: less is better."""
    return (
        candidate.violations,
        candidate.highest,
        candidate.priorities,
        candidate.count,
        -candidate.start,
    )


@jit
def pick(state: Any, p: int, candidates: int, wanted: Any) -> int:
    """Return the node of the candidate that costs least; the seed breaks ties.

    Args:
        state: the state, with the candidates in `state.victims`.
        p: the pod.
        candidates: their number.
        wanted: as for `scheduler.schedule`.
    """
    least = _cost(state.victims[0])
    for i in range(candidates):
        cost = _cost(state.victims[i])
        if cost < least:  # noqa: PLR1730 - Numba's min knows no tuples
            least = cost
    ties = 0
    for i in range(candidates):
        if _cost(state.victims[i]) == least:
            ties += 1
            if wanted is not None and state.victims[i].node == wanted:
                return wanted
    chosen = choose(state.clock[0].seed, NODE, p, ties)
    for i in range(candidates):
        if _cost(state.victims[i]) == least:
            if chosen == 0:
                return state.victims[i].node
            chosen -= 1
    return UNSET
