"""The Job controller: pods that run to their end, as often as asked for.

Sources: Kubernetes `pkg/controller/job/job_controller.go` (syncJob, manageJob),
`indexed_job_utils.go`, `backoff_utils.go` and `pod_failure_policy.go`;
`pkg/controller/ttlafterfinished/`. The controller looks at a Job when its spec changes, and one
second after news of its pods or of what it wrote itself. API times are whole seconds.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.capacity import has_room
from sim_arena.engine.jit import jit, rare
from sim_arena.engine.job_pods import (
    count_active,
    count_ready,
    delete_active,
    delete_surplus,
    has_succeeded,
    is_active,
    list_indexes,
    next_pending_index,
    own_set,
    what_it_means,
)
from sim_arena.engine.lifecycle import (
    create_pod,
    delete_pod,
    exchange_lifetimes,
    mark_workload,
    notice_workload,
    sync_at_deadline,
    sync_batched,
    sync_later,
)
from sim_arena.engine.order import delay, time_within
from sim_arena.engine.program import FAIL_JOB, IGNORE, NS, ON_FAILURE
from sim_arena.engine.slow_start import (
    NEXT_BATCH,
    begin,
    forget_request,
    is_beside,
    is_under_way,
    note_request,
)
from sim_arena.engine.state import (
    BATCHED,
    COUNTED,
    DEAF,
    FAILED,
    NOT_REFUSED,
    ORPHAN,
    SUCCEEDED,
    UNCOUNTED,
)
from traces.arithmetic import UNSET

__all__ = [
    "JOB_COMPLETE",
    "JOB_FAILED",
    "JOB_GOES_ON",
    "apply_job",
    "delete_job",
    "remove_job",
    "start_job",
    "sync_job",
]

JOB_GOES_ON, JOB_COMPLETE, JOB_FAILED = range(3)

_BURST = 500
_BATCH = 4  # the least delay before each batch of pods, in ticks of `clock.serial`
_FIRST_BACKOFF, _MAX_BACKOFF = 10, 600
_MOST_RETRY = 60


@rare
def apply_job(program: Any, state: Any, w: int, cursor: int) -> None:
    """Create a Job, or change it."""
    job = state.workloads[w]
    if not job.exists:
        start_job(state, w, cursor)
    job.application = cursor
    job.template = program.applications[cursor].template
    mark_workload(state, w)


@jit
def start_job(state: Any, w: int, application: int) -> None:
    """Create a Job that its controller has not seen yet."""
    job = state.workloads[w]
    job.exists = 1
    job.application = application
    job.rolling = BATCHED
    job.started = UNSET
    job.deadline_at = UNSET
    job.ending = JOB_GOES_ON
    job.ended = JOB_GOES_ON
    job.succeeded = 0
    job.failed = 0
    job.failures = 0
    job.failed_at = 0
    job.active_seen = 0
    job.ready_seen = 0


@rare
def delete_job(program: Any, state: Any, w: int, everything: int) -> None:
    """Delete a Job; unless with its namespace, its pods stay behind and run on.

    Source: `pkg/registry/batch/job/strategy.go` (DefaultGarbageCollectionPolicy of batch/v1).
    """
    if everything:
        remove_job(program, state, w)
    job = state.workloads[w]
    job.exists = 0
    if program.header[0].admission:
        forget_request(state, own_set(program, w))
    job.rolling = DEAF
    p = state.sets[own_set(program, w)].head
    while p != UNSET:
        following = state.pods[p].next
        if everything:
            delete_pod(program, state, p)  # also what earlier Jobs of the name left behind
        else:
            state.pods[p].tracked = ORPHAN
        p = following


@rare
def remove_job(program: Any, state: Any, w: int) -> None:
    """Delete a Job and its pods."""
    job = state.workloads[w]
    job.exists = 0
    if program.header[0].admission:
        forget_request(state, own_set(program, w))
    job.rolling = DEAF
    p = state.sets[own_set(program, w)].head
    while p != UNSET:
        following = state.pods[p].next
        if state.pods[p].tracked != ORPHAN:
            delete_pod(program, state, p)
        p = following
    _tell_owner(program, state, w)


@rare
def _tell_owner(program: Any, state: Any, w: int) -> None:
    owner = program.workloads[w].owner
    if owner != w and state.workloads[owner].exists:
        mark_workload(state, owner)


@rare
def sync_job(program: Any, state: Any, w: int) -> bool:
    """Take the steps of a Job that are possible now.

    Returns:
        False, with nothing done, when the state may have too little room for more pods.
    """
    job = state.workloads[w]
    admission = program.header[0].admission
    s = own_set(program, w)
    if not job.exists:
        if admission:
            forget_request(state, s)
        return True
    application = program.applications[job.application]
    if job.ended != JOB_GOES_ON:
        _expire(program, state, w, application)
        return True
    if not has_room(program, state, min(application.parallelism, _BURST), 1):
        return False
    if admission:
        if is_under_way(state, s):
            _create_one(program, state, w, application)
            return True
        state.admission[s].refused = NOT_REFUSED
    _go_on(program, state, w, application)
    if admission and not is_under_way(state, s):
        _retry(state, w, s)
    return True


@rare
def _go_on(program: Any, state: Any, w: int, application: Any) -> None:
    job = state.workloads[w]
    if job.started == UNSET and not application.suspended:
        job.started = state.clock[0].now // NS * NS
    changed = _count_finished(program, state, w, application)
    failed_indexes = 0
    if application.indexed:
        failed_indexes = list_indexes(program, state, w, application)
    outcome = _outcome(program, state, w, application, failed_indexes)
    s = own_set(program, w)
    deleted = 0
    if outcome != JOB_GOES_ON:
        deleted = delete_active(program, state, s)
    else:
        more = _manage(program, state, w, application)
        deleted = max(0, -more)
        changed = changed or more != 0
        if _is_complete(state, w, s, application):
            outcome = JOB_COMPLETE
    if outcome != JOB_GOES_ON and deleted == 0:
        _end(program, state, w, application, outcome)
    else:
        job.ending = outcome  # it ends when its pods are gone
        if _update_status(state, w, s) or changed:
            sync_batched(state, w)


@rare
def _retry(state: Any, w: int, s: int) -> None:
    """After a refusal the controller tries again in 1 s, doubled with each in a row to 1 min."""
    facts = state.admission[s]
    if facts.refused == NOT_REFUSED:
        facts.failures = 0
        return
    wait = min(1 << min(facts.failures, 6), _MOST_RETRY) * NS
    facts.failures += 1
    sync_later(state, w, time_within(state) + wait)


@jit
def _update_status(state: Any, w: int, s: int) -> bool:
    """Say whether what the status says of the pods has changed."""
    job = state.workloads[w]
    active = count_active(state, s)
    ready = count_ready(state, s)
    changed = active != job.active_seen or ready != job.ready_seen
    job.active_seen = active
    job.ready_seen = ready
    return changed


@rare
def _count_finished(program: Any, state: Any, w: int, application: Any) -> bool:
    """Count the pods that have come to their end since the last look; say whether there are any."""
    job = state.workloads[w]
    s = own_set(program, w)
    succeeded = 0
    last_success = UNSET
    failed = 0
    p = state.sets[s].head
    while p != UNSET:
        pod = state.pods[p]
        if _is_new(pod, application, SUCCEEDED):
            succeeded += 1
            last_success = max(last_success, pod.ended // NS)
        p = pod.next
    if succeeded > 0:
        job.failures = 0
    p = state.sets[s].head
    while p != UNSET:
        pod = state.pods[p]
        if _is_new(pod, application, FAILED):
            meaning = what_it_means(pod, application)
            failed += 1
            if meaning != IGNORE:
                job.failed += 1
            if meaning == FAIL_JOB:
                job.ending = JOB_FAILED
            if pod.ended // NS > last_success:
                job.failures += 1
                job.failed_at = max(job.failed_at, pod.ended // NS * NS)
        if not is_active(pod) and pod.tracked == UNCOUNTED:
            pod.tracked = COUNTED
        p = pod.next
    job.succeeded += succeeded
    return succeeded + failed > 0


@jit
def _is_new(pod: Any, application: Any, phase: int) -> bool:
    if pod.tracked != UNCOUNTED or pod.phase != phase:
        return False
    return not application.indexed or pod.ordinal < application.completions


@rare
def _outcome(program: Any, state: Any, w: int, application: Any, failed_indexes: int) -> int:
    """Say whether it is settled what becomes of a Job."""
    job = state.workloads[w]
    if job.ending != JOB_GOES_ON:
        return job.ending
    if job.failed > application.backoff_limit or _restarts_too_often(program, state, w):
        return JOB_FAILED
    if _is_overdue(state, w, application) or _too_many_failed(job, application, failed_indexes):
        return JOB_FAILED
    if application.indexed and job.succeeded > 0:
        if _meets_success_policy(program, state, w, application):
            return JOB_COMPLETE
    return JOB_GOES_ON


@jit
def _meets_success_policy(program: Any, state: Any, w: int, application: Any) -> bool:
    """Say whether a rule of the successPolicy is met by the indexes that have succeeded.

    A rule stands in `program.timelines` as: how many are needed, or UNSET for all; of how many
    ranges of indexes, or 0 for any; and the ranges, each its first and last index. The list of
    indexes must be up to date.
    """
    rules = program.timelines
    at = application.first_success
    while at < application.end_success:
        wanted = rules[at]
        ranges = rules[at + 1]
        at += 2
        succeeded = 0
        total = 0
        for _ in range(ranges):
            total += rules[at + 1] - rules[at] + 1
            for index in range(rules[at], min(rules[at + 1] + 1, state.lists.shape[0])):
                succeeded += 1 if has_succeeded(state, index) else 0
            at += 2
        if ranges == 0:
            succeeded = state.workloads[w].succeeded
        elif succeeded == total:
            return True
        if wanted != UNSET and succeeded >= wanted:
            return True
    return False


@jit
def _is_overdue(state: Any, w: int, application: Any) -> bool:
    started = state.workloads[w].started
    if application.deadline == UNSET or started == UNSET or application.suspended:
        return False
    if state.clock[0].now >= started + application.deadline:
        return True
    sync_at_deadline(state, w, started + application.deadline)
    return False


@jit
def _too_many_failed(job: Any, application: Any, failed_indexes: int) -> bool:
    if failed_indexes == 0:
        return False
    if application.most_failed != UNSET and failed_indexes > application.most_failed:
        return True
    return failed_indexes + job.succeeded >= application.completions


@jit
def _restarts_too_often(program: Any, state: Any, w: int) -> bool:
    """With restartPolicy OnFailure the restarts of the live pods count together."""
    application = program.applications[state.workloads[w].application]
    if program.templates[application.template].restart_policy != ON_FAILURE:
        return False
    restarts = 0
    p = state.sets[own_set(program, w)].head
    while p != UNSET:
        if is_active(state.pods[p]):
            restarts += state.pods[p].restarts
        p = state.pods[p].next
    return restarts > 0 and restarts >= application.backoff_limit


@jit
def _is_complete(state: Any, w: int, s: int, application: Any) -> bool:
    succeeded = state.workloads[w].succeeded
    if application.completions == UNSET:
        enough = succeeded > 0
    else:
        enough = succeeded >= application.completions
    return enough and count_active(state, s) == 0


@rare
def _manage(program: Any, state: Any, w: int, application: Any) -> int:
    """Make or delete pods; return how many were made, or as a negative number deleted."""
    job = state.workloads[w]
    s = own_set(program, w)
    active = count_active(state, s)
    if application.suspended:
        job.started = UNSET
        return -delete_active(program, state, s)
    wanted = application.parallelism
    if application.completions != UNSET:
        wanted = max(0, min(wanted, application.completions - job.succeeded))
    elif job.succeeded > 0:
        wanted = active
    least = min(max(0, active - wanted), _BURST)
    if least > 0 or (application.indexed and active > 0):
        deleted = delete_surplus(program, state, s, application, least)
        if deleted > 0:
            return -deleted
        list_indexes(program, state, w, application)  # the list was used for other things
    if wanted <= active:
        return 0
    if application.index_limit == UNSET:
        ready_at = _over(job.failures, job.failed_at)
        if ready_at > state.clock[0].now:
            sync_later(state, w, max(ready_at, state.clock[0].now + NS))
            return 0
    return _create(program, state, w, application, min(wanted - active, _BURST))


@jit
def _over(failures: int, failed_at: int) -> int:
    """Return when the back-off after some failures is over."""
    if failures == 0:
        return 0
    return failed_at + min(_FIRST_BACKOFF << min(failures - 1, 6), _MAX_BACKOFF) * NS


@rare
def _create(program: Any, state: Any, w: int, application: Any, count: int) -> int:
    """Make up to `count` pods: 1, then 2, 4, ... at a time; a later batch comes later."""
    clock = state.clock[0]
    if program.header[0].admission:
        if not application.indexed or _may_make_one(state, application, count):
            begin(state, own_set(program, w), count)
            notice_workload(state, w, NEXT_BATCH)
            return 0
    wait = delay(state, _BATCH)
    clock.late = wait
    end = 1
    made = 0
    index = UNSET
    soonest = UNSET
    for _ in range(count):
        failures = 0
        if application.indexed:
            index = next_pending_index(state, application, index + 1)
            if index == UNSET:
                break
            failures = _failures_of(state, application, index)
            over = _waits_until(state, index, failures)
            if over > clock.now:
                soonest = over if soonest == UNSET else min(soonest, over)
                continue
        first = made == 0 or made == end
        if made == end:
            clock.late += wait
            end += made + 1
        p = create_pod(program, state, own_set(program, w), application.template, index, 1)
        if not first and not application.indexed:
            exchange_lifetimes(state, p)
        state.pods[p].tracked = UNCOUNTED
        state.pods[p].failures = failures
        made += 1
    clock.late = 0
    if made == 0 and soonest != UNSET:
        sync_later(state, w, max(soonest, clock.now + NS))
    return made


@rare
def _create_one(program: Any, state: Any, w: int, application: Any) -> None:
    """Make the next pod where the API server may refuse it, and end the sync after the last."""
    s = own_set(program, w)
    facts = state.admission[s]
    wait = 1
    index = UNSET
    failures = 0
    if application.indexed:
        list_indexes(program, state, w, application)
        index = _next_index(state, application, facts)
        if index == UNSET:
            forget_request(state, s)
            wait = 0
        else:
            failures = _failures_of(state, application, index)
    if wait > 0:
        p = create_pod(program, state, s, application.template, index, 1)
        if p != UNSET:
            state.pods[p].tracked = UNCOUNTED
            state.pods[p].failures = failures
            if index == UNSET and is_beside(state, s):
                exchange_lifetimes(state, p)
        wait = note_request(state, s, p == UNSET)
        if wait > 0:
            notice_workload(state, w, wait)
            return
    if _update_status(state, w, s):
        sync_batched(state, w)
    _retry(state, w, s)


@rare
def _next_index(state: Any, application: Any, facts: Any) -> int:
    """Return the next index that a pod is made for now, or UNSET; those that wait are left out."""
    while facts.need > 0:
        index = next_pending_index(state, application, facts.at)
        if index == UNSET:
            return UNSET
        facts.at = index + 1
        failures = _failures_of(state, application, index)
        if _waits_until(state, index, failures) <= state.clock[0].now:
            return index
        facts.need -= 1
    return UNSET


@rare
def _may_make_one(state: Any, application: Any, count: int) -> bool:
    """Say whether one of the next `count` indexes may have a pod now."""
    index = UNSET
    for _ in range(count):
        index = next_pending_index(state, application, index + 1)
        if index == UNSET:
            return False
        failures = _failures_of(state, application, index)
        if _waits_until(state, index, failures) <= state.clock[0].now:
            return True
    return False


@jit
def _failures_of(state: Any, application: Any, index: int) -> int:
    """Return how many pods of an index have failed, where they are counted index by index."""
    before = state.lists[index].chosen
    if application.index_limit == UNSET or before == UNSET:
        return 0
    return state.pods[before].failures + 1


@jit
def _waits_until(state: Any, index: int, failures: int) -> int:
    """Return when an index may have a pod again of which some have failed."""
    if failures == 0:
        return 0
    return _over(failures, state.pods[state.lists[index].chosen].ended // NS * NS)


@rare
def _end(program: Any, state: Any, w: int, application: Any, outcome: int) -> None:
    """Let a Job be complete, or failed. Its finished pods stay until it goes."""
    job = state.workloads[w]
    job.ended = outcome
    job.ended_at = state.clock[0].now // NS * NS
    job.rolling = DEAF
    job.sync_at = UNSET
    _tell_owner(program, state, w)
    _expire(program, state, w, application)


@rare
def _expire(program: Any, state: Any, w: int, application: Any) -> None:
    """Delete a Job that ended ttlSecondsAfterFinished ago."""
    if application.ttl == UNSET:
        return
    due = state.workloads[w].ended_at + application.ttl
    if due <= state.clock[0].now:
        remove_job(program, state, w)
    else:
        sync_later(state, w, due)
