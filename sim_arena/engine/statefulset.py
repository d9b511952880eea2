"""The StatefulSet controller: pods with ordinals, made and replaced in order.

Source: Kubernetes `pkg/controller/statefulset/stateful_set_control.go` (updateStatefulSet).
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.admission import settle
from sim_arena.engine.capacity import has_room
from sim_arena.engine.deployment import same_template
from sim_arena.engine.jit import jit, rare
from sim_arena.engine.lifecycle import (
    create_pod,
    delete_pod,
    mark_workload,
    notice_workload,
)
from sim_arena.engine.order import delay
from sim_arena.engine.slow_start import (
    begin,
    forget_request,
    is_under_way,
    note_request,
)
from sim_arena.engine.state import FAILED, SUCCEEDED
from traces.arithmetic import UNSET

__all__ = ["sync_statefulset"]

_GO_ON, _WAIT, _REFUSED = range(3)
# The least delays, in ticks of `clock.serial`, before each batch of pods, and before the first
# where one may be refused: the controller writes its revisions before.
_BATCH, _REVISION = 4, 8


@rare
def sync_statefulset(program: Any, state: Any, w: int, whole: Any) -> bool:
    """Take the steps of a StatefulSet that are possible now.

    Returns:
        False, with nothing done, when the state may have too little room for more pods.
    """
    workload = state.workloads[w]
    if not workload.exists:
        return True
    application = program.applications[workload.application]
    most = application.replicas if application.parallel else 1
    if not has_room(program, state, most, whole):
        return False
    _finish_update(program, state, w)
    first_unavailable = _first_unavailable(program, state, w)
    _list_by_ordinal(program, state, w, application)
    if whole is not None and program.header[0].admission:
        if not _fill_one_by_one(program, state, w, application, whole):
            return True
    elif not _fill_all(program, state, w, application, whole):
        return True
    condemned = _scale_down(program, state, w, first_unavailable)
    if condemned == _GO_ON or application.parallel:
        _update(program, state, w)
    return True


@jit
def _fill_all(program: Any, state: Any, w: int, application: Any, whole: Any) -> bool:
    """See that there is a pod for each ordinal; say whether there is anything else to do."""
    wait = delay(state, _BATCH)
    late = wait
    end = 1
    for ordinal in range(application.replicas):
        if ordinal == end:  # all at once means 1, then 2, 4, ... pods
            late += wait
            end += ordinal + 1
        state.clock[0].late = late
        step = _fill(program, state, w, ordinal, whole)
        state.clock[0].late = 0
        if step == _WAIT and not application.parallel:
            return False
    return True


@rare
def _fill_one_by_one(program: Any, state: Any, w: int, application: Any, whole: Any) -> bool:
    """Do as `_fill_all` where the API server may refuse a pod: one pod a call.

    With Parallel the ordinals that have a pod count among those of a batch.
    """
    s = program.workloads[w].first_template
    facts = state.admission[s]
    first = facts.at if is_under_way(state, s) else 0
    for ordinal in range(first, application.replicas):
        missing = state.lists[ordinal].scratch == UNSET
        if missing and not is_under_way(state, s):
            _begin_at(state, s, application, ordinal)
            if state.sets[s].head == UNSET:  # else its own news has made it look
                notice_workload(state, w, _REVISION)
                return False
        step = _fill(program, state, w, ordinal, whole)
        if application.parallel:
            if is_under_way(state, s):
                wait = note_request(state, s, step == _REFUSED)
                facts.at = ordinal + 1
                if missing and wait > 0:
                    notice_workload(state, w, wait)
                    return False
                if wait == 0 and facts.denied:
                    settle(program, state, s, True)
                    return False
        elif step != _GO_ON:
            forget_request(state, s)
            settle(program, state, s, step == _REFUSED)
            return False
    forget_request(state, s)
    settle(program, state, s, False)
    return True


@jit
def _begin_at(state: Any, s: int, application: Any, ordinal: int) -> None:
    """Begin to make pods, the first of which has an ordinal."""
    begin(state, s, application.replicas - (0 if application.parallel else ordinal))
    if application.parallel:
        for _ in range(ordinal):
            note_request(state, s, False)
    state.admission[s].at = ordinal


@jit
def _fill(program: Any, state: Any, w: int, ordinal: int, whole: Any) -> int:
    """See that there is a pod with an ordinal; say whether those after it must wait for it."""
    p = state.lists[ordinal].scratch
    if p == UNSET:
        template = _revision(program, state, w, ordinal)
        first = program.workloads[w].first_template
        start = program.applications[state.workloads[w].application].start
        p = create_pod(program, state, first, template, start + ordinal, whole)
        state.lists[ordinal].scratch = p
        if whole is not None and p == UNSET:
            return _REFUSED
        return _WAIT
    if state.pods[p].phase == FAILED or state.pods[p].phase == SUCCEEDED:
        state.lists[ordinal].scratch = UNSET
        delete_pod(program, state, p)
        mark_workload(state, w)
        return _WAIT
    return _GO_ON if state.pods[p].available else _WAIT


@jit
def _list_by_ordinal(program: Any, state: Any, w: int, application: Any) -> None:
    """Write the pod of each wanted ordinal, or UNSET, into `state.lists[].scratch`.

    They stand in order, the first one at 0.
    There is room for more pods than there are, so the first ordinal without a pod is in it.
    """
    lists = state.lists
    count = min(application.replicas, lists.shape[0])
    for ordinal in range(count):
        lists[ordinal].scratch = UNSET
    p = state.sets[program.workloads[w].first_template].head
    while p != UNSET:
        place = state.pods[p].ordinal - application.start
        if 0 <= place < count:
            lists[place].scratch = p
        p = state.pods[p].next


@jit
def _highest(program: Any, state: Any, w: int, below: int) -> int:
    """Return the pod with the highest ordinal below `below` (UNSET: any), or UNSET."""
    found = UNSET
    p = state.sets[program.workloads[w].first_template].head
    while p != UNSET:
        ordinal = state.pods[p].ordinal
        if below == UNSET or ordinal < below:
            if found == UNSET or ordinal > state.pods[found].ordinal:
                found = p
        p = state.pods[p].next
    return found


@jit
def _first_unavailable(program: Any, state: Any, w: int) -> int:
    """Return the pod that may block the others: the unavailable one of lowest ordinal."""
    found = UNSET
    p = state.sets[program.workloads[w].first_template].head
    while p != UNSET:
        pod = state.pods[p]
        if not pod.available and (found == UNSET or pod.ordinal < state.pods[found].ordinal):
            found = p
        p = pod.next
    return found


@jit
def _revision(program: Any, state: Any, w: int, ordinal: int) -> int:
    workload = state.workloads[w]
    application = program.applications[workload.application]
    if not application.on_delete and ordinal < application.partition:
        return workload.current
    return workload.template


@jit
def _scale_down(program: Any, state: Any, w: int, first_unavailable: int) -> int:
    """Delete pods above the wanted number, the highest ordinal first.

    In order, one pod a call; one that is not available waits unless it is the first such pod.
    """
    application = program.applications[state.workloads[w].application]
    p = _highest(program, state, w, UNSET)
    while p != UNSET:
        ordinal = state.pods[p].ordinal
        if application.start <= ordinal < application.start + application.replicas:
            # Below the first wanted one there can be others.
            p = _highest(program, state, w, application.start) if application.start else UNSET
            continue
        blocked = not state.pods[p].available and p != first_unavailable
        if blocked and not application.parallel:
            return _WAIT
        delete_pod(program, state, p)
        mark_workload(state, w)
        if not application.parallel:
            return _WAIT
        p = _highest(program, state, w, ordinal)
    return _GO_ON


@jit
def _update(program: Any, state: Any, w: int) -> None:
    """Replace one pod of an old revision, from the highest ordinal down to the partition."""
    workload = state.workloads[w]
    application = program.applications[workload.application]
    if application.on_delete:
        return
    for ordinal in range(application.replicas - 1, application.partition - 1, -1):
        p = state.lists[ordinal].scratch
        if p == UNSET:
            return
        if not same_template(program, state.pods[p].template, workload.template):
            delete_pod(program, state, p)
            mark_workload(state, w)
            return
        if not state.pods[p].available:
            return


@jit
def _finish_update(program: Any, state: Any, w: int) -> None:
    """Make the update revision the current one when all pods have it and are ready."""
    workload = state.workloads[w]
    application = program.applications[workload.application]
    if workload.current == workload.template or application.on_delete:
        return
    pods = 0
    p = state.sets[program.workloads[w].first_template].head
    while p != UNSET:
        pod = state.pods[p]
        if not pod.ready or not same_template(program, pod.template, workload.template):
            return
        pods += 1
        p = pod.next
    if pods == application.replicas:
        workload.current = workload.template
