"""What random scenarios may contain: kinds of workload and features, each with a switch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

# How often a workload is of a kind, relative to the others.
_KINDS = {
    "Deployment": 8,
    "StatefulSet": 4,
    "Pod": 3,
    "ReplicaSet": 2,
    "DaemonSet": 3,
    "Job": 4,
    "CronJob": 12,  # only with the feature cronjobs
}
# In how many of 100 scenarios a feature may come up.
_FEATURES = {
    "zones": 50,
    "taints": 30,
    "cordons": 10,
    "mixed-nodes": 50,
    "few-pods": 20,  # nodes that take few pods
    "many-nodes": 8,
    "no-hostname": 15,  # nodes without the label kubernetes.io/hostname
    "extended": 12,
    "limits-only": 25,
    "no-requests": 25,
    "containers": 25,  # several, init containers and sidecars
    "node-selector": 35,
    "node-affinity": 30,
    "gates": 5,
    "min-ready": 10,
    "strategy": 50,
    "paused": 8,
    "deletion-cost": 8,
    "plain": 30,
    "prefer-no-schedule": 15,
    "preferred-affinity": 20,
    "priorities": 30,
    "disruption-budgets": 40,  # only with priorities
    "spread": 25,
    "pod-affinity": 25,
    "services": 8,
    "host-ports": 15,  # SimKube takes them away
    "quotas": 12,
    "limit-ranges": 12,
    "volumes": 10,
    "ephemeral-storage": 8,
    "pod-level": 6,  # requests of the whole pod
    "lifecycles": 40,  # pods that end; with SimKube only
    "delays": 30,  # of pods' starting; with SimKube only
    "speed": 10,
    "cronjobs": 8,
    "again": 25,  # deleted objects that are applied again
}


@dataclass(frozen=True)
class Switches:
    """Which kinds and features may come up.

    Attributes:
        kinds: relative frequency by kind.
        features: percentage of scenarios by feature.
    """

    kinds: Mapping[str, int] = field(default_factory=lambda: dict(_KINDS))
    features: Mapping[str, int] = field(default_factory=lambda: dict(_FEATURES))

    def always(self, names: Iterable[str]) -> "Switches":
        """The same with some features in every scenario.

        Raises:
            ValueError: There is no such feature.
        """
        features = dict(self.features)
        for name in names:
            if name not in _FEATURES:
                known = ", ".join(_FEATURES)
                raise ValueError(f"expected a feature of {known}; found {name!r}")
            features[name] = 100
        return replace(self, features=features)

    def off(self, names: Iterable[str]) -> "Switches":
        """The same with some kinds or features switched off."""
        without = set(names)
        return Switches(
            {kind: weight for kind, weight in self.kinds.items() if kind not in without},
            {name: percent for name, percent in self.features.items() if name not in without},
        )
