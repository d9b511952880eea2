"""Random sets of nodes."""

from sim_arena.nodes import Node, Taint
from traces.generator.dice import Dice

ZONE = "topology.kubernetes.io/zone"
HOSTNAME = "kubernetes.io/hostname"
GPU = "nvidia.com/gpu"
TAINTS = (
    Taint("dedicated", "batch", "NoSchedule"),
    Taint("spot", "", "NoSchedule"),
    Taint("maintenance", "true", "NoExecute"),
)
PREFERENCE = Taint("busy", "", "PreferNoSchedule")

_SHAPES = ((2000, 4), (4000, 8), (4000, 16), (8000, 16), (8000, 32), (16000, 32), (3920, 13))
_GIB = 1 << 30
DISK_GIB = 100


def random_nodes(dice: Dice, features: set[str]) -> list[Node]:
    """Nodes that show the features asked for, in a random order of sizes and zones."""
    count = dice.between(13, 50) if "many-nodes" in features else _few(dice)
    kinds = dice.between(2, 3) if "mixed-nodes" in features else 1
    shapes = dice.some(_SHAPES, kinds)
    zones = dice.between(2, 3) if "zones" in features else 0
    return [_node(dice, number, dice.pick(shapes), zones, features) for number in range(count)]


def _few(dice: Dice) -> int:
    return dice.between(1, 4) if dice.chance(60) else dice.between(5, 12)


def _node(dice: Dice, number: int, shape: tuple[int, int], zones: int, features: set[str]) -> Node:
    name = f"node-{number}"
    cpu, gib = shape
    labels = {"size": "large" if cpu >= 8000 else "small", "cores": str(cpu // 1000)}
    if "no-hostname" not in features:
        labels[HOSTNAME] = name
    if zones and not dice.chance(5):
        labels[ZONE] = f"zone-{'abc'[number % zones if dice.chance(80) else dice.below(zones)]}"
    if dice.chance(40):
        labels["disk"] = dice.pick(("ssd", "hdd"))
    return Node(
        name=name,
        cpu=cpu,
        memory=gib * _GIB,
        pods=dice.between(2, 8) if "few-pods" in features and dice.chance(70) else 110,
        labels=labels,
        taints=_taints(dice, features),
        unschedulable="cordons" in features and dice.chance(30),
        extended=_extended(dice, features),
    )


def _extended(dice: Dice, features: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    if "extended" in features and dice.chance(50):
        found[GPU] = dice.between(1, 4)
    if "ephemeral-storage" in features and dice.chance(80):
        found["ephemeral-storage"] = DISK_GIB * _GIB
    return found


def _taints(dice: Dice, features: set[str]) -> tuple[Taint, ...]:
    taints: list[Taint] = []
    if "taints" in features and dice.chance(35):
        taints += dice.some(TAINTS, dice.between(1, 2))
    if "prefer-no-schedule" in features and dice.chance(40):
        taints.append(PREFERENCE)
    return tuple(taints)
