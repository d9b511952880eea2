"""The ReplicaSet controller: as many active pods as asked for.

Sources: Kubernetes `pkg/controller/replicaset/replica_set.go` (manageReplicas) and
`pkg/controller/controller_utils.go` (ActivePodsWithRanks: which pods go first).
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.admission import settle
from sim_arena.engine.capacity import has_room
from sim_arena.engine.choice import UID, draw
from sim_arena.engine.jit import jit, rare
from sim_arena.engine.lifecycle import (
    create_pod,
    exchange_lifetimes,
    mark_set,
    notice_set,
    take_down_pod,
)
from sim_arena.engine.order import delay
from sim_arena.engine.program import DEPLOYMENT, NS, REGULAR, SIDECAR
from sim_arena.engine.slow_start import (
    NEXT_BATCH,
    begin,
    forget_request,
    is_beside,
    is_under_way,
    note_request,
)
from sim_arena.engine.state import PENDING, RUNNING
from traces.arithmetic import UNSET

__all__ = ["compare_restarts", "precedence", "rank", "sync_set", "uid_before"]

_BURST = 500
_BATCH = 4  # the least delay before each batch of pods, in ticks of `clock.serial`


@jit
def sync_set(program: Any, state: Any, s: int, whole: Any) -> bool:
    """Make or delete pods; return False, with nothing done, when the state has too little room."""
    owner = state.sets[s]
    if not owner.exists:
        if whole is not None and program.header[0].admission:
            forget_request(state, s)
        return True
    missing = owner.replicas - owner.active
    if not has_room(program, state, missing, whole):
        return False
    if missing > 0:
        if whole is not None and program.header[0].admission:
            _create_one(program, state, s, missing, whole)
        else:
            _create_in_batches(program, state, s, missing, whole)
        return True
    if missing < 0:
        surplus = -missing
        if surplus > _BURST:
            surplus = _BURST
            mark_set(state, s)
        _delete_surplus(program, state, s, surplus)
    if whole is not None and program.header[0].admission:
        forget_request(state, s)
        settle(program, state, s, False)
    return True


@jit
def _create_in_batches(program: Any, state: Any, s: int, count: int, whole: Any) -> None:
    """Make 1, 2, 4, ... pods at a time (slowStartBatch); a later batch comes later."""
    clock = state.clock[0]
    wait = delay(state, _BATCH)
    clock.late = wait
    end = 1
    for i in range(count):
        first = i == 0 or i == end
        if i == end:
            clock.late += wait
            end += i + 1
        p = create_pod(program, state, s, state.sets[s].template, UNSET, whole)
        if not first:
            exchange_lifetimes(state, p)
    clock.late = 0


@rare
def _create_one(program: Any, state: Any, s: int, missing: int, whole: Any) -> None:
    """Make the next pod where the API server may refuse it, or begin to."""
    if not is_under_way(state, s):
        begin(state, s, min(missing, _BURST))
        notice_set(state, s, NEXT_BATCH)
        return
    p = create_pod(program, state, s, state.sets[s].template, UNSET, whole)
    if p != UNSET and is_beside(state, s):
        exchange_lifetimes(state, p)
    wait = note_request(state, s, p == UNSET)
    if wait > 0:
        notice_set(state, s, wait)
        return
    settle(program, state, s, state.admission[s].denied != 0)
    if not state.admission[s].denied and state.sets[s].replicas != state.sets[s].active:
        mark_set(state, s)  # it was scaled meanwhile


@rare
def _delete_surplus(program: Any, state: Any, s: int, count: int) -> None:
    if program.workloads[program.templates[s].workload].kind == DEPLOYMENT:
        rank(program, state, s)
    lists = state.lists
    size = 0
    p = state.sets[s].head
    while p != UNSET:
        pod = state.pods[p]
        if pod.phase == PENDING or pod.phase == RUNNING:
            lists[size].scratch = p
            size += 1
        p = pod.next
    for i in range(size // 2 - 1, -1, -1):
        _sift(program, state, lists, i, size)
    for _ in range(count):
        first = lists[0].scratch
        size -= 1
        lists[0].scratch = lists[size].scratch
        _sift(program, state, lists, 0, size)
        take_down_pod(program, state, first)


@jit
def _sift(program: Any, state: Any, lists: Any, parent: int, size: int) -> None:
    while True:
        child = 2 * parent + 1
        if child >= size:
            return
        if child + 1 < size and _goes_first(
            program, state, lists[child + 1].scratch, lists[child].scratch
        ):
            child += 1
        if not _goes_first(program, state, lists[child].scratch, lists[parent].scratch):
            return
        lists[parent].scratch, lists[child].scratch = lists[child].scratch, lists[parent].scratch
        parent = child


@jit
def rank(program: Any, state: Any, s: int) -> None:
    """Give each pod of a set the number of its owner's pods on its node.

    The owner is the Deployment: its ReplicaSets count together. For a ReplicaSet that nobody
    owns the controller ranks no pod (getReplicaSetsWithSameController).
    """
    workload = program.workloads[program.templates[s].workload]
    room = state.room
    for n in range(program.header[0].nodes):
        room[n].domain = 0
    for pass_ in range(2):
        for other in range(workload.first_template, workload.end_template):
            p = state.sets[other].head if state.sets[other].exists else UNSET
            while p != UNSET:
                pod = state.pods[p]
                if pod.node != UNSET and (pod.phase == PENDING or pod.phase == RUNNING):
                    if pass_ == 0:
                        room[pod.node].domain += 1
                    else:
                        pod.rank = room[pod.node].domain
                p = pod.next


@jit
def _goes_first(program: Any, state: Any, p: int, q: int) -> bool:
    """Say whether pod `p` is deleted before pod `q`."""
    order = precedence(program, state, p, q)
    return order > 0 if order != 0 else uid_before(state, p, q)


@jit
def precedence(program: Any, state: Any, p: int, q: int) -> int:
    """Say which of two pods is deleted first: 1 for `p`, -1 for `q`, 0 where the UIDs decide."""
    a = state.pods[p]
    b = state.pods[q]
    if (a.node == UNSET) != (b.node == UNSET):
        return 1 if a.node == UNSET else -1
    if a.phase != b.phase:
        return 1 if a.phase == PENDING else -1
    if a.ready != b.ready:
        return 1 if b.ready else -1
    cost_a = program.templates[a.template].deletion_cost
    cost_b = program.templates[b.template].deletion_cost
    if cost_a != cost_b:
        return 1 if cost_a < cost_b else -1
    if a.node != UNSET and a.rank != b.rank:
        return 1 if a.rank > b.rank else -1
    return _younger_first(program, state, p, q)


@jit
def _younger_first(program: Any, state: Any, p: int, q: int) -> int:
    a = state.pods[p]
    b = state.pods[q]
    now = state.clock[0].now
    if a.ready and a.ready_since // NS != b.ready_since // NS:
        return _by_age(now, a.ready_since, b.ready_since)
    restarts = compare_restarts(program, state, p, q)
    if restarts != 0:
        return restarts
    if a.created // NS != b.created // NS:
        return _by_age(now, a.created, b.created)
    return 0


@jit
def compare_restarts(program: Any, state: Any, p: int, q: int) -> int:
    """Return 1 if pod `p` was restarted more, -1 if `q` was, 0 if neither.

    The regular container that was restarted most decides, and only then the sidecars
    (compareMaxContainerRestarts).
    """
    if state.pods[p].restarts == 0 and state.pods[q].restarts == 0:
        return 0
    for kind in (REGULAR, SIDECAR):
        most_p = _most_restarts(program, state, p, kind)
        most_q = _most_restarts(program, state, q, kind)
        if most_p != most_q:
            return 1 if most_p > most_q else -1
    return 0


@jit
def _most_restarts(program: Any, state: Any, p: int, kind: int) -> int:
    most = 0
    record = program.templates[state.pods[p].template]
    first = p * program.header[0].pod_containers
    for i in range(record.end_container - record.first_container):
        if program.containers[record.first_container + i].kind == kind:
            most = max(most, state.containers[first + i].restarts)
    return most


@jit
def _by_age(now: int, time_a: int, time_b: int) -> int:
    """Compare ages by their power of two in nanoseconds; the younger goes first."""
    age_a = _log2(now - time_a // NS * NS)
    age_b = _log2(now - time_b // NS * NS)
    if age_a == age_b:
        return 0
    return 1 if age_a < age_b else -1


@jit
def _log2(age: int) -> int:
    power = -1
    while age > 0:
        age >>= 1
        power += 1
    return power


@jit
def uid_before(state: Any, p: int, q: int) -> bool:
    """UIDs are random: the seed stands in for them."""
    seed = state.clock[0].seed
    a = draw(seed, UID, p)
    b = draw(seed, UID, q)
    return a < b or (a == b and p < q)
