"""One scheduling cycle: filter, score, choose; or say why not, and preempt.

Source: Kubernetes `pkg/scheduler/schedule_one.go`.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.choice import TIE, choose
from sim_arena.engine.jit import jit, rare
from sim_arena.engine.lifecycle import bind
from sim_arena.engine.nominees import (
    nominees_are_in_the_way,
    passes_beside_nominees,
    take_off_nominees,
)
from sim_arena.engine.plugins import (
    default_preemption,
    image_locality,
    inter_pod_affinity,
    node_affinity,
    node_ports,
    pod_topology_spread,
    taint_toleration,
    volume_binding,
)
from sim_arena.engine.program import PASSES
from sim_arena.engine.queue import fail
from sim_arena.engine.rejections import (
    clear_rejections,
    count_node,
    count_rejections,
    repeat_rejections,
)
from sim_arena.engine.standing import kept_row, renew
from sim_arena.engine.state import FEASIBLE, NO_NODES, RAW, SCORE, UNSCHEDULABLE
from sim_arena.engine.verdicts import clear_verdicts, judge, looks_at_others
from traces.arithmetic import UNSET

__all__ = [
    "best_node",
    "count_reasons",
    "find_feasible",
    "find_nodes",
    "schedule",
    "score_nodes",
]

_SHOWN = 32  # nodes


@jit
def schedule(program: Any, state: Any, p: int, whole: Any, wanted: Any) -> None:
    """Try to place a pod.

    Args:
        program: the program.
        state: its state.
        p: the pod.
        whole: None leaves out the plugins that look at other pods, and preemption. Numba drops
            branches on None, so programs that need none of them do not wait for their
            compilation.
        wanted: the node to take if it is one of the best, instead of the seed's choice; None
            leaves the choice to the seed.
    """
    pod = state.pods[p]
    if program.header[0].nodes == 0:
        pod.message = NO_NODES
        fail(state, p)
        return
    if whole is not None and program.header[0].claims:
        if volume_binding.has_claims(program, pod.template):
            if volume_binding.is_held_up(program, state, p):
                fail(state, p)
                return
    if _was_just_refused(program, state, pod.template, whole):
        pod.message = UNSCHEDULABLE
        repeat_rejections(state, p, state.sets[pod.template].refused)
        fail(state, p)
        return
    feasible = find_nodes(program, state, p, whole)
    if feasible == 0:
        _reject(program, state, p, whole, wanted)
    else:
        bind(program, state, p, best_node(program, state, p, feasible, whole, wanted), whole)


@jit
def _was_just_refused(program: Any, state: Any, template: int, whole: Any) -> bool:
    """Say whether no node could take the last pod of a template, and nothing has changed since.

    Then none can take this one either: a deleted pod's end wakes all that wait for room, and
    most of them wait in vain. Where pods may preempt, other pods' nominations count as well, and
    claims may have been bound.
    """
    if state.sets[template].refused_at != state.clock[0].changes:
        return False
    if whole is None:
        return True
    header = program.header[0]
    return not header.preempts and not header.claims and program.templates[template].daemon == UNSET


@jit
def find_nodes(program: Any, state: Any, p: int, whole: Any) -> int:
    """Write the nodes that are feasible for a pod as `find_feasible` does, by the quickest way."""
    template = state.pods[p].template
    if whole is not None:
        if state.clock[0].nominees > 0:
            return _find_beside_nominees(program, state, p)
        if program.templates[template].daemon != UNSET:
            return _find_own_node(program, state, p)
    return find_feasible(program, state, template, whole)


@rare
def _find_beside_nominees(program: Any, state: Any, p: int) -> int:
    """Find feasible nodes where others are nominated; a pod's own node is tried first, alone."""
    pod = state.pods[p]
    if pod.nominated != UNSET:
        judge(program, state, pod.template)
        if passes_beside_nominees(program, state, p, pod.nominated):
            state.lanes[FEASIBLE, 0] = pod.nominated
            return 1
    if program.templates[pod.template].daemon != UNSET:
        return _find_own_node(program, state, p)
    return _search_beside_nominees(program, state, p)


@rare
def _search_beside_nominees(program: Any, state: Any, p: int) -> int:
    """Search as `find_feasible` does, node by node."""
    clock = state.clock[0]
    template = state.pods[p].template
    total = program.header[0].nodes
    limit = _limit(total)
    judge(program, state, template)
    row = kept_row(program, state, template)
    found = 0
    looked = 0
    while looked < total:
        n = (clock.start_node + looked) % total
        if passes_beside_nominees(program, state, p, n):
            if found == limit:
                break
            renew(program, state, row, template, n, n + 1)
            state.lanes[FEASIBLE, found] = n
            state.lanes[SCORE, found] = state.kept[row, n]
            found += 1
        looked += 1
    if limit < total:
        clock.start_node = (clock.start_node + looked) % total
    return found


@rare
def _find_own_node(program: Any, state: Any, p: int) -> int:
    """Look at the one node that a DaemonSet's pod is for; the next search begins one further."""
    clock = state.clock[0]
    pod = state.pods[p]
    clock.start_node = (clock.start_node + 1) % program.header[0].nodes
    judge(program, state, pod.template)
    if not passes_beside_nominees(program, state, p, pod.ordinal):
        return 0
    state.lanes[FEASIBLE, 0] = pod.ordinal
    return 1


@rare
def _reject(program: Any, state: Any, p: int, whole: Any, wanted: Any) -> None:
    pod = state.pods[p]
    pod.message = UNSCHEDULABLE
    if whole is not None:
        count_reasons(program, state, p)
        fail(state, p)
        if program.header[0].preempts:
            default_preemption.preempt(program, state, p, wanted)
    else:
        clear_verdicts(program, state)
        count_rejections(program, state, p)
        fail(state, p)
    state.sets[pod.template].refused_at = state.clock[0].changes
    state.sets[pod.template].refused = p


@rare
def count_reasons(program: Any, state: Any, p: int) -> None:
    """Judge all nodes for a pod that fits nowhere, and count what rejects each.

    Where the pods that are nominated to a node reject it, it is why they do.
    """
    judge(program, state, state.pods[p].template)
    if state.clock[0].nominees == 0:
        count_rejections(program, state, p)
        return
    clear_rejections(state, p)
    for n in range(program.header[0].nodes):
        beside = nominees_are_in_the_way(program, state, p, n)
        count_node(program, state, p, n)
        if beside:
            take_off_nominees(program, state, p, n)


@jit
def _limit(nodes: int) -> int:
    """Return how many feasible nodes are enough (numFeasibleNodesToFind)."""
    if nodes < 100:
        return nodes
    return max(100, nodes * max(5, 50 - nodes // 125) // 100)


@jit
def find_feasible(program: Any, state: Any, template: int, whole: Any) -> int:
    """Write the feasible nodes into the lane `FEASIBLE` and return their number.

    The lane `SCORE` gets what the resource plugins give them. In a large cluster the search
    begins where the last one ended, and ends when it has found one more than it needs
    (findNodesThatPassFilters).
    """
    clock = state.clock[0]
    total = program.header[0].nodes
    limit = _limit(total)
    row = kept_row(program, state, template)
    choosy = False
    if whole is not None:
        record = program.templates[template]
        judged = looks_at_others(program, template)
        if judged:
            judge(program, state, template)
        choosy = judged or record.end_ports > record.first_ports
    found = 0
    looked = 0
    n = clock.start_node
    while looked < total and found < limit:
        # So many nodes can be looked at without finding too many.
        end = n + min(limit - found, total - looked, total - n)
        renew(program, state, row, template, n, end)
        if choosy:
            found = _take_if_passed(program, state, row, template, n, end, found)
        else:
            found = _take(state, row, n, end, found)
        looked += end - n
        n = end if end < total else 0
    if limit < total:
        while looked < total:  # on to the next feasible one
            renew(program, state, row, template, n, n + 1)
            if state.kept[row, n] >= 0:
                if not choosy or _is_passed(program, state, template, n):
                    break
            looked += 1
            n = n + 1 if n + 1 < total else 0
        clock.start_node = (clock.start_node + looked) % total
    return found


@jit
def _take(state: Any, row: int, first: int, end: int, found: int) -> int:
    """Add the nodes from `first` to `end - 1` that have room to the `found` feasible ones.

    Each is written, and the next one over it where it has no room: that needs no branches.
    """
    kept = state.kept
    lanes = state.lanes
    for n in range(first, end):
        score = kept[row, n]
        lanes[FEASIBLE, found] = n
        lanes[SCORE, found] = score
        found += 1 if score >= 0 else 0
    return found


@rare
def _take_if_passed(
    program: Any, state: Any, row: int, template: int, first: int, end: int, found: int
) -> int:
    """Do the same where the plugins that look at other pods have a say."""
    for n in range(first, end):
        if state.kept[row, n] >= 0 and _is_passed(program, state, template, n):
            state.lanes[FEASIBLE, found] = n
            state.lanes[SCORE, found] = state.kept[row, n]
            found += 1
    return found


@jit
def _is_passed(program: Any, state: Any, template: int, n: int) -> bool:
    """Say whether the plugins that look at other pods let a pod go to a node.

    `judge` must have written their verdicts where there are such plugins for the template.
    """
    if looks_at_others(program, template) and state.room[n].verdict != PASSES:
        return False
    return node_ports.are_free(program, state, template, n)


@jit
def score_nodes(program: Any, state: Any, template: int, feasible: int, whole: Any) -> None:
    """Add the other plugins' scores of the feasible nodes, weighted, to the lane `SCORE`.

    The sums of small clusters are left in `state.room[].score`, for those who look at a run.
    """
    record = program.templates[template]
    if record.end_soft > record.first_soft:
        pod_topology_spread.score(program, state, template, feasible)
        pod_topology_spread.normalize(state, feasible)
        _add(state, pod_topology_spread.WEIGHT, feasible)
    if whole is not None:
        if inter_pod_affinity.has_scores(program, template):
            inter_pod_affinity.score(program, state, template, feasible)
            inter_pod_affinity.normalize(state, feasible)
            _add(state, inter_pod_affinity.WEIGHT, feasible)
        if program.header[0].images:
            image_locality.score(program, state, template, feasible)
            _add(state, image_locality.WEIGHT, feasible)
    if record.prefers_nodes:
        node_affinity.score(program, state, template, feasible)
        node_affinity.normalize(state, feasible)
        _add(state, node_affinity.WEIGHT, feasible)
    if program.header[0].taints:
        taint_toleration.score(program, state, template, feasible)
        taint_toleration.normalize(state, feasible)
        _add(state, taint_toleration.WEIGHT, feasible)
    if feasible <= _SHOWN:
        for i in range(feasible):
            state.room[i].score = state.lanes[SCORE, i]


@jit
def _add(state: Any, weight: int, feasible: int) -> None:
    for i in range(feasible):
        state.lanes[SCORE, i] += weight * state.lanes[RAW, i]


@jit
def best_node(program: Any, state: Any, p: int, feasible: int, whole: Any, wanted: Any) -> int:
    """Return the best of the feasible nodes; the seed breaks ties.

    Only one feasible node is taken unscored.
    """
    if feasible == 1:
        return state.lanes[FEASIBLE, 0]
    score_nodes(program, state, state.pods[p].template, feasible, whole)
    scores = state.lanes[SCORE]
    best = scores[0]
    for i in range(feasible):
        best = max(best, scores[i])
    ties = 0
    for i in range(feasible):
        ties += 1 if scores[i] == best else 0
    if wanted is not None and _is_best(state, feasible, best, wanted):
        return wanted
    chosen = 0 if ties == 1 else choose(state.clock[0].seed, TIE, p, ties)
    for i in range(feasible):
        if scores[i] == best:
            if chosen == 0:
                return state.lanes[FEASIBLE, i]
            chosen -= 1
    return -1


@rare
def _is_best(state: Any, feasible: int, best: int, wanted: int) -> Any:
    for i in range(feasible):
        if state.lanes[FEASIBLE, i] == wanted:
            return state.lanes[SCORE, i] == best
    return False
