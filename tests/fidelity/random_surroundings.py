"""Random objects that are no workloads but change what becomes of them."""

from collections.abc import Sequence
from typing import Any

from tests.fidelity.random_pods import CLAIMS, PRIORITIES
from traces.generator.dice import Dice

Object = dict[str, Any]


class SurroundingsMaker:
    """Makes what a scenario's workloads find around them.

    Args:
        dice: the scenario's choices.
        namespaces: those that it uses.
        features: what may come up.
    """

    def __init__(self, dice: Dice, namespaces: Sequence[str], features: set[str]) -> None:
        self._dice = dice
        self._namespaces = namespaces
        self._features = features

    def first(self, names: Sequence[str]) -> list[Object]:
        """What is there before the workloads.

        Args:
            names: of the workloads that will come.
        """
        found: list[Object] = []
        if "priorities" in self._features:
            found += [_priority_class(name, value) for name, value in PRIORITIES.items()]
            if self._dice.chance(20):
                found.append(_priority_class("usual", 10) | {"globalDefault": True})
        for namespace in self._namespaces:
            if "quotas" in self._features:
                found.append(self._quota(namespace))
            if "limit-ranges" in self._features:
                found.append(self._limit_range(namespace))
            if "services" in self._features:
                found += [self._service(namespace, name) for name in names[:2]]
            if "volumes" in self._features:
                found.append(_claim(CLAIMS[1], namespace))
            if {"priorities", "disruption-budgets"} <= self._features:
                found += [self._budget(namespace, name) for name in names[:3]]
        return found

    def later(self) -> list[Object]:
        """What may come, or change, with a later event."""
        found: list[Object] = []
        namespace = self._dice.pick(self._namespaces)
        if "quotas" in self._features and self._dice.chance(30):
            found.append(self._quota(namespace))
        if "volumes" in self._features and self._dice.chance(40):
            found.append(_claim(CLAIMS[2], namespace))
        return found

    def _quota(self, namespace: str) -> Object:
        dice = self._dice
        options: list[Object] = [
            {"pods": str(dice.between(2, 12))},
            {"requests.cpu": f"{dice.between(1, 12)}"},
            {"limits.memory": f"{dice.between(2, 24)}Gi"},
            {"pods": str(dice.between(4, 15)), "requests.memory": f"{dice.between(4, 40)}Gi"},
            {"count/jobs.batch": str(dice.between(1, 3)), "pods": str(dice.between(6, 20))},
        ]
        return _namespaced("v1", "ResourceQuota", "quota", namespace, {"hard": dice.pick(options)})

    def _limit_range(self, namespace: str) -> Object:
        dice = self._dice
        limit: Object = {"type": "Container"}
        if dice.chance(70):
            limit["defaultRequest"] = {"cpu": f"{dice.between(1, 8) * 50}m", "memory": "64Mi"}
        if dice.chance(50):
            limit["default"] = {"cpu": "4", "memory": f"{dice.between(4, 16) * 128}Mi"}
        if dice.chance(25):
            limit["max"] = {"cpu": f"{dice.between(4, 12)}"}
        return _namespaced("v1", "LimitRange", "limits", namespace, {"limits": [limit]})

    def _service(self, namespace: str, name: str) -> Object:
        dice = self._dice
        selector = {"app": name} if dice.chance(50) else {"tier": dice.pick(("front", "back"))}
        spec = {"selector": selector, "clusterIP": "None", "ports": [{"port": 80}]}
        return _namespaced("v1", "Service", name, namespace, spec)

    def _budget(self, namespace: str, name: str) -> Object:
        dice = self._dice
        field = dice.pick(("minAvailable", "maxUnavailable"))
        spec = {
            field: dice.pick((0, 1, 2, "50%")),
            "selector": {"matchLabels": {"app": name}},
        }
        return _namespaced("policy/v1", "PodDisruptionBudget", name, namespace, spec)


def _priority_class(name: str, value: int) -> Object:
    policy = {"preemptionPolicy": "Never"} if name == "polite" else {}
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        **policy,
    }


def _claim(name: str, namespace: str) -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return _namespaced("v1", "PersistentVolumeClaim", name, namespace, spec)


def _namespaced(version: str, kind: str, name: str, namespace: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
