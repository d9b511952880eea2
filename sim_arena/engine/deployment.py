"""The Deployment controller: rolling updates, Recreate, scaling in proportion.

Sources: Kubernetes `pkg/controller/deployment/sync.go`, `rolling.go`, `recreate.go` and
`util/deployment_util.go`. One call is one sync of the controller: it changes the sizes of
ReplicaSets and waits to be called again for what follows from that.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit, rare
from sim_arena.engine.lifecycle import mark_set, notice_workload
from traces.arithmetic import UNSET

__all__ = ["same_template", "sync_deployment"]

# The least delay, in ticks of `clock.serial`, between two of its steps.
_STEP = 4


@jit
def same_template(program: Any, a: int, b: int) -> bool:
    """Say whether two pod templates of a workload are equal, their resources included."""
    return program.templates[a].content == program.templates[b].content and same_resources(
        program, a, b
    )


@jit
def same_resources(program: Any, a: int, b: int) -> bool:
    """Say whether the containers of two templates have equal requests and limits."""
    first_a = program.templates[a].first_container
    first_b = program.templates[b].first_container
    for i in range(program.templates[a].end_container - first_a):
        left = program.containers[first_a + i]
        right = program.containers[first_b + i]
        if left.cpu_request != right.cpu_request or left.cpu_limit != right.cpu_limit:
            return False
        if left.memory_request != right.memory_request or left.memory_limit != right.memory_limit:
            return False
    return True


@jit
def _share(value: int, percent: int, replicas: int, up: int) -> int:
    if not percent:
        return value
    return (value * replicas + (99 if up else 0)) // 100


@jit
def _max_surge(application: Any) -> int:
    if application.recreate:
        return 0
    return _share(application.surge, application.surge_percent, application.replicas, 1)


@jit
def _max_unavailable(application: Any) -> int:
    replicas = application.replicas
    if application.recreate or replicas == 0:
        return 0
    share = _share(application.unavailable, application.unavailable_percent, replicas, 0)
    if share == 0 and _max_surge(application) == 0:
        share = 1  # else nothing could ever move
    return min(share, replicas)


@jit
def _new_set(program: Any, state: Any, w: int) -> int:
    """Return the oldest ReplicaSet with the current template, or UNSET."""
    workload = program.workloads[w]
    found = UNSET
    for s in range(workload.first_template, workload.end_template):
        if state.sets[s].exists and same_template(program, s, state.workloads[w].template):
            if found == UNSET or state.sets[s].order < state.sets[found].order:
                found = s
    return found


@jit
def _scale_set(state: Any, s: int, replicas: int, application: Any) -> None:
    owner = state.sets[s]
    owner.desired = application.replicas
    owner.largest = application.replicas + _max_surge(application)
    if owner.replicas != replicas:
        owner.replicas = replicas
        mark_set(state, s)


@jit
def _is_scaling(program: Any, state: Any, w: int, application: Any) -> bool:
    workload = program.workloads[w]
    for s in range(workload.first_template, workload.end_template):
        owner = state.sets[s]
        if owner.exists and owner.replicas > 0 and owner.desired != application.replicas:
            return True
    return False


@jit
def sync_deployment(program: Any, state: Any, w: int) -> None:
    """Take one step of a Deployment."""
    workload = state.workloads[w]
    if not workload.exists:
        return
    application = program.applications[workload.application]
    new = _new_set(program, state, w)
    if application.paused or _is_scaling(program, state, w, application):
        before = _total(program, state, w)
        _scale(program, state, w, new, application)
        if not application.paused and (
            before != _total(program, state, w) or not _is_scaling(program, state, w, application)
        ):
            if _next_old(program, state, w, new, -1, False) != UNSET:
                state.clock[0].racing = 1  # its own next step and the pods that are made now
            notice_workload(state, w, _STEP)
        return
    if application.recreate:
        changed = _recreate(program, state, w, new, application)
    else:
        changed = _roll(program, state, w, new, application)
    if changed:
        notice_workload(state, w, _STEP)
    else:
        workload.rolling = _unfinished(program, state, w, application)
        templates = program.workloads[w].end_template - program.workloads[w].first_template
        if templates > application.history + 1 and not workload.rolling:
            _forget_old(program, state, w, new, application)


@rare
def _forget_old(program: Any, state: Any, w: int, new: int, application: Any) -> None:
    """Delete the oldest ReplicaSets that have no pods, beyond revisionHistoryLimit.

    A template that comes again after that makes a new one (cleanupDeployment).
    """
    if new == UNSET or state.sets[new].available < application.replicas:
        return
    count = 0
    s = _next_old(program, state, w, new, -1, True)
    while s != UNSET:
        count += 1
        s = _next_old(program, state, w, new, state.sets[s].order, True)
    s = _next_old(program, state, w, new, -1, True)
    for _ in range(count - application.history):
        following = _next_old(program, state, w, new, state.sets[s].order, True)
        if state.sets[s].replicas == 0 and state.sets[s].head == UNSET:
            state.sets[s].exists = 0
        s = following


@jit
def _unfinished(program: Any, state: Any, w: int, application: Any) -> int:
    """Say whether a change of a pod could make the controller act."""
    new = _new_set(program, state, w)
    if new == UNSET or state.sets[new].replicas != application.replicas:
        return 1
    return 1 if _total(program, state, w) != state.sets[new].replicas else 0


@jit
def _total(program: Any, state: Any, w: int) -> int:
    workload = program.workloads[w]
    total = 0
    for s in range(workload.first_template, workload.end_template):
        if state.sets[s].exists:
            total += state.sets[s].replicas
    return total


@jit
def _available(program: Any, state: Any, w: int) -> int:
    workload = program.workloads[w]
    total = 0
    for s in range(workload.first_template, workload.end_template):
        if state.sets[s].exists:
            total += state.sets[s].available
    return total


@jit
def _make_set(state: Any, w: int, replicas: int, application: Any) -> int:
    """Make the ReplicaSet of the current template; its order is its creation time."""
    s = state.workloads[w].template
    clock = state.clock[0]
    owner = state.sets[s]
    owner.exists = 1
    owner.order = clock.sets
    clock.sets += 1
    owner.template = s
    owner.replicas = 0
    owner.min_ready = application.min_ready
    _scale_set(state, s, replicas, application)
    return s


@jit
def _room_for_new(program: Any, state: Any, w: int, current: int, application: Any) -> int:
    """Return the size that the new ReplicaSet may have now (NewRSNewReplicas)."""
    largest = application.replicas + _max_surge(application)
    room = largest - _total(program, state, w)
    if room <= 0:
        return current
    return current + min(room, application.replicas - current)


@jit
def _roll(program: Any, state: Any, w: int, new: int, application: Any) -> bool:
    if new == UNSET:
        size = _room_for_new(program, state, w, 0, application)
        new = _make_set(state, w, size, application)
    else:
        owner = state.sets[new]
        size = application.replicas
        if owner.replicas < application.replicas:
            size = _room_for_new(program, state, w, owner.replicas, application)
        if size != owner.replicas:
            _scale_set(state, new, size, application)
            return True
    return _shrink_old(program, state, w, new, application)


@jit
def _next_old(program: Any, state: Any, w: int, new: int, after: int, idle: bool) -> int:
    """Return the old ReplicaSet that was created next after `after`, or UNSET.

    Those with neither replicas nor pods are passed over unless `idle`: of them nothing is left
    to do but to forget them.
    """
    workload = program.workloads[w]
    found = UNSET
    for s in range(workload.first_template, workload.end_template):
        owner = state.sets[s]
        alive = owner.exists and (idle or owner.replicas > 0 or owner.active > 0)
        if alive and s != new and owner.order > after:
            if found == UNSET or owner.order < state.sets[found].order:
                found = s
    return found


@jit
def _shrink_old(program: Any, state: Any, w: int, new: int, application: Any) -> bool:
    """Scale old ReplicaSets down: first what is not available, then as far as allowed."""
    total = _total(program, state, w)
    if total == state.sets[new].replicas:
        return False
    least = application.replicas - _max_unavailable(application)
    unavailable = state.sets[new].replicas - state.sets[new].available
    allowed = total - least - unavailable
    if allowed <= 0:
        return False
    spare = _available(program, state, w) - least
    shrunk = 0
    s = _next_old(program, state, w, new, -1, False)
    while s != UNSET and shrunk < allowed:
        owner = state.sets[s]
        unhealthy = owner.replicas - owner.available
        if owner.replicas > 0 and unhealthy < 0:
            return False  # its pods are still being deleted
        if owner.replicas > 0 and unhealthy != 0:
            count = min(allowed - shrunk, unhealthy)
            _scale_set(state, s, owner.replicas - count, application)
            shrunk += count
        s = _next_old(program, state, w, new, owner.order, False)
    healthy = 0
    s = _next_old(program, state, w, new, -1, False)
    while s != UNSET and healthy < spare:
        owner = state.sets[s]
        count = min(owner.replicas, spare - healthy)
        if count > 0:
            _scale_set(state, s, owner.replicas - count, application)
            healthy += count
        s = _next_old(program, state, w, new, owner.order, False)
    return shrunk + healthy > 0


@rare
def _recreate(program: Any, state: Any, w: int, new: int, application: Any) -> bool:
    """Remove every old pod, wait until none is left, then make the new ones."""
    scaled = False
    s = _next_old(program, state, w, new, -1, False)
    while s != UNSET:
        owner = state.sets[s]
        if owner.replicas > 0:
            _scale_set(state, s, 0, application)
            scaled = True
        s = _next_old(program, state, w, new, owner.order, False)
    if scaled:
        return True
    s = _next_old(program, state, w, new, -1, False)
    while s != UNSET:
        if state.sets[s].active > 0:
            return False
        s = _next_old(program, state, w, new, state.sets[s].order, False)
    if new == UNSET:
        _make_set(state, w, application.replicas, application)
        return True
    if state.sets[new].replicas != application.replicas:
        _scale_set(state, new, application.replicas, application)
        return True
    return False


@rare
def _scale(program: Any, state: Any, w: int, new: int, application: Any) -> None:
    """Change the number of replicas outside of a rollout's steps."""
    target = _only_active(program, state, w, new)
    if target != UNSET:
        if state.sets[target].replicas != application.replicas:
            _scale_set(state, target, application.replicas, application)
    elif _saturated(state, new, application):
        s = _next_old(program, state, w, new, -1, False)
        while s != UNSET:
            if state.sets[s].replicas > 0:
                _scale_set(state, s, 0, application)
            s = _next_old(program, state, w, new, state.sets[s].order, False)
    elif not application.recreate:
        _scale_in_proportion(program, state, w, application)


@jit
def _only_active(program: Any, state: Any, w: int, new: int) -> int:
    """Return the one ReplicaSet that has replicas; if none has any, the new or newest one.

    UNSET if several have replicas, or there is no ReplicaSet at all.
    """
    workload = program.workloads[w]
    active = 0
    found = new
    newest = UNSET
    for s in range(workload.first_template, workload.end_template):
        owner = state.sets[s]
        if owner.exists:
            if newest == UNSET or owner.order > state.sets[newest].order:
                newest = s
            if owner.replicas > 0:
                active += 1
                found = s
    if active > 1:
        return UNSET
    return newest if found == UNSET else found


@jit
def _saturated(state: Any, new: int, application: Any) -> bool:
    if new == UNSET:
        return False
    owner = state.sets[new]
    wanted = application.replicas
    return owner.replicas == wanted and owner.desired == wanted and owner.available == wanted


@jit
def _scale_in_proportion(program: Any, state: Any, w: int, application: Any) -> None:
    """Spread new or surplus replicas over all ReplicaSets by their size, the largest first."""
    allowed = 0
    if application.replicas > 0:
        allowed = application.replicas + _max_surge(application)
    change = allowed - _total(program, state, w)
    spread = 0
    first = UNSET
    s = _next_by_size(program, state, w, UNSET, change)
    while s != UNSET:
        following = _next_by_size(program, state, w, s, change)
        owner = state.sets[s]
        share = 0
        if change != 0 and spread != change:
            share = _proportion(program, state, s, w, application)
            share = min(share, change - spread) if change > 0 else max(share, change - spread)
        spread += share
        if first == UNSET:
            first = s
        state.lists[s - program.workloads[w].first_template].scratch = owner.replicas + share
        s = following
    _apply_sizes(program, state, w, first, change - spread, application)


@jit
def _apply_sizes(
    program: Any, state: Any, w: int, first: int, leftover: int, application: Any
) -> None:
    """Give the ReplicaSets the sizes in `state.lists[].scratch`; the largest takes the rest."""
    workload = program.workloads[w]
    for s in range(workload.first_template, workload.end_template):
        if state.sets[s].exists and state.sets[s].replicas > 0:
            size = state.lists[s - workload.first_template].scratch
            if s == first:
                size = max(0, size + leftover)
            _scale_set(state, s, size, application)


@jit
def _proportion(program: Any, state: Any, s: int, w: int, application: Any) -> int:
    owner = state.sets[s]
    if application.replicas == 0:
        return -owner.replicas
    before = owner.largest
    if before == 0:
        before = _active_pods(program, state, w)
        if before == 0:
            return 0
    exact = owner.replicas * (application.replicas + _max_surge(application)) / before
    return int(exact + 0.5) - owner.replicas


@jit
def _active_pods(program: Any, state: Any, w: int) -> int:
    workload = program.workloads[w]
    total = 0
    for s in range(workload.first_template, workload.end_template):
        if state.sets[s].exists:
            total += state.sets[s].active
    return total


@jit
def _larger_first(state: Any, a: int, b: int, change: int) -> bool:
    """Order by size; among equals the newer first when growing, the older when shrinking."""
    if state.sets[a].replicas != state.sets[b].replicas:
        return state.sets[a].replicas > state.sets[b].replicas
    if change > 0:
        return state.sets[a].order > state.sets[b].order
    return state.sets[a].order < state.sets[b].order


@jit
def _next_by_size(program: Any, state: Any, w: int, after: int, change: int) -> int:
    workload = program.workloads[w]
    found = UNSET
    for s in range(workload.first_template, workload.end_template):
        owner = state.sets[s]
        if owner.exists and owner.replicas > 0 and s != after:
            if after == UNSET or _larger_first(state, after, s, change):
                if found == UNSET or _larger_first(state, s, found, change):
                    found = s
    return found
