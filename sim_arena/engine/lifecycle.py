"""A pod's way: made, bound, started, ready, finished or deleted.

KWOK's stages as SimKube sets them: a bound pod is Running after the image pull delay and the
start-up delay, and completes when it has run as long as the trace's lifecycle data say.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.admission import admit
from sim_arena.engine.choice import PULL, SEQUENCE, STARTUP, choose, draw
from sim_arena.engine.choice import RELEASE as CHOICE
from sim_arena.engine.jit import jit, rare
from sim_arena.engine.order import delay
from sim_arena.engine.plugins import pod_topology_spread
from sim_arena.engine.program import ALWAYS, INIT, NEVER, NS, REGULAR, SIDECAR
from sim_arena.engine.queue import (
    arrive,
    forget,
    wake_after_bind,
    wake_after_release,
    withdraw,
)
from sim_arena.engine.standing import forget_standing
from sim_arena.engine.state import (
    AVAILABLE,
    BATCHED,
    COMPLETE,
    CRASHED,
    DOWN,
    EVICTED,
    FAILED,
    GATED,
    GONE,
    NOWHERE,
    PENDING,
    PROBE,
    PROMPT,
    RELEASE,
    RUNNING,
    SILENT,
    START,
    SUCCEEDED,
    SYNC,
    TICK,
    UP,
)
from sim_arena.engine.timers import set_early_timer, set_timer
from sim_arena.engine.usage import crash, measure, mostly_throttled, start_container
from traces.arithmetic import UNSET

__all__ = [
    "arm_tick",
    "available",
    "bind",
    "complete",
    "count_on_node",
    "create_pod",
    "delete_pod",
    "evict_pod",
    "exchange_lifetimes",
    "finish_wait",
    "kill_container",
    "lifetime_of",
    "mark_set",
    "mark_workload",
    "notice_set",
    "notice_workload",
    "probe_failed",
    "probe_succeeded",
    "release_late",
    "restart_container",
    "set_min_ready",
    "start_pod",
    "sync_at_deadline",
    "sync_batched",
    "sync_later",
    "take_down_pod",
]

# The least delay, in ticks of `clock.serial`, until a controller has heard that a pod was bound
# and started, or deleted.
_NEWS = 16
# How long a readiness probe must time out to make its container unready.
_PROBE_PATIENCE = 10 * NS
# A container that has run longer than this starts again at once, whatever came before.
_FORGIVEN = 600 * NS
# How long a controller that acts on batches of news waits for more.
_BATCH_PERIOD = NS


@jit
def _enqueue(state: Any, thing: int) -> None:
    clock = state.clock[0]
    room = state.dirty.shape[0]
    state.dirty[(clock.dirty_first + clock.dirty) % room] = thing
    clock.dirty += 1


@jit
def mark_set(state: Any, s: int) -> None:
    """Let a set's controller look at it."""
    _mark(state, state.sets[s], s, 0)


@jit
def notice_set(state: Any, s: int, least: int) -> None:
    """Let a set's controller look at it later: see `order.delay` for `least`."""
    if not state.sets[s].dirty:
        _mark(state, state.sets[s], s, delay(state, least))


@jit
def mark_workload(state: Any, w: int) -> None:
    """Let a workload's controller look at it."""
    _mark(state, state.workloads[w], state.sets.shape[0] + w, 0)


@jit
def notice_workload(state: Any, w: int, least: int) -> None:
    """Let a workload's controller look at it later: see `order.delay` for `least`."""
    if not state.workloads[w].dirty:
        _mark(state, state.workloads[w], state.sets.shape[0] + w, delay(state, least))


@jit
def _mark(state: Any, row: Any, thing: int, wait: int) -> None:
    due = state.clock[0].serial + wait
    if not row.dirty:
        row.dirty = 1
        row.due = due
        _enqueue(state, thing)
    elif due < row.due:
        row.due = due


@jit
def _changed(state: Any, pod: Any) -> None:
    """Tell the controllers of a pod that its state has changed, if they would do something."""
    owner = state.sets[pod.set]
    if owner.exists and owner.active != owner.replicas:
        if not owner.dirty:
            _mark(state, owner, pod.set, delay(state, _NEWS))
    hears = state.workloads[pod.workload].rolling
    if hears == PROMPT:
        notice_workload(state, pod.workload, _NEWS)
    elif hears == BATCHED:
        sync_batched(state, pod.workload)


@rare
def sync_batched(state: Any, w: int) -> None:
    """Let a controller look at a workload that waits for more news of the same second."""
    sync_later(state, w, state.clock[0].now + _BATCH_PERIOD)


@rare
def sync_later(state: Any, w: int, time: int) -> None:
    """Let a workload's controller look at it at a time, if it does not do so before."""
    workload = state.workloads[w]
    if workload.sync_at == UNSET or time < workload.sync_at:
        workload.sync_at = time
        # News of that time comes too late: in a cluster it takes some milliseconds.
        set_early_timer(state, time, SYNC, w)


@rare
def sync_at_deadline(state: Any, w: int, time: int) -> None:
    """Let a workload's controller look at it at a time, whatever else it does before."""
    workload = state.workloads[w]
    if workload.deadline_at != time:
        workload.deadline_at = time
        set_early_timer(state, time, SYNC, w)


@rare
def finish_wait(state: Any, w: int) -> None:
    """Let a workload's controller look at it whose time has come."""
    workload = state.workloads[w]
    now = state.clock[0].now
    if workload.sync_at == now or workload.deadline_at == now:
        if workload.sync_at == now:
            workload.sync_at = UNSET
        mark_workload(state, w)


@jit
def _lifetime(program: Any, state: Any, s: int, template: int, ordinal: int) -> int:
    """Return how long the next pod of a template runs: UNSET for ever.

    The counter is shared by all owners whose pods have equal specs, as SimKube's is.
    """
    counter = state.sets[state.sets[template].spec_owner]
    number = counter.made
    counter.made += 1
    record = program.templates[template]
    if ordinal != UNSET and record.end_lifecycle - record.first_lifecycle > 1:
        number = _made_before(state, s, template, ordinal)
    return lifetime_of(program, template, number)


@jit
def exchange_lifetimes(state: Any, p: int) -> None:
    """Draw whether a new pod has SimKube's sequence number of the one made before it.

    The pods of a batch are asked for side by side, and numbered as they come to the webhook.
    """
    pod = state.pods[p]
    if pod.next == UNSET:
        return
    before = state.pods[pod.next]
    if before.lifetime == pod.lifetime or before.created != pod.created:
        return
    if before.phase == PENDING and choose(state.clock[0].seed, SEQUENCE, p, 2):
        before.lifetime, pod.lifetime = pod.lifetime, before.lifetime


@jit
def lifetime_of(program: Any, template: int, sequence: int) -> int:
    """Return how long a template's pod with a sequence number of SimKube runs: UNSET for ever."""
    record = program.templates[template]
    length = record.end_lifecycle - record.first_lifecycle
    if length == 0:
        return UNSET
    return program.timelines[record.first_lifecycle + sequence % length]


@rare
def _made_before(state: Any, s: int, template: int, ordinal: int) -> int:
    """Count the pods that were made with the same spec as one that bears an ordinal.

    Its host name, or a DaemonSet's pod's node, stands in the spec: it has a counter of its own.
    """
    made = 0
    owner = state.sets[template].spec_owner
    for p in range(state.clock[0].pods - 1):
        pod = state.pods[p]
        if pod.set == s and pod.ordinal == ordinal:
            if state.sets[pod.template].spec_owner == owner:
                made += 1
    return made


@jit
def create_pod(program: Any, state: Any, s: int, template: int, ordinal: int, whole: Any) -> int:
    """Make a pod of a template for a set, and hand it to the scheduler.

    Returns:
        Its number; UNSET, for programs that need more than the core, if the API server refuses it.
    """
    if whole is not None and program.header[0].admission:
        template = admit(program, state, s, template)
        if template == UNSET:
            return UNSET
    clock = state.clock[0]
    p = clock.pods
    clock.pods += 1
    pod = state.pods[p]
    record = program.templates[template]
    pod.template = template
    pod.set = s
    pod.workload = state.sets[s].workload
    pod.node = UNSET
    pod.phase = PENDING
    pod.ready = 0
    pod.available = 0
    pod.queue = NOWHERE
    pod.attempts = 0
    pod.nominated = UNSET
    pod.message = SILENT
    pod.restarts = 0
    pod.unready = 0
    pod.ordinal = ordinal
    pod.rank = 0
    pod.created = clock.now
    pod.lifetime = _lifetime(program, state, s, template, ordinal)
    _link(state, s, p)
    state.sets[s].active += 1
    first = p * program.header[0].pod_containers
    for slot in range(first, first + record.end_container - record.first_container):
        container = state.containers[slot]
        container.state = 0
        container.ready = 0
        container.restarts = 0
        container.oom_killed = 0
        container.crashes = 0
        container.probed_at = UNSET
    if record.bound != UNSET:
        bind(program, state, p, record.bound, whole)
    elif record.gated:
        pod.message = GATED
    elif not record.ignored:
        arrive(program, state, p)
    return p


@jit
def _link(state: Any, s: int, p: int) -> None:
    owner = state.sets[s]
    pod = state.pods[p]
    pod.previous = UNSET
    pod.next = owner.head
    if owner.head != UNSET:
        state.pods[owner.head].previous = p
    owner.head = p


@jit
def _unlink(state: Any, p: int) -> None:
    pod = state.pods[p]
    if pod.previous == UNSET:
        state.sets[pod.set].head = pod.next
    else:
        state.pods[pod.previous].next = pod.next
    if pod.next != UNSET:
        state.pods[pod.next].previous = pod.previous


@jit
def _delay(low: int, high: int, random: int) -> int:
    """KWOK's delay: uniform in [low, high), and `high` where that is not above `low`."""
    if high <= low:
        return high
    return low + ((high - low) // 1000 * (random >> 8) >> 24) * 1000  # up to six days


@jit
def bind(program: Any, state: Any, p: int, n: int, whole: Any) -> None:
    """Put a pod on a node; it starts after the lifecycle delays."""
    pod = state.pods[p]
    pod.node = n
    pod.message = SILENT
    withdraw(state, p)
    count_on_node(program, state, p, 1)
    if program.header[0].looks_at_pods and state.clock[0].waiting > 0:
        wake_after_bind(program, state, pod.template)
    header = program.header[0]
    wait = 0
    if header.image_pull_jitter > 0 or header.pod_startup_jitter > 0:
        seed = state.clock[0].seed
        pull = draw(seed, PULL, p)
        startup = draw(seed, STARTUP, p)
        wait += _delay(header.image_pull_delay, header.image_pull_jitter, pull)
        wait += _delay(header.pod_startup_delay, header.pod_startup_jitter, startup)
    if wait > 0:
        set_timer(state, state.clock[0].now + wait, START, p, 0, 0)
    else:
        start_pod(program, state, p, whole)


@jit
def count_on_node(program: Any, state: Any, p: int, sign: int) -> None:
    """Count a pod's requests on its node (`sign` 1), or no longer (-1)."""
    pod = state.pods[p]
    used = state.nodes[pod.node]
    need = state.sets[pod.template]
    used.cpu += sign * need.cpu
    used.memory += sign * need.memory
    used.scored_cpu += sign * need.placed_cpu
    used.scored_memory += sign * need.placed_memory
    used.pods += sign
    if program.header[0].terms > 0:
        pod_topology_spread.count(program, state, pod.template, pod.node, sign)
        if program.header[0].looks_at_pods:
            state.placed[pod.template, pod.node] += sign
    forget_standing(program, state, pod.node)
    for r in range(program.header[0].extended):
        state.extended[pod.node, r] += sign * program.template_extended[pod.template, r]


@jit
def start_pod(program: Any, state: Any, p: int, whole: Any) -> None:
    """Start a bound pod's containers (init containers are over at once, as in KWOK)."""
    clock = state.clock[0]
    pod = state.pods[p]
    pod.phase = RUNNING
    pod.started = clock.now
    if whole is not None and program.header[0].usage:
        arm_tick(state)
    record = program.templates[pod.template]
    first = p * program.header[0].pod_containers
    for row in range(record.first_container, record.end_container):
        if program.containers[row].kind != INIT:
            pod.unready += 1
    for row in range(record.first_container, record.end_container):
        if program.containers[row].kind != INIT:
            slot = first + row - record.first_container
            _start(program, state, p, row, slot, whole)
    if pod.lifetime != UNSET and pod.phase == RUNNING:
        set_timer(state, clock.now + pod.lifetime, COMPLETE, p, 0, 0)


@jit
def _start(program: Any, state: Any, p: int, row: int, slot: int, whole: Any) -> None:
    pod = state.pods[p]
    policy = _restart_policy(program, pod.template, row)
    if whole is not None and program.header[0].usage:
        measure(program, state, p, row, slot, True)
        memory = state.containers[slot].memory
        if program.header[0].admission:
            start_container(state, state.filled[row], p, slot, policy, memory)
        else:
            start_container(state, program.containers[row], p, slot, policy, memory)
    elif whole is not None and program.header[0].admission:
        record = state.filled[row]
        start_container(state, record, p, slot, policy, record.usage_memory)
        _expect_timeout(state, record, p, slot)
    else:
        record = program.containers[row]
        start_container(state, record, p, slot, policy, record.usage_memory)
        _expect_timeout(state, record, p, slot)
    if state.containers[slot].state == UP:
        pod.unready -= 1
        if pod.unready == 0:
            _become_ready(state, p)
    else:
        _notice_end(program, state, p, policy, whole)


@jit
def _restart_policy(program: Any, template: int, row: int) -> int:
    """Sidecars have one of their own."""
    if program.containers[row].kind == SIDECAR:
        return ALWAYS
    return program.templates[template].restart_policy


@jit
def _expect_timeout(state: Any, record: Any, p: int, slot: int) -> None:
    """Let a container whose usage never changes fail its probe, if it will."""
    container = state.containers[slot]
    if container.state == UP and record.probe and mostly_throttled(record):
        due = state.clock[0].now + _PROBE_PATIENCE
        set_timer(state, due, PROBE, p, slot, container.restarts)


@jit
def _notice_end(program: Any, state: Any, p: int, policy: int, whole: Any) -> None:
    """See to a pod one of whose containers does not run now."""
    if policy == NEVER:
        if _all_down(program, state, p):
            _finish(program, state, p, FAILED)
    elif whole is not None and state.workloads[state.pods[p].workload].rolling == BATCHED:
        sync_batched(state, state.pods[p].workload)  # a Job counts its pods' restarts


@rare
def kill_container(program: Any, state: Any, p: int, row: int, slot: int) -> None:
    """Kill a running container for its use of memory; it may start again at once."""
    pod = state.pods[p]
    container = state.containers[slot]
    policy = _restart_policy(program, pod.template, row)
    if state.clock[0].now - container.started > _FORGIVEN:
        container.crashes = 0
    if container.ready:
        pod.unready += 1
    _become_unready(state, pod)
    if crash(state, p, slot, policy):
        _start(program, state, p, row, slot, 1)
    else:
        _notice_end(program, state, p, policy, 1)
    if pod.phase == RUNNING:
        _changed(state, pod)


@jit
def arm_tick(state: Any) -> None:
    """Let the kubelets look at the next whole second."""
    clock = state.clock[0]
    if not clock.ticking:
        clock.ticking = 1
        set_timer(state, (clock.now // NS + 1) * NS, TICK, 0, 0, 0)


@jit
def _all_down(program: Any, state: Any, p: int) -> bool:
    """Say whether no regular container runs: sidecars do not keep a pod from its end."""
    record = program.templates[state.pods[p].template]
    first = p * program.header[0].pod_containers
    for row in range(record.first_container, record.end_container):
        if program.containers[row].kind == REGULAR:
            if state.containers[first + row - record.first_container].state != DOWN:
                return False
    return True


@jit
def _become_ready(state: Any, p: int) -> None:
    clock = state.clock[0]
    pod = state.pods[p]
    pod.ready = 1
    pod.ready_since = clock.now
    state.sets[pod.set].ready += 1
    wait = state.sets[pod.set].min_ready
    if wait == 0:
        _become_available(state, pod)
    else:
        token = clock.now // 1_000_000 & 0x7FFFFFFF
        # The pod's condition says since when, in whole seconds (podutil.IsPodAvailable).
        set_timer(state, clock.now // NS * NS + wait, AVAILABLE, p, 0, token)
        _changed(state, pod)


@jit
def _become_available(state: Any, pod: Any) -> None:
    pod.available = 1
    state.sets[pod.set].available += 1
    _changed(state, pod)


@rare
def available(state: Any, p: int, token: int) -> None:
    """Count a pod as available that has been ready for minReadySeconds."""
    pod = state.pods[p]
    since = pod.ready_since // 1_000_000 & 0x7FFFFFFF
    if pod.ready_since // NS * NS + state.sets[pod.set].min_ready > state.clock[0].now:
        return  # they have become more
    if pod.phase == RUNNING and pod.ready and not pod.available and since == token:
        _become_available(state, pod)


@rare
def set_min_ready(state: Any, s: int, wait: int) -> None:
    """Let minReadySeconds hold for a set, and for the pods that it has."""
    owner = state.sets[s]
    if owner.min_ready == wait:
        return
    owner.min_ready = wait
    now = state.clock[0].now
    p = owner.head
    while p != UNSET:
        pod = state.pods[p]
        due = pod.ready_since // NS * NS + wait
        if pod.ready and due > now:
            if pod.available:
                pod.available = 0
                owner.available -= 1
            token = pod.ready_since // 1_000_000 & 0x7FFFFFFF
            set_timer(state, due, AVAILABLE, p, 0, token)
        elif pod.ready and not pod.available:
            _become_available(state, pod)
        p = pod.next


@jit
def _become_unready(state: Any, pod: Any) -> None:
    if pod.ready:
        pod.ready = 0
        state.sets[pod.set].ready -= 1
        if pod.available:
            pod.available = 0
            state.sets[pod.set].available -= 1


@rare
def probe_failed(state: Any, p: int, slot: int, token: int) -> None:
    """Make a container unready whose readiness probe has timed out for too long."""
    container = state.containers[slot]
    pod = state.pods[p]
    if pod.phase == RUNNING and container.state == UP and container.restarts == token:
        container.ready = 0
        pod.unready += 1
        _become_unready(state, pod)
        _changed(state, pod)


@rare
def probe_succeeded(state: Any, p: int, slot: int) -> None:
    """Make a container ready again whose readiness probe is answered."""
    pod = state.pods[p]
    state.containers[slot].ready = 1
    pod.unready -= 1
    if pod.unready == 0:
        _become_ready(state, p)


@jit
def restart_container(program: Any, state: Any, p: int, slot: int, token: int, whole: Any) -> None:
    """Start a crashed container again when its back-off is over."""
    pod = state.pods[p]
    container = state.containers[slot]
    if pod.phase != RUNNING or container.state != CRASHED or container.restarts != token:
        return
    container.restarts += 1
    pod.restarts += 1
    row = program.templates[pod.template].first_container
    first = p * program.header[0].pod_containers
    _start(program, state, p, row + slot - first, slot, whole)


@rare
def complete(program: Any, state: Any, p: int) -> None:
    """End a pod that has run as long as its lifecycle data say."""
    if state.pods[p].phase == RUNNING:
        _finish(program, state, p, SUCCEEDED)


@rare
def evict_pod(program: Any, state: Any, p: int) -> None:
    """End a pod in favour of the others on its node: Failed, with reason Evicted."""
    state.workloads[state.pods[p].workload].evicted += 1
    state.pods[p].message = EVICTED
    _finish(program, state, p, FAILED)


@rare
def _finish(program: Any, state: Any, p: int, phase: int) -> None:
    """Succeeded and Failed pods don't exist for the scheduler: their node is free again."""
    pod = state.pods[p]
    _become_unready(state, pod)
    pod.phase = phase
    pod.ended = state.clock[0].now
    state.sets[pod.set].active -= 1
    count_on_node(program, state, p, -1)
    wake_after_release(program, state, pod.template)
    _changed(state, pod)


@rare
def delete_pod(program: Any, state: Any, p: int) -> None:
    """Remove a pod at once: fake nodes know no grace period."""
    _delete(program, state, p, False)


@rare
def take_down_pod(program: Any, state: Any, p: int) -> None:
    """Remove a pod whose place another one may take before it is gone.

    The controllers take no account of a pod that is marked as deleted, nor does spreading; the rest
    of the scheduler does until it is gone, some milliseconds later. What they do meanwhile comes
    first, or not: the seed decides.
    """
    late = state.clock[0].racing != 0 and choose(state.clock[0].seed, CHOICE, p, 2) == 1
    _delete(program, state, p, late)


@jit
def _delete(program: Any, state: Any, p: int, late: bool) -> None:
    pod = state.pods[p]
    _unlink(state, p)
    _become_unready(state, pod)
    active = pod.phase == PENDING or pod.phase == RUNNING
    pod.phase = GONE
    if not active:
        return
    state.sets[pod.set].active -= 1
    if pod.node == UNSET:
        forget(state, p)
    elif late or state.clock[0].guided:
        if program.header[0].terms > 0:
            pod_topology_spread.count(program, state, pod.template, pod.node, -1)
        set_timer(state, state.clock[0].now, RELEASE, p, 0, 0)
    else:
        release(program, state, p)
    _changed(state, pod)


@rare
def release_late(program: Any, state: Any, p: int) -> None:
    """Do so for a pod that has been marked as deleted: spreading takes no account of it since."""
    pod = state.pods[p]
    if program.header[0].terms > 0:
        pod_topology_spread.count(program, state, pod.template, pod.node, 1)
    release(program, state, p)


@rare
def release(program: Any, state: Any, p: int) -> None:
    """Let others have the room that a deleted pod had on its node."""
    count_on_node(program, state, p, -1)
    wake_after_release(program, state, state.pods[p].template)
