"""A Job's pods: which indexes they stand for, and in which order surplus ones are deleted.

Sources: Kubernetes `pkg/controller/job/indexed_job_utils.go`, and `pkg/controller/
controller_utils.go` (ActivePods: which pods go first).
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.lifecycle import delete_pod
from sim_arena.engine.program import FAIL_INDEX, IGNORE, NS
from sim_arena.engine.replicaset import compare_restarts, uid_before
from sim_arena.engine.state import EVICTED, FAILED, ORPHAN, PENDING, RUNNING, SUCCEEDED
from traces.arithmetic import UNSET

__all__ = [
    "count_active",
    "count_ready",
    "delete_active",
    "delete_surplus",
    "has_succeeded",
    "is_active",
    "list_indexes",
    "next_pending_index",
    "own_set",
    "what_it_means",
]

# What is known of an index, in `state.lists[].scratch`.
_NOTHING, _ACTIVE, _SUCCEEDED, _FAILED = 0, 1, 2, 4


@jit
def own_set(program: Any, w: int) -> int:
    """Return the set that a Job's pods are in."""
    header = program.header[0]
    if w < header.workloads:
        return program.workloads[w].first_template
    return header.templates + w - header.workloads


@jit
def is_active(pod: Any) -> bool:
    """Say whether a Job counts a pod among those that it has."""
    return (pod.phase == PENDING or pod.phase == RUNNING) and pod.tracked != ORPHAN


@rare
def count_active(state: Any, s: int) -> int:
    """Count a Job's pods that are not at their end."""
    count = 0
    p = state.sets[s].head
    while p != UNSET:
        if is_active(state.pods[p]):
            count += 1
        p = state.pods[p].next
    return count


@rare
def count_ready(state: Any, s: int) -> int:
    """Count a Job's pods that are ready."""
    count = 0
    p = state.sets[s].head
    while p != UNSET:
        if is_active(state.pods[p]) and state.pods[p].ready:
            count += 1
        p = state.pods[p].next
    return count


@rare
def list_indexes(program: Any, state: Any, w: int, application: Any) -> int:
    """Write into `state.lists` what is known of each index; return how many have failed.

    `scratch` says what its pods do, `chosen` names the failed pod in whose place another may
    come. There is room for more pods than there are, so the first indexes without a pod are in
    it. The Job's `succeeded` becomes the number of indexes that have.
    """
    lists = state.lists
    count = min(application.completions, lists.shape[0])
    for index in range(count):
        lists[index].scratch = _NOTHING
        lists[index].chosen = UNSET
    p = state.sets[own_set(program, w)].head
    while p != UNSET:
        pod = state.pods[p]
        if pod.tracked != ORPHAN and 0 <= pod.ordinal < count:
            lists[pod.ordinal].scratch |= _what_it_says(pod, application)
            if pod.phase == FAILED and _is_later(state, p, lists[pod.ordinal].chosen):
                lists[pod.ordinal].chosen = p
        p = pod.next
    succeeded = 0
    failed = 0
    for index in range(count):
        if lists[index].scratch & _SUCCEEDED:
            succeeded += 1
        if lists[index].scratch & _FAILED:
            failed += 1
    state.workloads[w].succeeded = succeeded
    return failed


@jit
def what_it_means(pod: Any, application: Any) -> int:
    """Return what the podFailurePolicy says of a failed pod."""
    return application.on_eviction if pod.message == EVICTED else application.on_failure


@jit
def has_succeeded(state: Any, index: int) -> bool:
    """Say whether an index has succeeded, as `list_indexes` has found."""
    return state.lists[index].scratch & _SUCCEEDED != 0


@jit
def _what_it_says(pod: Any, application: Any) -> int:
    if pod.phase == PENDING or pod.phase == RUNNING:
        return _ACTIVE
    if pod.phase == SUCCEEDED:
        return _SUCCEEDED
    meaning = what_it_means(pod, application)
    if application.index_limit == UNSET or meaning == IGNORE:
        return _NOTHING
    over = meaning == FAIL_INDEX or pod.failures >= application.index_limit
    return _FAILED if over else _NOTHING


@jit
def _is_later(state: Any, p: int, q: int) -> bool:
    """Say whether pod `p` is the one whose failures count for its index, rather than `q`."""
    if q == UNSET:
        return True
    a = state.pods[p]
    b = state.pods[q]
    return b.failures <= a.failures and a.ended // NS >= b.ended // NS


@rare
def next_pending_index(state: Any, application: Any, first: int) -> int:
    """Return the first index from `first` on that still needs a pod, or UNSET."""
    for index in range(first, min(application.completions, state.lists.shape[0])):
        if state.lists[index].scratch == _NOTHING:
            return index
    return UNSET


@rare
def delete_active(program: Any, state: Any, s: int) -> int:
    """Delete a Job's pods that are not at their end; return their number."""
    count = 0
    p = state.sets[s].head
    while p != UNSET:
        following = state.pods[p].next
        if is_active(state.pods[p]):
            delete_pod(program, state, p)
            count += 1
        p = following
    return count


@rare
def delete_surplus(program: Any, state: Any, s: int, application: Any, least: int) -> int:
    """Delete pods beyond the last index, and others until it is `least`; return their number."""
    lists = state.lists
    size = 0
    wrong = 0
    p = state.sets[s].head
    while p != UNSET:
        if is_active(state.pods[p]):
            lists[size].scratch = p
            size += 1
            wrong += 1 if _has_wrong_index(state, p, application) else 0
        p = state.pods[p].next
    count = max(least, wrong)
    for _ in range(count):
        first = 0
        for i in range(1, size):
            if _goes_first(program, state, application, lists[i].scratch, lists[first].scratch):
                first = i
        p = lists[first].scratch
        size -= 1
        lists[first].scratch = lists[size].scratch
        delete_pod(program, state, p)
    return count


@jit
def _has_wrong_index(state: Any, p: int, application: Any) -> bool:
    return application.indexed != 0 and state.pods[p].ordinal >= application.completions


@jit
def _goes_first(program: Any, state: Any, application: Any, p: int, q: int) -> bool:
    """Say whether pod `p` is deleted before pod `q`."""
    a = state.pods[p]
    b = state.pods[q]
    wrong = _has_wrong_index(state, p, application)
    if wrong != _has_wrong_index(state, q, application):
        return wrong
    if (a.node == UNSET) != (b.node == UNSET):
        return a.node == UNSET
    if a.phase != b.phase:
        return a.phase == PENDING
    if a.ready != b.ready:
        return b.ready != 0
    if a.ready and a.ready_since // NS != b.ready_since // NS:
        return a.ready_since > b.ready_since
    restarts = compare_restarts(program, state, p, q)
    if restarts != 0:
        return restarts > 0
    if a.created // NS != b.created // NS:
        return a.created > b.created
    return uid_before(state, p, q)
