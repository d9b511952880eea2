"""What random scenarios may contain: kinds of workload and features, each with a switch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

# How often a workload is of a kind, relative to the others.
_KINDS = {"Deployment": 8, "StatefulSet": 4, "Pod": 3, "ReplicaSet": 2}
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
    "min-ready": 6,
    "strategy": 50,
    "paused": 8,
    "deletion-cost": 8,
    "plain": 30,
}
LATER_KINDS = {"DaemonSet": 3, "Job": 3}
LATER_FEATURES = {
    "prefer-no-schedule": 20,
    "preferred-affinity": 25,
    "priorities": 30,
    "spread": 30,
    "pod-affinity": 30,
    "quotas": 15,
    "limit-ranges": 15,
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

    def on(self, names: Iterable[str]) -> "Switches":
        """The same with more kinds or features switched on.

        Raises:
            ValueError: There is no such switch.
        """
        kinds, features = dict(self.kinds), dict(self.features)
        for name in names:
            if name in _KINDS | LATER_KINDS:
                kinds[name] = (_KINDS | LATER_KINDS)[name]
            elif name in _FEATURES | LATER_FEATURES:
                features[name] = (_FEATURES | LATER_FEATURES)[name]
            else:
                known = ", ".join([*_KINDS, *LATER_KINDS, *_FEATURES, *LATER_FEATURES])
                raise ValueError(f"expected a kind or feature of {known}; found {name!r}")
        return replace(self, kinds=kinds, features=features)

    def off(self, names: Iterable[str]) -> "Switches":
        """The same with some kinds or features switched off."""
        without = set(names)
        return Switches(
            {kind: weight for kind, weight in self.kinds.items() if kind not in without},
            {name: percent for name, percent in self.features.items() if name not in without},
        )
