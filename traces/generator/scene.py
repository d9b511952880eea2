"""The surroundings of a fault: nodes, and healthy neighbours that leave a known room.

CPU is in milli-CPU and memory in MiB.
"""

from dataclasses import dataclass, field

from traces.generator.catalogue import (
    BIG,
    DEPLOYMENTS,
    NAMESPACES,
    SIDECARS,
    SMALL,
    STATEFUL_SETS,
    Image,
)
from traces.generator.dice import Dice
from traces.generator.objects import App, Container, Usage

__all__ = ["CPU_STEP", "MEMORY_STEP", "Case", "Fix", "Room", "Scene", "Site", "steps_for"]

CPU_STEP = 500
MEMORY_STEP = 256
"""The default steps of the actions, by which the length of an episode is reckoned."""


@dataclass(frozen=True, slots=True)
class Site:
    """Equal nodes."""

    count: int
    cpu: int
    memory: int
    pods: int | None = None

    def __str__(self) -> str:
        pods = "" if self.pods is None else f",{self.pods}pods"
        return f"{self.count}x{self.cpu // 1000}cpu,{self.memory // 1024}Gi{pods}"


SITES = (
    # The first is the default of the commands.
    Site(3, 16_000, 32 << 10),
    Site(3, 16_000, 32 << 10),
    Site(3, 16_000, 32 << 10),
    Site(2, 16_000, 32 << 10),
    Site(3, 8_000, 16 << 10),
    Site(4, 8_000, 32 << 10),
)


@dataclass(frozen=True, slots=True)
class Fix:
    """One action of a repair; the step in milli-CPU, MiB or replicas."""

    type: str
    step: int
    container: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A broken workload among its neighbours.

    Args:
        target: The broken workload.
        container: The container that the fault is in.
        ready: How many replicas are ready once it is repaired.
        description: The fault in a sentence.
        fix: What repairs it.
        steps: How many actions with default steps repair it.
        grows: Whether the workload starts smaller and is scaled up later.
    """

    target: App
    container: str
    ready: int
    description: str
    fix: tuple[Fix, ...]
    steps: int
    grows: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """What is left on every node: `least` wherever the neighbours' pods are, `most` at best."""

    least_cpu: int
    most_cpu: int
    least_memory: int
    most_memory: int


@dataclass(slots=True)
class Scene:
    """One trace in the making.

    Args:
        dice: The source of every choice.
        variant: Counts the traces of one family, for what should differ evenly.
        site: The nodes.
        neighbours: Healthy workloads, in the order in which they are applied.
    """

    dice: Dice
    variant: int
    site: Site = SITES[0]
    neighbours: list[App] = field(default_factory=list)
    namespace: str = ""

    def __post_init__(self) -> None:
        self.site = self.dice.pick(SITES)
        self.namespace = self.dice.pick(NAMESPACES)

    def add_filler(self, *, cpu: bool, memory: bool) -> None:
        """Add a workload with exactly one pod on each node, because two would not fit."""
        share_cpu = self.dice.between(55, 70) if cpu else 10
        share_memory = self.dice.between(55, 70) if memory else 10
        image = self.dice.pick(BIG)
        requests = _rounded(self.site.cpu * share_cpu // 100, 250)
        size = _rounded(self.site.memory * share_memory // 100, 256)
        usage = Usage(requests * 3 // 5, size * 3 // 5)
        container = Container(image, requests, size, memory_limit=size, usage=usage)
        self.neighbours.append(App(self.namespace, image.name, self.site.count, (container,)))

    def add_small(self, count: int) -> None:
        """Add small workloads, wherever the scheduler may put them."""
        for image in self.dice.some(SMALL, count):
            cpu, memory = self.dice.between(50, 200, 50), self.dice.between(64, 192, 64)
            usage = Usage(cpu // 2, memory // 2) if self.dice.chance(50) else None
            limit = memory * 2 if self.dice.chance(60) else None
            container = Container(image, cpu, memory, memory_limit=limit, usage=usage)
            self.neighbours.append(App("platform", image.name, 1, (container,)))

    def room(self) -> Room:
        """Return what the neighbours leave."""
        fillers = [app for app in self.neighbours if app.namespace == self.namespace]
        small = [app for app in self.neighbours if app.namespace != self.namespace]
        most_cpu = self.site.cpu - sum(app.containers[0].cpu for app in fillers)
        most_memory = self.site.memory - sum(app.containers[0].memory for app in fillers)
        return Room(
            most_cpu - sum(app.containers[0].cpu for app in small),
            most_cpu,
            most_memory - sum(app.containers[0].memory for app in small),
            most_memory,
        )

    def image(self, *, stateful: bool = False) -> Image:
        """Return what the broken workload runs."""
        return self.dice.pick(STATEFUL_SETS if stateful else DEPLOYMENTS)

    def sidecars(self, count: int) -> tuple[Container, ...]:
        """Return healthy sidecars, with requests far below what is ever at fault."""
        return tuple(
            Container(
                image,
                self.dice.between(50, 150, 50),
                self.dice.between(64, 192, 64),
                memory_limit=256,
                usage=Usage(20, 48),
            )
            for image in self.dice.some(SIDECARS, count)
        )

    def app(self, replicas: int, *containers: Container, stateful: bool = False) -> App:
        """Return the broken workload."""
        kind = "StatefulSet" if stateful else "Deployment"
        name = max(containers, key=lambda one: one.image not in SIDECARS).image.name
        return App(self.namespace, name, replicas, containers, kind)

    def replicas(self) -> int:
        """Return a number of replicas of which each can have a node of its own."""
        return self.dice.between(1, self.site.count)


def steps_for(excess: int, step: int) -> int:
    """Return how many steps it takes to move by at least `excess`."""
    return max(0, -(-excess // step))


def _rounded(value: int, unit: int) -> int:
    return value // unit * unit
