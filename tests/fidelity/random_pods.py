"""Random pod templates: requests from far too small to far too large, rules about nodes."""

from collections.abc import Sequence
from typing import Any

from sim_arena.nodes import Node
from tests.fidelity.random_nodes import DISK_GIB, GPU, HOSTNAME, PREFERENCE, TAINTS, ZONE
from traces.generator.dice import Dice

Object = dict[str, Any]

_ZONES = ("zone-a", "zone-b", "zone-c")
_MIB = 1 << 20
PRIORITIES = {"low": -5, "high": 100, "higher": 1000, "polite": 500}
# Never made, made with the first event, made with a later one.
CLAIMS = ("missing", "early", "late")


class PodMaker:
    """Makes pod templates for one scenario.

    Args:
        dice: the scenario's choices.
        nodes: the scenario's nodes, which set the scale of requests.
        features: what may come up.
    """

    def __init__(self, dice: Dice, nodes: Sequence[Node], features: set[str]) -> None:
        self._dice = dice
        self._nodes = nodes
        self._features = features
        self._tightness = dice.pick(("loose", "mixed", "mixed", "tight", "tight", "too-tight"))

    def template(self, labels: dict[str, str]) -> Object:
        """A pod template with the labels given."""
        spec: Object = {"containers": self._containers()}
        for add in (
            self._add_init_containers,
            self._add_node_selector,
            self._add_node_affinity,
            self._add_tolerations,
            self._add_gate,
            self._add_priority,
            self._add_host_port,
            self._add_volumes,
            self._add_pod_level,
        ):
            add(spec)
        self._add_spread(spec, labels)
        self._add_pod_affinity(spec, labels)
        metadata: Object = {"labels": dict(labels)}
        if self._may("deletion-cost", 40):
            cost = self._dice.between(-2, 2)
            metadata["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": str(cost)}
        return {"metadata": metadata, "spec": spec}

    def resources(self) -> Object:
        """The resources of one container."""
        dice = self._dice
        node = dice.pick(self._nodes)
        if self._may("no-requests", 30):
            return {}
        values: dict[str, str] = {}
        if not self._may("no-requests", 20):
            values["cpu"] = f"{max(1, self._share(node.cpu))}m"
        if not self._may("no-requests", 20):
            values["memory"] = f"{max(1, self._share(node.memory // _MIB))}Mi"
        if self._may("ephemeral-storage", 40):
            values["ephemeral-storage"] = f"{self._share(DISK_GIB)}Gi"
        if "extended" in self._features and dice.chance(30):
            return {"requests": {**values, GPU: "1"}, "limits": {GPU: "1"}}
        if values and self._may("limits-only", 30):
            return {"limits": values}
        if values and self._may("limits-only", 30):
            return {"requests": values, "limits": values}
        return {"requests": values} if values else {}

    def _share(self, whole: int) -> int:
        """Part of a node's resource; now and then more than there is."""
        low, high = {
            "tiny": (1, 30),
            "small": (30, 150),
            "medium": (150, 350),
            "large": (350, 700),
            "huge": (700, 1000),
            "too-large": (1001, 3000),
        }[self._dice.pick(_SIZES[self._tightness])]
        amount = whole * self._dice.between(low, high) // 1000
        return amount if self._dice.chance(50) else _rounded(amount)

    def _may(self, feature: str, percent: int) -> bool:
        return feature in self._features and self._dice.chance(percent)

    def _containers(self) -> list[Object]:
        count = self._dice.between(2, 3) if self._may("containers", 40) else 1
        return [
            {"name": f"main-{i}" if i else "main", "image": "app:1", "resources": self.resources()}
            for i in range(count)
        ]

    def _add_init_containers(self, spec: Object) -> None:
        if not self._may("containers", 40):
            return
        spec["initContainers"] = [
            {
                "name": f"init-{i}",
                "image": "init:1",
                "resources": self.resources(),
                **({"restartPolicy": "Always"} if self._dice.chance(50) else {}),
            }
            for i in range(self._dice.between(1, 2))
        ]

    def _add_node_selector(self, spec: Object) -> None:
        if self._may("node-selector", 40):
            options = [("disk", "ssd"), ("disk", "hdd"), ("size", "large"), ("size", "small")]
            options += [(ZONE, zone) for zone in _ZONES if "zones" in self._features]
            spec["nodeSelector"] = dict([self._dice.pick(options)])

    def _add_node_affinity(self, spec: Object) -> None:
        affinity: Object = {}
        if self._may("node-affinity", 50):
            terms = [self._term() for _ in range(self._dice.between(1, 2))]
            affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {
                "nodeSelectorTerms": terms
            }
        if self._may("preferred-affinity", 60):
            affinity["preferredDuringSchedulingIgnoredDuringExecution"] = [
                {"weight": self._dice.between(1, 100), "preference": self._term()}
                for _ in range(self._dice.between(1, 2))
            ]
        if affinity:
            spec["affinity"] = {"nodeAffinity": affinity}

    def _term(self) -> Object:
        count = self._dice.between(1, 2)
        return {"matchExpressions": [self._expression() for _ in range(count)]}

    def _expression(self) -> Object:
        dice = self._dice
        options: list[Object] = [
            {"key": "disk", "operator": "In", "values": ["ssd"]},
            {"key": "disk", "operator": "NotIn", "values": ["hdd"]},
            {"key": "disk", "operator": "Exists"},
            {"key": "disk", "operator": "DoesNotExist"},
            {"key": "cores", "operator": "Gt", "values": ["3"]},
            {"key": "cores", "operator": "Lt", "values": ["8"]},
            {"key": ZONE, "operator": "In", "values": dice.some(_ZONES, 2)},
            {"key": ZONE, "operator": "NotIn", "values": [dice.pick(_ZONES)]},
            {"key": HOSTNAME, "operator": "NotIn", "values": ["node-0"]},
        ]
        return dice.pick(options)

    def _add_tolerations(self, spec: Object) -> None:
        if not ("taints" in self._features and self._dice.chance(60)):
            return
        taint = self._dice.pick((*TAINTS, PREFERENCE))
        options: list[Object] = [
            {"operator": "Exists"},
            {"key": taint.key, "operator": "Exists"},
            {"key": taint.key, "operator": "Exists", "effect": taint.effect},
            {"key": taint.key, "operator": "Equal", "value": taint.value},
            {"key": taint.key, "value": "other", "effect": taint.effect},
        ]
        spec["tolerations"] = [self._dice.pick(options)]

    def _add_gate(self, spec: Object) -> None:
        if self._may("gates", 30):
            spec["schedulingGates"] = [{"name": "example.com/wait"}]

    def _add_priority(self, spec: Object) -> None:
        if self._may("priorities", 70):
            spec["priorityClassName"] = self._dice.pick(tuple(PRIORITIES))

    def _add_host_port(self, spec: Object) -> None:
        if self._may("host-ports", 40):
            port = {"containerPort": 80, "hostPort": self._dice.pick((8080, 8081))}
            spec["containers"][0]["ports"] = [port]

    def _add_volumes(self, spec: Object) -> None:
        """Volumes that cost nothing, and claims: some that come late, some that never come."""
        if not self._may("volumes", 50):
            return
        volume: Object = {"name": "data"}
        if self._dice.chance(40):
            volume["emptyDir"] = {}
        else:
            volume["persistentVolumeClaim"] = {"claimName": self._dice.pick(CLAIMS)}
        spec["volumes"] = [volume]
        spec["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]

    def _add_pod_level(self, spec: Object) -> None:
        if not self._may("pod-level", 50):
            return
        resources = {name: amounts for name, amounts in self.resources().items() if amounts}
        for amounts in resources.values():
            amounts.pop(GPU, None)
            amounts.pop("ephemeral-storage", None)
        if not all(resources.values()):
            return
        for container in [*spec["containers"], *spec.get("initContainers", ())]:
            container["resources"] = {}
        spec["resources"] = resources

    def _add_spread(self, spec: Object, labels: dict[str, str]) -> None:
        if not self._may("spread", 60):
            return
        dice = self._dice
        constraint: Object = {
            "topologyKey": dice.pick((ZONE, HOSTNAME, "disk")),
            "maxSkew": dice.between(1, 3),
            "whenUnsatisfiable": dice.pick(("DoNotSchedule", "ScheduleAnyway")),
            "labelSelector": {"matchLabels": dict(labels)},
        }
        if constraint["whenUnsatisfiable"] == "DoNotSchedule" and dice.chance(30):
            constraint["minDomains"] = dice.between(1, 4)
        if dice.chance(30):
            constraint["nodeTaintsPolicy"] = dice.pick(("Honor", "Ignore"))
        if dice.chance(30):
            constraint["nodeAffinityPolicy"] = dice.pick(("Honor", "Ignore"))
        spec["topologySpreadConstraints"] = [constraint]

    def _add_pod_affinity(self, spec: Object, labels: dict[str, str]) -> None:
        if not self._may("pod-affinity", 60):
            return
        dice = self._dice
        chosen = labels if dice.chance(60) else {"tier": dice.pick(("front", "back"))}
        term: Object = {
            "topologyKey": dice.pick((ZONE, HOSTNAME)),
            "labelSelector": {"matchLabels": dict(chosen)},
        }
        rule: Object = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
        if dice.chance(40):
            weighted = {"weight": dice.between(1, 100), "podAffinityTerm": term}
            rule = {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]}
        kind = dice.pick(("podAffinity", "podAntiAffinity", "podAntiAffinity"))
        spec.setdefault("affinity", {})[kind] = rule


_SIZES = {
    "loose": ("tiny", "small", "small", "medium"),
    "mixed": ("tiny", "small", "medium", "large", "huge", "too-large"),
    "tight": ("small", "medium", "medium", "large", "large"),
    "too-tight": ("medium", "large", "huge", "too-large"),
}


def _rounded(amount: int) -> int:
    """An amount as people write it."""
    step = 1
    while step * 20 < amount:
        step *= 10
    return max(1, amount // step * step)
