"""The families of faults: each function makes one broken workload in its surroundings.

Each holds whatever the scheduler's free choices are: where neighbours leave a different room on
different nodes, a fault is beyond the most of it and a repair within the least.
CPU is in milli-CPU and memory in MiB.
"""

from collections.abc import Callable
from dataclasses import replace

from traces.generator.objects import Container, Usage
from traces.generator.scene import (
    CPU_STEP,
    MEMORY_STEP,
    SITES,
    Case,
    Fix,
    Scene,
    Site,
    steps_for,
)
from traces.quantities import format_cpu, format_memory

__all__ = ["FAMILIES", "Family"]

Family = Callable[[Scene], Case]


def cpu_over_node(scene: Scene) -> Case:
    """CPU request above what any node has."""
    scene.add_small(scene.dice.between(1, 2))
    excess = _excess(scene, CPU_STEP, 250)
    return _too_much_cpu(scene, scene.site.cpu + excess, "the largest node has", scene.site.cpu)


def cpu_over_free(scene: Scene) -> Case:
    """CPU request that an empty node would take, but none has left."""
    scene.add_filler(cpu=True, memory=False)
    scene.add_small(scene.dice.between(0, 1))
    room = scene.room()
    request = min(room.most_cpu + scene.dice.between(1, 12) * CPU_STEP, scene.site.cpu)
    return _too_much_cpu(scene, request, "no node has more left than", room.most_cpu)


def memory_over_node(scene: Scene) -> Case:
    """Memory request above what any node has."""
    scene.add_small(scene.dice.between(1, 2))
    excess = _excess(scene, MEMORY_STEP, 128)
    request = scene.site.memory + excess
    return _too_much_memory(scene, request, "the largest node has", scene.site.memory)


def memory_over_free(scene: Scene) -> Case:
    """Memory request that an empty node would take, but none has left."""
    scene.add_filler(cpu=False, memory=True)
    scene.add_small(scene.dice.between(0, 1))
    room = scene.room()
    request = min(room.most_memory + scene.dice.between(1, 12) * MEMORY_STEP, scene.site.memory)
    return _too_much_memory(scene, request, "no node has more left than", room.most_memory)


def too_many_replicas(scene: Scene) -> Case:
    """More replicas than the nodes take: by their number of pods, or by CPU."""
    extra = scene.dice.between(1, 5)
    if scene.variant % 4 == 1:
        return _more_than_cpu_allows(scene, extra)
    site = scene.dice.pick((Site(2, 8_000, 16 << 10), Site(3, 16_000, 32 << 10)))
    scene.site = replace(site, pods=scene.dice.between(3, 5))
    scene.add_small(scene.dice.between(1, 2))
    slots = scene.site.count * (scene.site.pods or 0)
    ready = slots - len(scene.neighbours)
    container = _healthy(scene, stateful=_stateful(scene))
    app = scene.app(ready + extra, container, stateful=_stateful(scene))
    name = container.image.name
    what = f"{app.replicas} replicas, where the nodes take {ready} more pods"
    return Case(app, name, ready, what, (Fix("scale_down_replicas", extra),), extra)


def replicas_and_requests(scene: Scene) -> Case:
    """More replicas than the nodes take pods, each with a CPU request that is too high."""
    each = scene.dice.between(2, 3)
    site = scene.dice.pick((Site(2, 16_000, 32 << 10), Site(3, 8_000, 16 << 10)))
    scene.site = replace(site, pods=each + 1)  # one of them is the filler's
    scene.add_filler(cpu=True, memory=False)
    free = scene.room().most_cpu
    extra = scene.dice.between(1, 3)
    request = free // each + scene.dice.between(200, 3_000, 100)
    ready = each * scene.site.count
    container = replace(_healthy(scene), cpu=request)
    app = scene.app(ready + extra, container)
    name = container.image.name
    excess = request - free // each
    fix = Fix("reduce_cpu_small", excess), Fix("scale_down_replicas", extra)
    what = (
        f"{app.replicas} replicas with {format_cpu(request)} CPU each, where every node takes "
        f"{each} pods and has {format_cpu(free)} CPU left"
    )
    return Case(app, name, ready, what, fix, steps_for(excess, CPU_STEP) + extra)


def just_over(scene: Scene) -> Case:
    """A request that is too high by less than a step of an action."""
    stateful = _stateful(scene)
    image = scene.image(stateful=stateful)
    by_cpu = scene.variant % 2 == 0
    scene.add_filler(cpu=by_cpu, memory=not by_cpu)
    room = scene.room()
    # Two to a node every third time: then half of the pods are running.
    each = 2 if scene.variant % 3 == 2 else 1
    replicas = each * scene.site.count if each == 2 else scene.replicas()
    if by_cpu:
        excess = scene.dice.between(10, 400, 10)
        cpu, memory = room.most_cpu // each + excess, 256
        what = f"requests {format_cpu(cpu)} CPU, {format_cpu(excess)} more than fits"
        fix = Fix("reduce_cpu_small", CPU_STEP)
    else:
        excess = scene.dice.between(8, 200, 8)
        cpu, memory = 250, room.most_memory // each + excess
        what = f"requests {_text(memory)} memory, {_text(excess)} more than fits"
        fix = Fix("reduce_mem_small", MEMORY_STEP)
    app = scene.app(replicas, Container(image, cpu, memory), stateful=stateful)
    return Case(app, image.name, replicas, what, (fix,), 1)


def out_of_memory(scene: Scene) -> Case:
    """Memory limit below what the container uses, so that it is killed."""
    scene.add_small(scene.dice.between(1, 2))
    stateful = _stateful(scene)
    container, fix, steps, what = _starved(scene, _healthy(scene, stateful=stateful))
    app = scene.app(scene.dice.between(1, 4), container, stateful=stateful)
    return Case(app, container.image.name, app.replicas, what, (fix,), steps)


def throttled(scene: Scene) -> Case:
    """CPU limit so far below what the container uses that its readiness probe fails."""
    scene.add_small(scene.dice.between(1, 2))
    container, fix, steps, what = _squeezed(scene, _healthy(scene))
    app = scene.app(scene.dice.between(2, 4), container)
    name = container.image.name
    # A throttled pod is ready for its first seconds; growing, they never are all at one time.
    return Case(app, name, app.replicas, what, (fix,), steps, grows=True)


def one_of_several(scene: Scene) -> Case:
    """One of several containers is wrong, and not the first."""
    scene.add_small(scene.dice.between(0, 1))
    main, *others = scene.sidecars(scene.dice.between(2, 3))
    first = replace(_healthy(scene), probe=True)
    room = scene.room()
    aside = first.cpu + sum(one.cpu for one in others)
    aside_memory = first.memory + sum(one.memory for one in others)
    name = main.image.name
    grows = False
    match scene.variant % 4:
        case 0:
            excess = scene.dice.between(1, 10) * CPU_STEP
            wrong = replace(main, cpu=scene.site.cpu - aside + excess)
            over = wrong.cpu + aside - room.least_cpu
            fix, steps = Fix("reduce_cpu_small", over, name), steps_for(over, CPU_STEP)
            what = f"the container {name} requests {format_cpu(wrong.cpu)} CPU"
        case 1:
            excess = scene.dice.between(2, 10) * MEMORY_STEP  # more than the others can spare
            wrong = replace(
                main, memory=scene.site.memory - aside_memory + excess, memory_limit=None
            )
            over = wrong.memory + aside_memory - room.least_memory
            fix, steps = Fix("reduce_mem_small", over, name), steps_for(over, MEMORY_STEP)
            what = f"the container {name} requests {_text(wrong.memory)} memory"
        case 2:
            wrong, fix, steps, what = _starved(scene, main)
        case _:
            wrong, fix, steps, what = _squeezed(scene, main)
            grows = True
    replicas = scene.dice.between(2, scene.site.count) if grows else scene.replicas()
    app = scene.app(replicas, first, *others[:1], wrong, *others[1:])
    fix = replace(fix, container=name)
    return Case(app, name, replicas, what, (fix,), steps, grows=grows)


def mixed(scene: Scene) -> Case:
    """Two faults at once, among neighbours that have to stay as they are."""
    scene.add_filler(cpu=True, memory=True)
    scene.add_small(1)
    room = scene.room()
    container = _healthy(scene)
    replicas = scene.replicas()
    name = container.image.name
    cpu = room.most_cpu + scene.dice.between(1, 6) * CPU_STEP
    over_cpu = cpu - room.least_cpu
    memory = room.most_memory + scene.dice.between(1, 6) * MEMORY_STEP
    over_memory = memory - room.least_memory
    less_cpu = Fix("reduce_cpu_small", over_cpu)
    less_memory = Fix("reduce_mem_small", over_memory)
    match scene.variant % 3:
        case 0:
            wrong = replace(container, cpu=cpu, memory=memory, memory_limit=None)
            fixes, steps = [less_cpu, less_memory], steps_for(over_memory, MEMORY_STEP)
            what = f"requests {format_cpu(cpu)} CPU and {_text(memory)} memory; neither is left"
        case 1:
            starved, more, steps, why = _starved(scene, container)
            wrong = replace(starved, cpu=cpu)
            fixes = [less_cpu, more]
            what = f"requests {format_cpu(cpu)} CPU, which no node has left, and {why}"
        case _:
            squeezed, more, steps, why = _squeezed(scene, container)
            wrong = replace(squeezed, memory=memory, memory_limit=None)
            fixes = [less_memory, more]
            steps += steps_for(over_memory, MEMORY_STEP)
            what = f"requests {_text(memory)} memory, which no node has left, and {why}"
    if less_cpu in fixes:
        steps += steps_for(over_cpu, CPU_STEP)
    return Case(scene.app(replicas, wrong), name, replicas, what, tuple(fixes), steps)


FAMILIES: dict[str, Family] = {
    "cpu-over-node": cpu_over_node,
    "cpu-over-free": cpu_over_free,
    "memory-over-node": memory_over_node,
    "memory-over-free": memory_over_free,
    "too-many-replicas": too_many_replicas,
    "replicas-and-requests": replicas_and_requests,
    "just-over": just_over,
    "oom-killed": out_of_memory,
    "cpu-throttled": throttled,
    "one-of-several": one_of_several,
    "mixed": mixed,
}
"""The families by the name that a manifest gives as the cause."""


def _text(mebibytes: int) -> str:
    return format_memory(mebibytes << 20)


def _stateful(scene: Scene) -> bool:
    return scene.variant % 5 == 4


def _excess(scene: Scene, step: int, unit: int) -> int:
    """Return how far beyond a node a request is; now and then more than small steps can mend."""
    if scene.variant % 4 == 3:
        return scene.dice.between(24 * step, 40 * step, unit)
    return scene.dice.between(unit, 10 * step, unit)


def _healthy(scene: Scene, *, stateful: bool = False) -> Container:
    """Return a container that fits beside any neighbours, uses little, and has no limits."""
    image = scene.image(stateful=stateful)
    cpu, memory = scene.dice.between(100, 400, 50), scene.dice.between(128, 384, 64)
    usage = Usage(cpu * 3 // 5, memory * 3 // 5) if scene.dice.chance(60) else None
    return Container(image, cpu, memory, usage=usage, probe=scene.dice.chance(50))


def _too_much_cpu(scene: Scene, request: int, than: str, most: int) -> Case:
    stateful = _stateful(scene)
    limit = request if scene.dice.chance(30) else None
    container = replace(_healthy(scene, stateful=stateful), cpu=request, cpu_limit=limit)
    app = scene.app(scene.replicas(), container, stateful=stateful)
    excess = request - scene.room().least_cpu
    what = f"requests {format_cpu(request)} CPU; {than} {format_cpu(most)}"
    fix = (Fix("reduce_cpu_small", excess),)
    steps = steps_for(excess, CPU_STEP)
    grows = app.replicas > 1 and scene.dice.chance(30)
    return Case(app, container.image.name, app.replicas, what, fix, steps, grows=grows)


def _too_much_memory(scene: Scene, request: int, than: str, most: int) -> Case:
    stateful = _stateful(scene)
    limit = request if scene.dice.chance(50) else None
    container = replace(_healthy(scene, stateful=stateful), memory=request, memory_limit=limit)
    app = scene.app(scene.replicas(), container, stateful=stateful)
    excess = request - scene.room().least_memory
    what = f"requests {_text(request)} memory; {than} {_text(most)}"
    fix = (Fix("reduce_mem_small", excess),)
    steps = steps_for(excess, MEMORY_STEP)
    grows = app.replicas > 1 and scene.dice.chance(30)
    return Case(app, container.image.name, app.replicas, what, fix, steps, grows=grows)


def _more_than_cpu_allows(scene: Scene, extra: int) -> Case:
    """Return replicas whose requests are right, but do not all fit: fewer is the only repair."""
    scene.site = SITES[0]
    scene.add_filler(cpu=True, memory=False)
    free = scene.room().most_cpu
    each = scene.dice.between(2, 4)
    container = replace(_healthy(scene), cpu=free // each)
    ready = each * scene.site.count
    app = scene.app(ready + extra, container)
    what = (
        f"{app.replicas} replicas with {format_cpu(container.cpu)} CPU each, where {ready} fit "
        f"into the {format_cpu(free)} left on each of {scene.site.count} nodes"
    )
    fix = (Fix("scale_down_replicas", extra),)
    return Case(app, container.image.name, ready, what, fix, extra)


_Wrong = tuple[Container, Fix, int, str]  # with its repair, the default steps, and the fault


def _starved(scene: Scene, container: Container) -> _Wrong:
    limit = scene.dice.between(128, 768, 64)
    excess = scene.dice.between(32, 7 * MEMORY_STEP, 32)
    used = Usage(scene.dice.between(50, 200, 50), limit + excess)
    request = limit if scene.dice.chance(50) else limit // 2
    wrong = replace(container, memory=request, memory_limit=limit, usage=used)
    steps = steps_for(excess, MEMORY_STEP)
    what = f"{container.image.name} uses {_text(used.memory)} memory and may use {_text(limit)}"
    return wrong, Fix("bump_mem_limit", steps * MEMORY_STEP), steps, what


def _squeezed(scene: Scene, container: Container) -> _Wrong:
    limit = scene.dice.between(100, 400, 50)
    used = Usage(scene.dice.between(5 * limit // 2, 8 * limit, 50), 96)
    request = min(container.cpu, limit)
    wrong = replace(container, cpu=request, cpu_limit=limit, usage=used, probe=True)
    # Throttled by no more than half is enough for the probe.
    steps = steps_for(used.cpu // 2 - limit, CPU_STEP)
    what = f"{container.image.name} uses {format_cpu(used.cpu)} CPU and may use {format_cpu(limit)}"
    return wrong, Fix("bump_cpu_limit", steps * CPU_STEP), steps, what
