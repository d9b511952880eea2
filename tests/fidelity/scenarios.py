"""Random scenarios: a trace, nodes, and how to replay it; each from a seed and a version.

    python -m tests.fidelity.scenarios --seed 7 --out DIR    writes trace and nodes, to look at

A scenario depends on nothing but its seed, the version of this generator and the switches.
"""

import argparse
import copy
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sim_arena.nodes import Node
from tests.fidelity.random_nodes import random_nodes
from tests.fidelity.random_objects import API_VERSIONS, ObjectMaker
from tests.fidelity.random_pods import PodMaker
from tests.fidelity.switches import Switches
from traces import Trace, dumps, loads
from traces.generator.dice import Dice

VERSION = 1
"""Goes up with every change of what a seed gives."""

_NAMES = ("api", "web", "cart", "search", "mail", "queue", "cache", "db", "auth", "feed", "log")
NAMESPACES = ("shop", "media")
# As SimKube's own table has them.
_PATHS = {"Pod": "", "ReplicaSet": "/spec"}
_PRIORITIES = {"low": -5, "high": 100, "higher": 1000, "polite": 500}

Object = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    """What is played on both clusters.

    Attributes:
        seed: of the choices.
        version: of the generator.
        trace: the events.
        nodes: the cluster.
        replay: `simkube` or `plain`, see `sim_arena.engine.Parameters`.
        features: names of the features that may come up in it.
    """

    seed: int
    version: int
    trace: Trace
    nodes: tuple[Node, ...]
    replay: Literal["simkube", "plain"]
    features: tuple[str, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its objects, sorted."""
        found = {o["kind"] for e in self.trace["events"] for o in e["applied_objs"]}
        return tuple(sorted(found))


def make_scenario(seed: int, switches: Switches | None = None) -> Scenario:
    """Make the scenario of a seed."""
    return _Maker(seed, switches or Switches()).scenario()


class _Maker:
    def __init__(self, seed: int, switches: Switches) -> None:
        self.seed = seed
        dice = Dice("fidelity", VERSION, seed)
        self.dice = dice
        self.features = {f for f, percent in switches.features.items() if dice.chance(percent)}
        self.replay: Literal["simkube", "plain"] = (
            "plain" if "plain" in self.features else "simkube"
        )
        # SimKube cannot rewrite a ReplicaSet's template: see the notes on its table of paths.
        self.kinds = [
            kind
            for kind, weight in switches.kinds.items()
            for _ in range(weight)
            if kind != "ReplicaSet" or self.replay == "plain"
        ]
        self.nodes = random_nodes(dice, self.features)
        pods = PodMaker(dice, self.nodes, self.features)
        most = 20 if dice.chance(15) else 8
        self.objects = ObjectMaker(dice, pods, self.features, most)
        self.live: dict[str, Object] = {}
        self.gone: list[Object] = []
        self.namespaces = NAMESPACES if dice.chance(30) else NAMESPACES[:1]

    def scenario(self) -> Scenario:
        few = self.dice.chance(65)
        count = self.dice.between(1, 4) if few else self.dice.between(5, 12)
        waiting = self._names(count)
        events: list[Object] = []
        time = 1_700_000_000
        number = self.dice.between(1, 8)
        for index in range(number):
            events.append(self._event(time, waiting, first=index == 0))
            time += self.dice.between(5, 30)
        if self.cluster_objects():
            events[0]["applied_objs"] = [*self.cluster_objects(), *events[0]["applied_objs"]]
        return Scenario(
            self.seed,
            VERSION,
            _trace(events),
            tuple(self.nodes),
            self.replay,
            tuple(sorted(self.features)),
        )

    def _names(self, count: int) -> list[str]:
        return [f"{name}-{i}" for i, name in enumerate(self.dice.some(_NAMES * 2, count))]

    def _event(self, time: int, waiting: list[str], *, first: bool) -> Object:
        applied: list[Object] = []
        deleted: list[Object] = []
        touched: set[str] = set()
        if waiting and (first or self.dice.chance(60)):
            part = len(waiting) if self.dice.chance(25) else self.dice.between(1, 3)
            for name in waiting[:part]:
                applied.append(self._create(name))
                touched.add(name)
            del waiting[:part]
        for _ in range(self.dice.between(0 if applied else 1, 2)):
            self._touch(applied, deleted, touched)
        return {
            "ts": time,
            "applied_objs": copy.deepcopy(applied),
            "deleted_objs": copy.deepcopy(deleted),
        }

    def _touch(self, applied: list[Object], deleted: list[Object], touched: set[str]) -> None:
        """Change or delete one object that this event leaves alone so far."""
        names = [name for name in self.live if name not in touched]
        if not names:
            return
        name = self.dice.pick(names)
        touched.add(name)
        if self.dice.chance(20):
            deleted.append(_identity(self.live.pop(name)))
            return
        self.objects.change(self.live[name])
        applied.append(self.live[name])

    def _create(self, name: str) -> Object:
        kind = self.dice.pick(self.kinds)
        self.live[name] = self.objects.workload(kind, name, self.dice.pick(self.namespaces))
        return self.live[name]

    def cluster_objects(self) -> list[Object]:
        """Objects that are no workloads: they come first."""
        found: list[Object] = []
        if "priorities" in self.features:
            found += [_priority_class(name, value) for name, value in _PRIORITIES.items()]
        for namespace in self.namespaces:
            if "quotas" in self.features:
                hard = {"pods": str(3 + self.seed % 7)}
                found.append(_namespaced("ResourceQuota", "quota", namespace, {"hard": hard}))
            if "limit-ranges" in self.features:
                limit = {"type": "Container", "defaultRequest": {"cpu": "150m"}}
                limit["default"] = {"memory": "300Mi"}
                found.append(_namespaced("LimitRange", "limits", namespace, {"limits": [limit]}))
        return found


def _priority_class(name: str, value: int) -> Object:
    policy = {"preemptionPolicy": "Never"} if name == "polite" else {}
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        **policy,
    }


def _namespaced(kind: str, name: str, namespace: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}


def _identity(obj: Object) -> Object:
    metadata = {field: obj["metadata"][field] for field in ("name", "namespace")}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}


def _trace(events: list[Object]) -> Trace:
    tracked = {
        f"{version}.{kind}": {"podSpecTemplatePaths": [_PATHS.get(kind, "/spec/template")]}
        for kind, version in API_VERSIONS.items()
    }
    document: Any = {
        "version": 2,
        "config": {"trackedObjects": tracked},
        "events": events,
        "index": {},
        "pod_lifecycles": {},
    }
    return loads(dumps(document))


def node_manifests(nodes: tuple[Node, ...]) -> list[Object]:
    """The nodes as Kubernetes writes them."""
    found: list[Object] = []
    for node in nodes:
        resources = {"cpu": f"{node.cpu}m", "memory": str(node.memory), "pods": str(node.pods)}
        resources |= {name: str(amount) for name, amount in node.extended.items()}
        taints = [{"key": t.key, "value": t.value, "effect": t.effect} for t in node.taints]
        spec: Object = {"taints": taints, "unschedulable": node.unschedulable}
        metadata = {"name": node.name, "labels": dict(node.labels)}
        manifest: Object = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec}
        found.append(manifest | {"status": {"allocatable": resources}})
    return found


def main(arguments: list[str] | None = None) -> int:
    """Write a scenario's trace and nodes into a folder, as `sim-arena simulate` takes them."""
    parser = argparse.ArgumentParser(prog="python -m tests.fidelity.scenarios", description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--with", dest="more", action="append", default=[], metavar="SWITCH")
    chosen = parser.parse_args(arguments)
    scenario = make_scenario(chosen.seed, Switches().on(chosen.more))
    folder: Path = chosen.out
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trace.sktrace").write_bytes(dumps(scenario.trace))
    nodes = {"apiVersion": "v1", "kind": "List", "items": node_manifests(scenario.nodes)}
    (folder / "nodes.yaml").write_text(json.dumps(nodes, indent=1))  # JSON is YAML
    print(  # noqa: T201 - this command's output
        f"sim-arena simulate --trace {folder}/trace.sktrace --nodes {folder}/nodes.yaml "
        f"--replay {scenario.replay}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
