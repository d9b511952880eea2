"""Runs programs with the choices that a real cluster made.

Where Kubernetes leaves a choice open, the seed makes it (choice.py). Here what really happened
makes it: each pod is tried when it was really tried, starts and ends when it really did, goes to
the node that it really went to, and the controllers delete the pods that they really deleted. Pods
of a batch are asked for side by side, so SimKube's sequence numbers, and with them the lifecycles,
are those that they really got.

None of it is taken on trust: a node must be one of the best, and a victim one that may go first.
What is not is noted as the pod's `verdict`, and the engine then chooses for itself.

A real pod is known by its set, its ordinal and its place in the order of creation. Times are the
real ones: nothing waits for a moment to end. What never really happened (a pod that was never
bound, say) is tried at the end of the time that is asked for.

This is a loop of its own, so the ordinary one costs nothing more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim_arena.engine import loop
from sim_arena.engine.applications import apply_next
from sim_arena.engine.bundle import bundle
from sim_arena.engine.capacity import timers_of_one_event
from sim_arena.engine.jit import entry, jit, rare
from sim_arena.engine.job_pods import own_set
from sim_arena.engine.lifecycle import delete_pod, lifetime_of, notice_workload
from sim_arena.engine.program import CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, Arrays
from sim_arena.engine.replicaset import precedence, rank
from sim_arena.engine.scheduler import schedule
from sim_arena.engine.slow_start import is_under_way
from sim_arena.engine.state import (
    ACTIVE,
    BACKOFF,
    COMPLETE,
    DONE,
    FULL,
    GONE,
    MORE,
    NOWHERE,
    PENDING,
    REFUSES,
    RELEASE,
    RUNNING,
    START,
    allocate,
)
from traces.arithmetic import UNSET

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FAR", "NOT_BEST", "NOT_FIRST", "REAL_POD", "STEP", "Guide", "Guided"]

FAR = 1 << 62
"""The time of what never happened."""

# Verdicts on a real pod: the node it went to was not one of the best; another had to go first.
NOT_BEST, NOT_FIRST = 1, 2


def _record(*fields: tuple[str, str]) -> np.dtype[Any]:
    return np.dtype(list(fields), align=True)


REAL_POD = _record(
    ("set", "i8"),
    ("ordinal", "i8"),  # UNSET where its set has none
    ("sequence", "i8"),  # SimKube's number among the pods of equal specs; UNSET: not known
    ("node", "i8"),  # UNSET: never bound
    ("created", "i8"),
    ("tried", "i8"),  # when the scheduler first said something of it
    ("bound", "i8"),
    ("running", "i8"),
    ("ended", "i8"),
    ("deleted", "i8"),  # marked: controllers take no account of it from then on
    ("gone", "i8"),
    ("nominated", "i8"),  # the node where pods were evicted for it
    ("nominated_at", "i8"),
    ("pod", "i8"),  # the engine's; UNSET: it has not made it yet
    ("verdict", "i8"),
    # When the engine did the like by its own rules, from what had really happened before; UNSET:
    # it did not.
    ("own_creation", "i8"),
    ("own_start", "i8"),
    ("own_end", "i8"),
    ("own_deletion", "i8"),
)
# When a Deployment's ReplicaSets were made or scaled; sorted by workload, then time.
STEP = _record(("workload", "i8"), ("time", "i8"), ("taken", "i8"))


_WHOLE = 1  # whatever the program needs: there is little to save, and it is compiled once


class Guide(NamedTuple):
    """What really happened, for one run or a batch of them (with a leading axis)."""

    pods: Any  # REAL_POD, in order of creation
    steps: Any  # STEP
    row_of: Any  # [pod of the engine]: its row in `pods`, or UNSET
    # [4]: rows of `pods`, rows of `steps`, the engine's pods that have a row or none, and whether
    # ReplicaSets choose the pods that go when they are scaled, not when the first is deleted.
    counts: Any


class Guided:
    """Runs of one program, each guided by one account of what really happened.

    Args:
        arrays: the programs' arrays, stacked; their applications have the real times.
        guide: stacked likewise.
        seeds: of the choices that cannot be guided.
    """

    def __init__(self, arrays: Arrays, guide: Guide, seeds: Sequence[int]) -> None:
        self._arrays = arrays
        self.guide = guide
        self.state = allocate(arrays, guide.row_of.shape[1])
        self._runs = len(arrays.header)
        loop.reset(arrays, self.state, np.array(seeds, np.int64), _WHOLE, 0, self._runs)
        self.state.clock["guided"] = 1

    def advance(self, until_ns: int) -> None:
        """Run up to and including a time.

        Runs in which the engine makes more pods than there can be stop; see `clock.status`.
        """
        advance_guided(self._arrays, self.state, self.guide, until_ns, _WHOLE, 0, self._runs)


@entry
def advance_guided(
    programs: Any, states: Any, guides: Any, until: int, whole: Any, first: int, end: int
) -> None:
    """Run the runs `first` to `end - 1`; `clock.status` is `DONE`, else something is amiss."""
    for b in range(first, end):
        state = bundle(loop.state_at(states, b))
        program = bundle(loop.program_at(programs, state.clock[0].program, b))
        guide = Guide(guides.pods[b], guides.steps[b], guides.row_of[b], guides.counts[b])
        clock = state.clock[0]
        if clock.status != FULL:
            clock.status = _advance(program, state, guide, until, whole)


# What is done next.
_NOTHING, _APPLICATION, _CONTROLLER, _TIMER, _POD = range(5)
_TOGETHER = 1_000_000_000  # nanoseconds within which a controller makes the pods of one sync
_MOST = 1_000_000  # actions in one call; more would be a loop without end


@rare
def _advance(program: Any, state: Any, guide: Any, until: int, whole: Any) -> int:
    clock = state.clock[0]
    for _ in range(_MOST):
        _find_rows(program, state, guide)
        # The queue is read from the pods themselves.
        clock.active = 0
        clock.backoff = 0
        if clock.timers + timers_of_one_event(program, clock.pods, 1) > state.timers.shape[0]:
            return FULL
        action, which, time = _next_action(program, state, guide, until)
        if action == _NOTHING:
            clock.now = until
            return DONE
        clock.now = max(clock.now, time)
        if action == _APPLICATION:
            if not apply_next(program, state, whole):
                return FULL
        elif action == _CONTROLLER:
            if not _control(program, state, guide, which, whole):
                return FULL
        elif action == _TIMER:
            clock.timers -= 1
            _exchange(state, which, clock.timers)
            _note_timer(guide, state.timers[clock.timers])
            loop.handle(program, state, state.timers[clock.timers], whole)
        else:
            _try(program, state, guide, which, whole)
    return MORE


@jit
def _find_rows(program: Any, state: Any, guide: Any) -> None:
    """Find out which real pods the new ones of the engine are, and which have gone."""
    counts = guide.counts
    while counts[2] < state.clock[0].pods:
        p = counts[2]
        counts[2] += 1
        pod = state.pods[p]
        guide.row_of[p] = UNSET
        row = _next_row(guide, pod.set, pod.ordinal)
        if row != UNSET:
            guide.row_of[p] = row
            guide.pods[row].pod = p
            guide.pods[row].own_creation = state.clock[0].now
            pod.created = guide.pods[row].created
            if guide.pods[row].sequence != UNSET:
                pod.lifetime = lifetime_of(program, pod.template, guide.pods[row].sequence)
    for row in range(counts[0]):
        real = guide.pods[row]
        if real.pod != UNSET and real.own_deletion == UNSET and state.pods[real.pod].phase == GONE:
            real.own_deletion = state.clock[0].now


@jit
def _note_timer(guide: Any, timer: Any) -> None:
    if timer.kind != START and timer.kind != COMPLETE:
        return
    row = guide.row_of[timer.pod]
    if row == UNSET:
        return
    if timer.kind == START:
        guide.pods[row].own_start = timer.a
    else:
        guide.pods[row].own_end = timer.a


@jit
def _next_row(guide: Any, s: int, ordinal: int) -> int:
    """Return the first real pod of a set that the engine has not made yet, or UNSET.

    Of a DaemonSet's pods that were never bound the ordinal is not known: any will do that was not
    made later than the others of its time.
    """
    anyone = UNSET
    for row in range(guide.counts[0]):
        real = guide.pods[row]
        if real.set == s and real.pod == UNSET:
            if real.ordinal == ordinal:
                if anyone != UNSET:
                    before = guide.pods[anyone]
                    if real.created > min(before.created + _TOGETHER, before.deleted):
                        return anyone
                return row
            if real.ordinal == UNSET and anyone == UNSET:
                anyone = row
    return anyone


@jit
def _next_action(program: Any, state: Any, guide: Any, until: int) -> Any:
    """Return what really happened first of all that the engine could do now, and when."""
    clock = state.clock[0]
    action = _NOTHING
    which = 0
    best = until + 1
    if clock.cursor < program.header[0].applications:
        if program.applications[clock.cursor].time < best:
            action = _APPLICATION
            best = program.applications[clock.cursor].time
    for i in range(clock.dirty):
        place = (clock.dirty_first + i) % state.dirty.shape[0]
        time = _known(_control_time(program, state, guide, state.dirty[place]), until)
        if time < best:
            action = _CONTROLLER
            which = place
            best = time
    for i in range(clock.timers):
        time = _timer_time(guide, state.timers[i])
        if time < best:
            action = _TIMER
            which = i
            best = time
    p, time = _next_pod(program, state, guide, until)
    if time < best:
        action = _POD
        which = p
        best = time
    return action, which, best


@jit
def _known(time: int, until: int) -> int:
    """What never really happened is done last of all."""
    return until if time == FAR else time


@jit
def _next_pod(program: Any, state: Any, guide: Any, until: int) -> Any:
    """Return the pod in the scheduler's queue that was really tried first, and when."""
    first = UNSET
    best = FAR
    for p in range(state.clock[0].pods):
        pod = state.pods[p]
        if pod.phase == PENDING and (pod.queue == ACTIVE or pod.queue == BACKOFF):
            time = _known(_try_time(state, guide, p), until)
            if time < best or (time == best and _is_before(program, state, p, first)):
                first = p
                best = time
    return first, best


@jit
def _is_before(program: Any, state: Any, p: int, q: int) -> bool:
    a = program.templates[state.pods[p].template].priority
    b = program.templates[state.pods[q].template].priority
    return a > b if a != b else state.pods[p].stamp < state.pods[q].stamp


@jit
def _control_time(program: Any, state: Any, guide: Any, thing: int) -> int:
    """Return when a controller really did what it is going to do; 0: at once."""
    sets = state.sets.shape[0]
    if thing < sets:
        owner = state.sets[thing]
        if owner.exists and owner.replicas > owner.active:
            row = _next_row(guide, thing, UNSET)
            if row != UNSET:
                return guide.pods[row].created
            return 0 if program.header[0].admission else FAR  # it was refused then
        if owner.exists and owner.replicas < owner.active:
            return 0 if guide.counts[3] else _first_deletion(state, guide, thing)
        return 0
    w = thing - sets
    if _leaves_garbage(program, state, w):
        return _first_garbage(program, state, guide, w)
    kind = program.workloads[w].kind
    if kind == DEPLOYMENT:
        return _next_step(guide, w)
    if kind == CRON_JOB:
        return 0
    s = own_set(program, w) if kind == JOB else program.workloads[w].first_template
    change = _next_change(state, guide, s)
    soon = change <= state.clock[0].now + _TOGETHER
    waits = program.header[0].admission != 0 and is_under_way(state, s)
    return change if soon or (waits and change < FAR) else 0


@jit
def _next_change(state: Any, guide: Any, s: int) -> int:
    """Return when a set's next pod was really made or deleted."""
    first = FAR
    for row in range(guide.counts[0]):
        real = guide.pods[row]
        if real.set == s:
            if real.pod == UNSET:
                first = min(first, real.created)
            elif state.pods[real.pod].phase != GONE:
                first = min(first, real.deleted)
    return first


@jit
def _leaves_garbage(program: Any, state: Any, w: int) -> bool:
    """Say whether a workload is deleted, and its pods are to follow it."""
    kind = program.workloads[w].kind
    return not state.workloads[w].exists and kind != JOB and kind != CRON_JOB


@jit
def _deletion(guide: Any, p: int) -> int:
    row = guide.row_of[p]
    return FAR if row == UNSET else guide.pods[row].deleted


@jit
def _first_deletion(state: Any, guide: Any, s: int) -> int:
    """Return when the first of a set's active pods was really deleted."""
    first = FAR
    p = state.sets[s].head
    while p != UNSET:
        if state.pods[p].phase == PENDING or state.pods[p].phase == RUNNING:
            first = min(first, _deletion(guide, p))
        p = state.pods[p].next
    return first


@jit
def _first_garbage(program: Any, state: Any, guide: Any, w: int) -> int:
    """Return when the first of a deleted workload's pods was really deleted."""
    first = FAR
    workload = program.workloads[w]
    none = True
    for s in range(workload.first_template, workload.end_template):
        p = state.sets[s].head
        while p != UNSET:
            none = False
            first = min(first, _deletion(guide, p))
            p = state.pods[p].next
    return 0 if none else first


@jit
def _next_step(guide: Any, w: int) -> int:
    """Return when the first of a Deployment's steps was really taken that is still to come."""
    for i in range(guide.counts[1]):
        step = guide.steps[i]
        if step.workload == w and not step.taken:
            return step.time
    return FAR


@jit
def _timer_time(guide: Any, timer: Any) -> int:
    """Return when a timer goes off: for a pod's start and end, when it really did."""
    if timer.kind != START and timer.kind != COMPLETE and timer.kind != RELEASE:
        return timer.a
    row = guide.row_of[timer.pod]
    if row == UNSET:
        return timer.a
    if timer.kind == RELEASE:
        gone = guide.pods[row].gone
        return timer.a if gone == FAR else max(timer.a, gone)
    real = guide.pods[row].running if timer.kind == START else guide.pods[row].ended
    return timer.a + _PATIENCE if real == FAR else real


_PATIENCE = 3_000_000_000  # by how much a real pod may be late, in nanoseconds


@jit
def _try_time(state: Any, guide: Any, p: int) -> int:
    """Return when the scheduler really tried a pod next; what it tried in vain is not known."""
    row = guide.row_of[p]
    if row == UNSET:
        return FAR
    real = guide.pods[row]
    if state.pods[p].attempts == 0:
        return min(real.tried, real.bound)
    if real.nominated != UNSET and real.nominated_at > state.pods[p].attempted:
        return min(real.nominated_at, real.bound)
    return real.bound


@jit
def _exchange(state: Any, i: int, j: int) -> None:
    a = state.timers[i]
    b = state.timers[j]
    a.a, b.a = b.a, a.a
    a.b, b.b = b.b, a.b
    a.c, b.c = b.c, a.c
    a.kind, b.kind = b.kind, a.kind
    a.pod, b.pod = b.pod, a.pod
    a.container, b.container = b.container, a.container
    a.token, b.token = b.token, a.token


@rare
def _try(program: Any, state: Any, guide: Any, p: int, whole: Any) -> None:
    """Try to place a pod, on the node that it really went to."""
    pod = state.pods[p]
    pod.queue = NOWHERE
    row = guide.row_of[p]
    wanted = UNSET
    bound = False
    if row != UNSET:
        real = guide.pods[row]
        bound = real.bound <= state.clock[0].now
        wanted = real.node
        if not bound and real.nominated != UNSET and real.nominated_at > pod.attempted:
            wanted = real.nominated
    schedule(program, state, p, whole, wanted)
    if bound and pod.node != wanted:
        guide.pods[row].verdict = NOT_BEST


@rare
def _control(program: Any, state: Any, guide: Any, place: int, whole: Any) -> bool:
    """Let one controller act; False when the state is full."""
    clock = state.clock[0]
    head = clock.dirty_first
    state.dirty[head], state.dirty[place] = state.dirty[place], state.dirty[head]
    thing = state.dirty[head]
    sets = state.sets.shape[0]
    if program.header[0].admission:
        clock.guided = 1 if _has_made_one(program, state, guide, thing) else REFUSES
    if thing < sets:
        owner = state.sets[thing]
        if owner.exists and owner.replicas < owner.active:
            _leave_queue(state)
            owner.dirty = 0
            _delete_surplus(program, state, guide, thing)
            return True
        return loop.sync_next(program, state, whole)
    w = thing - sets
    if _leaves_garbage(program, state, w):
        _leave_queue(state)
        state.workloads[w].dirty = 0
        _collect(program, state, guide, w)
        return True
    if program.workloads[w].kind == DAEMON_SET:
        _rank_by_deletion(program, state, guide, w)
    before = _sizes(program, state, w)
    done = loop.sync_next(program, state, whole)
    if program.workloads[w].kind == DEPLOYMENT and _sizes(program, state, w) != before:
        _take_step(guide, w)
    return done


@jit
def _has_made_one(program: Any, state: Any, guide: Any, thing: int) -> bool:
    """Say whether a controller has really made a pod by now that the engine has not made yet."""
    w = thing - state.sets.shape[0]
    if w < 0:
        s = thing
    elif program.workloads[w].kind == JOB:
        s = own_set(program, w)
    else:
        s = program.workloads[w].first_template
    for row in range(guide.counts[0]):
        real = guide.pods[row]
        if real.set == s and real.pod == UNSET and real.created <= state.clock[0].now:
            return True
    return False


@jit
def _rank_by_deletion(program: Any, state: Any, guide: Any, w: int) -> None:
    """Let a DaemonSet replace the pod first that was really deleted first."""
    p = state.sets[program.workloads[w].first_template].head
    while p != UNSET:
        state.pods[p].rank = _deletion(guide, p)
        p = state.pods[p].next


@jit
def _leave_queue(state: Any) -> None:
    clock = state.clock[0]
    clock.dirty_first = (clock.dirty_first + 1) % state.dirty.shape[0]
    clock.dirty -= 1


@jit
def _sizes(program: Any, state: Any, w: int) -> int:
    """Return a number that differs when a workload's sets have other sizes."""
    workload = program.workloads[w]
    mixed = 0
    for s in range(workload.first_template, workload.end_template):
        owner = state.sets[s]
        mixed = (mixed * 31 + owner.exists * 1009 + owner.replicas) & 0xFFFFFFFFFFF
    return mixed


@jit
def _take_step(guide: Any, w: int) -> None:
    for i in range(guide.counts[1]):
        step = guide.steps[i]
        if step.workload == w and not step.taken:
            step.taken = 1
            return


@rare
def _delete_surplus(program: Any, state: Any, guide: Any, s: int) -> None:
    """Delete the pods that were really deleted; each must be one that may go first."""
    if program.workloads[program.templates[s].workload].kind == DEPLOYMENT:
        rank(program, state, s)
    size = _list_by_deletion(program, state, guide, s)
    surplus = min(size, state.sets[s].active - state.sets[s].replicas)
    for i in range(surplus):
        row = guide.row_of[state.lists[i].scratch]
        if row != UNSET and not _may_go_first(program, state, i, surplus, size):
            guide.pods[row].verdict = NOT_FIRST
    for i in range(surplus):
        delete_pod(program, state, state.lists[i].scratch)


@jit
def _list_by_deletion(program: Any, state: Any, guide: Any, s: int) -> int:
    """Write a set's active pods into `state.lists[].scratch`, the first deleted first."""
    lists = state.lists
    size = 0
    p = state.sets[s].head
    while p != UNSET:
        if state.pods[p].phase == PENDING or state.pods[p].phase == RUNNING:
            place = size
            while place > 0 and _goes_later(program, state, guide, lists[place - 1].scratch, p):
                lists[place].scratch = lists[place - 1].scratch
                place -= 1
            lists[place].scratch = p
            size += 1
        p = state.pods[p].next
    return size


@jit
def _may_go_first(program: Any, state: Any, i: int, surplus: int, size: int) -> bool:
    """Say whether none of the pods that stay would have to go before one that is deleted."""
    lists = state.lists
    for j in range(surplus, size):
        if precedence(program, state, lists[j].scratch, lists[i].scratch) > 0:
            return False
    return True


@jit
def _goes_later(program: Any, state: Any, guide: Any, p: int, q: int) -> bool:
    a = _deletion(guide, p)
    b = _deletion(guide, q)
    return a > b if a != b else precedence(program, state, q, p) > 0


@rare
def _collect(program: Any, state: Any, guide: Any, w: int) -> None:
    """Delete the pod that was really deleted first of those that a workload left behind."""
    workload = program.workloads[w]
    chosen = UNSET
    for s in range(workload.first_template, workload.end_template):
        p = state.sets[s].head
        while p != UNSET:
            if chosen == UNSET or _deletion(guide, p) < _deletion(guide, chosen):
                chosen = p
            p = state.pods[p].next
    if chosen != UNSET:
        delete_pod(program, state, chosen)
        notice_workload(state, w, 1)
