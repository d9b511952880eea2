"""Random pieces of manifests for the scheduler's test cases: from few values, so that they meet."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

Object = dict[str, Any]
T = TypeVar("T")

ZONE = "topology.kubernetes.io/zone"
REGION = "topology.kubernetes.io/region"
HOSTNAME = "kubernetes.io/hostname"
APPS = ("web", "db", "cache")
NAMESPACES = ("default", "other", "third")
MI, GI = 1 << 20, 1 << 30
# What a node that is short of memory bears, besides its own taints.
PRESSURE = {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}
# On both sides of what ImageLocality looks at: 23 MiB and 1000 MiB a container.
IMAGES = {"i:1": 23 * MI, "i:2": 24 * MI - 1, "r/i:latest": 400 * MI, "big:1": 3000 * MI}


class Dice(Random):
    """A seeded source of choices."""

    def chance(self, share: float) -> bool:
        """True in that share of the calls."""
        return self.random() < share

    def some(self, values: Sequence[T], least: int = 0, most: int | None = None) -> list[T]:
        """Some of the values, each at most once."""
        most = len(values) if most is None else min(most, len(values))
        return self.sample(list(values), self.randint(min(least, most), most))

    def several(self, least: int, most: int, make: Callable[[], T]) -> list[T]:
        """Between `least` and `most` things."""
        return [make() for _ in range(self.randint(least, most))]


def mebibytes(amount: int) -> str:
    """Bytes in Kubernetes' notation: whole MiB where they are whole."""
    return f"{amount // MI}Mi" if amount % MI == 0 else str(amount)


# ---- nodes ------------------------------------------------------------------------------------


def node(dice: Dice, name: str, *, zones: int = 3, **allocatable: str) -> Object:
    """A node with labels of which some are missing."""
    labels: Object = {}
    if dice.chance(0.92):
        labels[HOSTNAME] = name
    if dice.chance(0.88):
        labels[ZONE] = f"z{dice.randrange(zones)}"
    if dice.chance(0.2):
        labels[REGION] = f"r{dice.randrange(2)}"
    if dice.chance(0.4):
        labels["disk"] = dice.choice(["ssd", "hdd"])
    if dice.chance(0.3):
        labels["rack"] = f"k{dice.randrange(4)}"
    sizes = {
        "cpu": dice.choice(["1", "2", "4", "4", "8", "3900m"]),
        "memory": dice.choice(["2Gi", "4Gi", "8Gi", "8Gi", "16Gi", "7777777777"]),
        "pods": dice.choice(["110", "110", "110", "5", "3"]),
    }
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": sizes | allocatable},
    }


def nodes(dice: Dice, least: int = 1, most: int = 20, **kinds: Any) -> list[Object]:
    """Nodes, few more often than many, their names in no order."""
    if least == 1 and not dice.chance(0.06):
        least = 2  # on one node alone there is little to decide
    count = min(dice.randint(least, most), dice.randint(least, most))
    numbers = dice.sample(range(count), count)
    zones = dice.randint(1, 4)
    return [node(dice, f"n{number}", zones=zones, **kinds) for number in numbers]


def taint(dice: Dice, effects: Sequence[str] = ("NoSchedule", "NoExecute")) -> Object:
    """A taint out of few keys and values."""
    made = {"key": dice.choice(["a", "b", "c"]), "effect": dice.choice(effects)}
    if dice.chance(0.7):
        made["value"] = dice.choice(["x", "y"])
    return made


def distinct_taints(made: list[Object]) -> list[Object]:
    """At most one taint for each key and effect: a node may not have two."""
    return list({(t["key"], t["effect"]): t for t in made}.values())


def toleration(dice: Dice, effects: Sequence[str]) -> Object:
    """A toleration out of the taints' keys and values, or of any key."""
    made: Object = {"operator": dice.choice(["Exists", "Equal", "Equal"])}
    if made["operator"] == "Equal":
        made["key"] = dice.choice(["a", "b", "c"])
        if dice.chance(0.8):
            made["value"] = dice.choice(["x", "y", ""])
        if dice.chance(0.3):
            del made["operator"]
    elif dice.chance(0.85):
        made["key"] = dice.choice(["a", "b", "c"])
    if dice.chance(0.75):
        made["effect"] = dice.choice(effects)
    return made


# ---- selectors --------------------------------------------------------------------------------


def label_selector(dice: Dice) -> Object:
    """A label selector over the pods' labels; seldom empty, which selects everything."""
    form = dice.random()
    if form < 0.55:
        return {"matchLabels": {"app": dice.choice(APPS)}}
    if form < 0.62:
        return {}
    if form < 0.75:
        return {"matchLabels": {"app": dice.choice(APPS), "v": dice.choice(["1", "2"])}}
    return {"matchExpressions": dice.several(1, 2, lambda: _label_expression(dice))}


def _label_expression(dice: Dice) -> Object:
    operator = dice.choice(["In", "NotIn", "Exists", "DoesNotExist"])
    key = dice.choice(["app", "v", "tier"])
    values = list(APPS) if key == "app" else ["1", "2", "front"]
    made: Object = {"key": key, "operator": operator}
    if operator in ("In", "NotIn"):
        made["values"] = sorted(dice.some(values, 1, 2))
    return made


# Also the most that 64 bits hold; the API server wants a label's value, which has no sign.
_BOUNDS = ("3", "4", "5", "9", "007", str((1 << 63) - 1))


def node_expression(dice: Dice) -> Object:
    """An expression over the nodes' labels, comparisons of numbers included."""
    operator = dice.choice(["In", "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"])
    if operator in ("Gt", "Lt"):
        return {
            "key": dice.choice(["gen", "gen", "disk"]),
            "operator": operator,
            "values": [dice.choice(_BOUNDS)],
        }
    made: Object = {"key": dice.choice(["disk", ZONE, "gen", "rack"]), "operator": operator}
    if operator in ("In", "NotIn"):
        values = {"disk": ["ssd", "hdd"], ZONE: ["z0", "z1", "z2"], "rack": ["k0", "k1"]}
        made["values"] = sorted(dice.some(values.get(made["key"], ["4", "5"]), 1, 2))
    return made


def node_term(dice: Dice, names: Sequence[str], *, empty: bool = False) -> Object:
    """A node selector term of expressions, of the node's name, or of both."""
    made: Object = {}
    if dice.chance(0.85):
        made["matchExpressions"] = dice.several(1, 2, lambda: node_expression(dice))
    if dice.chance(0.2) or (not made and not empty):
        made["matchFields"] = dice.several(
            1, dice.choice([1, 1, 1, 2]), lambda: _name_field(dice, names)
        )
    return made


def named_term(dice: Dice, names: Sequence[str]) -> Object:
    """A term about the node's name alone, by one requirement or two."""
    return {"matchFields": dice.several(1, 2, lambda: _name_field(dice, names))}


def _name_field(dice: Dice, names: Sequence[str]) -> Object:
    """A requirement on the node's name; two of them can contradict each other."""
    return {
        "key": "metadata.name",
        "operator": dice.choice(["In", "In", "NotIn"]),
        "values": [dice.choice([*names, "absent"])],
    }


# ---- terms about other pods --------------------------------------------------------------------


def topology_key(dice: Dice) -> str:
    """A key that nodes have, or that some lack."""
    return dice.choice([ZONE, ZONE, HOSTNAME, HOSTNAME, "rack", REGION])


def affinity_term(dice: Dice) -> Object:
    """A pod affinity term: its pods, their namespaces, and the domain."""
    made: Object = {"topologyKey": topology_key(dice)}
    if dice.chance(0.95):
        made["labelSelector"] = label_selector(dice)
    if dice.chance(0.2):
        made["namespaces"] = sorted(dice.some(NAMESPACES, 1, 2))
    if dice.chance(0.2):
        made["namespaceSelector"] = dice.choice(
            [
                {},
                {"matchLabels": {"team": "a"}},
                {"matchLabels": {"kubernetes.io/metadata.name": "other"}},
                {"matchExpressions": [{"key": "team", "operator": "Exists"}]},
            ]
        )
    if "labelSelector" in made and dice.chance(0.08):
        field = dice.choice(["matchLabelKeys", "mismatchLabelKeys"])
        made[field] = [_key_beside(dice, made["labelSelector"])]
    return made


def weighted(dice: Dice, field: str, term: Object) -> Object:
    """A preferred term with a weight, in the field that holds it."""
    return {"weight": dice.choice([1, 1, 2, 10, 50, 100]), field: term}


def spread_constraints(dice: Dice, action: str, most: int = 2) -> list[Object]:
    """Constraints with different keys: a key may occur only once for each action."""
    keys = {topology_key(dice) for _ in range(dice.randint(1, most))}
    return [_spread_constraint(dice, key, action) for key in sorted(keys)]


def _spread_constraint(dice: Dice, key: str, action: str) -> Object:
    made: Object = {
        "topologyKey": key,
        "whenUnsatisfiable": action,
        "maxSkew": dice.choice([1, 1, 1, 2, 3, 5]),
    }
    if dice.chance(0.96):
        made["labelSelector"] = label_selector(dice)
    if action == "DoNotSchedule" and dice.chance(0.25):
        made["minDomains"] = dice.randint(1, 4)
    if dice.chance(0.3):
        made["nodeAffinityPolicy"] = dice.choice(["Honor", "Ignore"])
    if dice.chance(0.3):
        made["nodeTaintsPolicy"] = dice.choice(["Honor", "Ignore"])
    if "labelSelector" in made and dice.chance(0.15):
        made["matchLabelKeys"] = [_key_beside(dice, made["labelSelector"])]
    return made


def _key_beside(dice: Dice, selector: Object) -> str:
    """A label key that a selector does not name: it may not be given twice."""
    named = [e["key"] for e in selector.get("matchExpressions", [])]
    named += selector.get("matchLabels", {})
    return dice.choice([key for key in ("tier", "v", "absent") if key not in named])


# ---- pods -------------------------------------------------------------------------------------


def pod(dice: Dice, name: str, namespace: str | None = None) -> Object:
    """A pod with labels and one container that asks for nothing."""
    labels = {"app": dice.choice(APPS)}
    if dice.chance(0.3):
        labels["v"] = dice.choice(["1", "2"])
    if dice.chance(0.25):
        labels["tier"] = dice.choice(["front", "1"])
    return {
        "metadata": {
            "name": name,
            "namespace": namespace or dice.choice([*NAMESPACES, "default", "default"]),
            "labels": labels,
        },
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }


def amounts(dice: Dice, names: Sequence[str] = ("cpu", "memory")) -> dict[str, str]:
    """Requests for some resources, 0 among them."""
    choices = {
        "cpu": ["0", "100m", "250m", "500m", "1", "1.5", "333m", "2500u"],
        "memory": ["0", "64Mi", "200Mi", "512Mi", "1Gi", "1000M", "123456789"],
        "ephemeral-storage": ["0", "1Gi", "2Gi", "500Mi"],
    }
    return {name: dice.choice(choices[name]) for name in names if dice.chance(0.75)}


def container(dice: Dice, name: str, names: Sequence[str] = ("cpu", "memory")) -> Object:
    """A container with requests, limits, both or none."""
    resources: Object = {}
    if dice.chance(0.8):
        resources["requests"] = amounts(dice, names)
    elif dice.chance(0.5):
        resources["limits"] = amounts(dice, names)
    return {"name": name, "image": "i", "resources": resources}


def host_port(dice: Dice) -> Object:
    """A host port, of one protocol or another, on all addresses or on one."""
    number = dice.choice([80, 80, 443, 8080])
    made: Object = {"containerPort": number, "hostPort": number}
    if dice.chance(0.4):
        made["protocol"] = dice.choice(["TCP", "UDP"])
    if dice.chance(0.4):
        made["hostIP"] = dice.choice(["0.0.0.0", "10.0.0.1", "10.0.0.2"])  # noqa: S104 - data
    return made
