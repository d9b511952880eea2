"""The DaemonSet controller: one pod on each node that can run it.

Sources: Kubernetes `pkg/controller/daemon/daemon_controller.go` (manage, podsShouldBeOnNode) and
`update.go` (rollingUpdate). A pod's `ordinal` is its node: the scheduler may put it there only.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.admission import settle
from sim_arena.engine.capacity import has_room
from sim_arena.engine.choice import DAEMONS, ROLLOUT, choose
from sim_arena.engine.deployment import same_template
from sim_arena.engine.jit import jit, rare
from sim_arena.engine.lifecycle import (
    create_pod,
    delete_pod,
    mark_workload,
    notice_workload,
    sync_later,
)
from sim_arena.engine.order import delay
from sim_arena.engine.program import NS
from sim_arena.engine.slow_start import (
    NEXT_BATCH,
    begin,
    forget_request,
    is_under_way,
    note_request,
)
from sim_arena.engine.state import FAILED, NOT_REFUSED, SUCCEEDED
from traces.arithmetic import UNSET

__all__ = ["CONTINUES", "RUNS", "STOPS", "sync_daemonset"]

# Whether a DaemonSet's pod should run on a node, may stay there, or must go.
RUNS, CONTINUES, STOPS = range(3)

_BURST = 250
_BATCH = 4  # the least delay before each batch of pods, in ticks of `clock.serial`
_MAX_BACKOFF = 900


@rare
def sync_daemonset(program: Any, state: Any, w: int) -> bool:
    """Take the steps of a DaemonSet that are possible now.

    Returns:
        False, with nothing done, when the state may have too little room for more pods.
    """
    if not has_room(program, state, program.header[0].nodes, 1):
        return False
    s = program.workloads[w].first_template
    admission = program.header[0].admission
    if admission:
        if not is_under_way(state, s):
            state.admission[s].refused = NOT_REFUSED
        if _is_creating(program, state, w, s):
            return True
    changed = _manage(program, state, w)
    # The controller waits until it has seen what it did, before it goes on with an update.
    if changed == 0 and not (admission and state.admission[s].refused != NOT_REFUSED):
        application = program.applications[state.workloads[w].application]
        if not application.on_delete:
            if _allows_surge(application):
                changed = _surge(program, state, w)
            else:
                changed = _replace(program, state, w)
    if changed > 0:
        mark_workload(state, w)
    if admission:
        settle(program, state, s, state.admission[s].refused != NOT_REFUSED)
    return True


@jit
def _node_use(program: Any, state: Any, w: int, n: int) -> int:
    return program.static[program.templates[state.workloads[w].template].daemon, n].reason


@jit
def _is_over(pod: Any) -> bool:
    return pod.phase == FAILED or pod.phase == SUCCEEDED


@jit
def _allows_surge(application: Any) -> bool:
    return not application.on_delete and application.surge > 0


@rare
def _list_by_node(program: Any, state: Any, w: int, finished: bool) -> None:
    """Write into `state.room`, by node, which pods a DaemonSet has there.

    `domain` is their number, `verdict` the number of those that are not at their end,
    `feasible` the oldest of the present template and `raw` the oldest of another one.

    Args:
        program: the program.
        state: the run.
        w: the DaemonSet.
        finished: whether pods that are at their end are listed too.
    """
    room = state.room
    for n in range(program.header[0].nodes):
        room[n].domain = 0
        room[n].verdict = 0
        room[n].feasible = UNSET
        room[n].raw = UNSET
    p = state.sets[program.workloads[w].first_template].head
    while p != UNSET:
        pod = state.pods[p]
        n = pod.ordinal
        room[n].domain += 1
        if not _is_over(pod):
            room[n].verdict += 1
        if finished or not _is_over(pod):
            if same_template(program, pod.template, state.workloads[w].template):
                if room[n].feasible == UNSET or _is_older(state, p, room[n].feasible):
                    room[n].feasible = p
            elif room[n].raw == UNSET or _is_older(state, p, room[n].raw):
                room[n].raw = p
        p = pod.next


@jit
def _is_older(state: Any, p: int, q: int) -> bool:
    """Pods on their node come before pods that wait for it (podByCreationTimestampAndPhase)."""
    if (state.pods[p].node == UNSET) != (state.pods[q].node == UNSET):
        return state.pods[p].node != UNSET
    return p < q


@rare
def _manage(program: Any, state: Any, w: int) -> int:
    """Delete the pods that must not be there, make those that are missing; return how many.

    Where the API server may refuse them, they were made before.
    """
    admission = program.header[0].admission != 0
    _list_by_node(program, state, w, False)
    application = program.applications[state.workloads[w].application]
    changed = 0
    clock = state.clock[0]
    wait = 0
    end = 1
    made = 0
    _order_nodes(program, state, w)
    for place in range(program.header[0].nodes):
        n = state.room[place].score
        if made < _BURST and not admission and _lacks_pod(program, state, w, n):
            if made == 0:
                wait = delay(state, _BATCH)
                clock.late = wait
            elif made == end:
                clock.late += wait
                end += made + 1
            _make(program, state, w, n)
            made += 1
    clock.late = 0
    changed = made
    first_new = clock.pods - made
    p = state.sets[program.workloads[w].first_template].head
    while p != UNSET:
        following = state.pods[p].next
        if p < first_new and _must_go(program, state, w, p, application):
            delete_pod(program, state, p)
            changed += 1
        p = following
    return changed


@rare
def _is_creating(program: Any, state: Any, w: int, s: int) -> bool:
    """Make the next pod where the API server may refuse it; say whether to look again at once."""
    _list_by_node(program, state, w, False)
    facts = state.admission[s]
    if not is_under_way(state, s):
        need = 0
        for n in range(program.header[0].nodes):
            need += 1 if _lacks_pod(program, state, w, n) else 0
        if need == 0:
            return False
        begin(state, s, min(need, _BURST))
        notice_workload(state, w, NEXT_BATCH)
        return True
    _order_nodes(program, state, w)
    place = facts.at
    while place < program.header[0].nodes:
        if _lacks_pod(program, state, w, state.room[place].score):
            break
        place += 1
    wait = 0
    if place == program.header[0].nodes:
        forget_request(state, s)
    else:
        facts.at = place + 1
        refused = _make(program, state, w, state.room[place].score) == UNSET
        wait = note_request(state, s, refused)
    if wait > 0:
        notice_workload(state, w, wait)
        return True
    if facts.denied:
        return False
    settle(program, state, s, False)
    mark_workload(state, w)
    return True


@rare
def _order_nodes(program: Any, state: Any, w: int) -> None:
    """Write the nodes into `state.room[].score` in the order in which they get a pod.

    The controller's order is that of a Go map, and a batch's pods are made side by side: any.
    """
    room = state.room
    nodes = program.header[0].nodes
    for n in range(nodes):
        room[n].score = n
    clock = state.clock[0]
    if clock.racing:
        for left in range(nodes, 1, -1):
            chosen = choose(clock.seed, DAEMONS, w << 20 | left, left)
            room[chosen].score, room[left - 1].score = room[left - 1].score, room[chosen].score


@jit
def _lacks_pod(program: Any, state: Any, w: int, n: int) -> bool:
    """Say whether a DaemonSet makes a pod for a node, as `_list_by_node` has listed them."""
    if _node_use(program, state, w, n) != RUNS:
        return False
    if state.room[n].domain == 0:
        return True
    application = program.applications[state.workloads[w].application]
    return _allows_surge(application) and state.room[n].verdict == 0


@rare
def _make(program: Any, state: Any, w: int, n: int) -> int:
    template = state.workloads[w].template
    failures = _failures_on(program, state, w, n)
    p = create_pod(program, state, program.workloads[w].first_template, template, n, 1)
    if p != UNSET:
        state.pods[p].failures = failures
    return p


@rare
def _failures_on(program: Any, state: Any, w: int, n: int) -> int:
    """Return how many pods in a row have failed on a node, up to the last one there."""
    if state.workloads[w].failed == 0:
        return 0
    s = program.workloads[w].first_template
    for p in range(state.clock[0].pods - 1, -1, -1):
        pod = state.pods[p]
        if pod.set == s and pod.ordinal == n:
            return pod.failures
    return 0


@jit
def _must_go(program: Any, state: Any, w: int, p: int, application: Any) -> bool:
    pod = state.pods[p]
    use = _node_use(program, state, w, pod.ordinal)
    if use == STOPS or pod.phase == SUCCEEDED:
        return True
    if pod.phase == FAILED:
        return _may_replace_failed(state, w, p)
    here = state.room[pod.ordinal]
    if here.verdict < 2:
        return False
    if not _allows_surge(application):
        oldest = here.feasible
        if oldest == UNSET or (here.raw != UNSET and _is_older(state, here.raw, oldest)):
            oldest = here.raw
        return p != oldest
    if p != here.feasible and p != here.raw:
        return True
    if p == here.raw and here.feasible != UNSET:
        return not pod.ready or state.pods[here.feasible].available != 0
    return False


@jit
def _may_replace_failed(state: Any, w: int, p: int) -> bool:
    """Say whether the back-off of a node on which pods fail is over: 1 s doubling to 15 min."""
    pod = state.pods[p]
    if pod.failures > 0:
        over = pod.created + min(1 << min(pod.failures - 1, 10), _MAX_BACKOFF) * NS
        if over > state.clock[0].now:
            sync_later(state, w, over)
            return False
    pod.failures += 1
    state.workloads[w].failed += 1
    return True


@jit
def _share(value: int, percent: int, nodes: int) -> int:
    return (value * nodes + 99) // 100 if percent else value


@rare
def _wanted(program: Any, state: Any, w: int) -> int:
    wanted = 0
    for n in range(program.header[0].nodes):
        if _node_use(program, state, w, n) == RUNS:
            wanted += 1
    return wanted


@jit
def _is_available(state: Any, p: int) -> bool:
    return p != UNSET and state.pods[p].available != 0


@rare
def _replace(program: Any, state: Any, w: int) -> int:
    """Delete pods of older templates as far as maxUnavailable allows; return how many."""
    _list_by_node(program, state, w, True)
    application = program.applications[state.workloads[w].application]
    wanted = _wanted(program, state, w)
    most = _share(application.unavailable, application.unavailable_percent, wanted)
    unavailable = 0
    candidates = 0
    deleted = 0
    for n in range(program.header[0].nodes):
        here = state.room[n]
        if here.domain == 0:
            if _node_use(program, state, w, n) == RUNS:
                unavailable += 1
        elif here.domain > 1:
            unavailable += 1
        elif here.feasible != UNSET:
            if not _is_available(state, here.feasible):
                unavailable += 1
        elif _is_available(state, here.raw):
            state.lists[candidates].scratch = here.raw
            state.lists[candidates].chosen = state.pods[here.raw].rank
            candidates += 1
        else:
            unavailable += 1
            delete_pod(program, state, here.raw)
            deleted += 1
    for _ in range(min(candidates, max(most, 1) - unavailable)):
        p = _take_one(state, candidates)
        candidates -= 1
        delete_pod(program, state, p)
        deleted += 1
    return deleted


@jit
def _take_one(state: Any, candidates: int) -> int:
    """Take one of the listed things; the controller's order is that of a Go map: any.

    Where it is known what really happened, it stands in `chosen`: see guided.py.
    """
    lists = state.lists
    serial = lists[candidates - 1].scratch
    chosen = choose(state.clock[0].seed, ROLLOUT, serial, candidates)
    if state.clock[0].guided:
        chosen = 0
        for i in range(1, candidates):
            if lists[i].chosen < lists[chosen].chosen:
                chosen = i
        lists[chosen].chosen = lists[candidates - 1].chosen
    taken = lists[chosen].scratch
    lists[chosen].scratch = lists[candidates - 1].scratch
    return taken


@rare
def _surge(program: Any, state: Any, w: int) -> int:
    """Make new pods beside those of older templates, as far as maxSurge allows; return how many."""
    _list_by_node(program, state, w, True)
    application = program.applications[state.workloads[w].application]
    wanted = _wanted(program, state, w)
    most = _share(application.surge, application.surge_percent, wanted)
    surging = 0
    available = 0
    candidates = 0
    changed = 0
    for n in range(program.header[0].nodes):
        here = state.room[n]
        both = here.raw != UNSET and here.feasible != UNSET
        if here.domain > 2 or (both and not _is_available(state, here.feasible)):
            surging += 1
        if here.domain > 2:
            continue
        foremost = here.feasible if here.raw == UNSET else here.raw
        if _is_available(state, foremost):
            available += 1
        if here.raw != UNSET:
            if not both and _is_available(state, here.raw):
                if _node_use(program, state, w, n) == RUNS:
                    state.lists[candidates].scratch = n
                    state.lists[candidates].chosen = state.pods[here.raw].rank
                    candidates += 1
            else:
                changed += _succeed(program, state, w, n)
    for _ in range(min(candidates, most - surging)):
        n = _take_one(state, candidates)
        candidates -= 1
        changed += 1 if _make(program, state, w, n) != UNSET else 0
    return changed + _leave_sunset_nodes(program, state, w, available - wanted)


@rare
def _succeed(program: Any, state: Any, w: int, n: int) -> int:
    """Let a new pod take the place of an old one that is of no use; return 1 if that was done."""
    here = state.room[n]
    if here.feasible != UNSET:
        if not _is_available(state, here.feasible):
            return 0
        delete_pod(program, state, here.raw)
    elif _node_use(program, state, w, n) == RUNS:
        return 1 if _make(program, state, w, n) != UNSET else 0
    else:
        delete_pod(program, state, here.raw)
    return 1


@rare
def _leave_sunset_nodes(program: Any, state: Any, w: int, count: int) -> int:
    """Delete up to `count` available pods on nodes where they only may stay."""
    deleted = 0
    for n in range(program.header[0].nodes):
        here = state.room[n]
        alone = here.raw != UNSET and here.feasible == UNSET
        if deleted < count and alone and _node_use(program, state, w, n) != RUNS:
            if _is_available(state, here.raw):
                delete_pod(program, state, here.raw)
                deleted += 1
    return deleted
