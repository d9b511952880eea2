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
from tests.fidelity.random_surroundings import SurroundingsMaker
from tests.fidelity.switches import Switches
from traces import Trace, dumps, loads, object_hash
from traces.generator.dice import Dice

VERSION = 2
"""Goes up with every change of what a seed gives."""

_NAMES = ("api", "web", "cart", "search", "mail", "queue", "cache", "db", "auth", "feed", "log")
NAMESPACES = ("shop", "media")
# As SimKube's own table has them.
_PATHS = {
    "Pod": "",
    "ReplicaSet": "/spec",
    "CronJob": "/spec/jobTemplate/spec/template",
}
_START = 1_700_000_000
_MINUTE = 60

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
        delays: SimKube's lifecycle parameters in milliseconds: of pulling images and its jitter,
            of starting and its jitter.
        speed: divides pauses and the pods' running times, as in SimKube.
        start_second: of the minute at which the first event is to be played, for schedules;
            None where any will do.
        tail: for how many seconds it is watched after the last event.
    """

    seed: int
    version: int
    trace: Trace
    nodes: tuple[Node, ...]
    replay: Literal["simkube", "plain"]
    features: tuple[str, ...]
    delays: tuple[int, int, int, int] = (0, 0, 0, 0)
    speed: float = 1.0
    start_second: int | None = None
    tail: int = 5

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its objects, sorted."""
        found = {o["kind"] for e in self.trace["events"] for o in e["applied_objs"]}
        return tuple(sorted(found & API_VERSIONS.keys()))


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
        self._drop_what_cannot_be()
        self.kinds = self._kinds(switches)
        self.nodes = random_nodes(dice, self.features)
        pods = PodMaker(dice, self.nodes, self.features)
        most = 20 if dice.chance(15) else 8
        self.objects = ObjectMaker(dice, pods, self.features, most)
        self.live: dict[str, Object] = {}
        self.gone: dict[str, Object] = {}
        self.namespaces = NAMESPACES if dice.chance(30) else NAMESPACES[:1]
        self.surroundings = SurroundingsMaker(dice, self.namespaces, self.features)

    def _drop_what_cannot_be(self) -> None:
        if self.replay == "plain":
            self.features -= {"lifecycles", "delays"}
        else:
            self.features -= {"host-ports"}
        if "priorities" not in self.features:
            self.features -= {"disruption-budgets"}

    def _kinds(self, switches: Switches) -> list[str]:
        without: set[str] = set()
        if self.replay == "simkube":
            # SimKube cannot rewrite a ReplicaSet's template: see the notes on its table of paths.
            without.add("ReplicaSet")
        if "cronjobs" not in self.features:
            without.add("CronJob")
        if "quotas" in self.features and not self.dice.chance(15):
            without.add("Pod")  # a refused Pod ends SimKube's run
        if self.features & {"quotas", "limit-ranges"}:
            # Nothing in a DaemonSet's status tells that its pods were refused: see settle.py.
            without.add("DaemonSet")
        weights = switches.kinds.items()
        return [kind for kind, weight in weights for _ in range(weight) if kind not in without]

    def scenario(self) -> Scenario:
        dice = self.dice
        few = dice.chance(65)
        count = dice.between(1, 4) if few else dice.between(5, 12)
        waiting = self._names(count)
        names = list(waiting)
        # What takes time is waited for, so there is less of it.
        timed = bool(self.features & {"lifecycles", "delays", "quotas", "cronjobs"})
        events: list[Object] = []
        time = _START
        for index in range(dice.between(1, 5 if timed else 8)):
            events.append(self._event(time, waiting, first=index == 0))
            time += dice.between(3, 9) if timed else dice.between(5, 30)
        events[0]["applied_objs"] = [*self.surroundings.first(names), *events[0]["applied_objs"]]
        lasts = events[-1]["ts"] - _START
        kinds = {obj["kind"] for event in events for obj in event["applied_objs"]}
        start_second, tail = self._window(lasts, kinds, timed=timed)
        return Scenario(
            self.seed,
            VERSION,
            _trace(events, self._lifecycles(events)),
            tuple(self.nodes),
            self.replay,
            tuple(sorted(self.features)),
            self._delays(),
            self.dice.pick((0.5, 2.0, 4.0)) if "speed" in self.features else 1.0,
            start_second,
            tail,
        )

    def _window(self, lasts: int, kinds: set[str], *, timed: bool) -> tuple[int | None, int]:
        """When to start and how long to go on, so that the slots of schedules fall inside."""
        dice = self.dice
        if "CronJob" not in kinds:
            return None, dice.between(5, 20) if timed else 5
        start = dice.between(25, 50)
        slots = 2 if dice.chance(30) else 1
        end = slots * _MINUTE - start + dice.between(6, 20)
        return start, max(5, end - lasts)

    def _delays(self) -> tuple[int, int, int, int]:
        if "delays" not in self.features:
            return (0, 0, 0, 0)
        pull, startup = self._delay(), self._delay()
        return (*pull, *startup)

    def _delay(self) -> tuple[int, int]:
        """A delay and its jitter: fixed where they are equal, none where the jitter is 0."""
        delay = self.dice.between(0, 20) * 100
        return (delay, delay if self.dice.chance(70) else delay + self.dice.between(1, 10) * 100)

    def _lifecycles(self, events: list[Object]) -> dict[tuple[str, str], Object]:
        if "lifecycles" not in self.features:
            return {}
        found: dict[tuple[str, str], Object] = {}
        for obj in (obj for event in events for obj in event["applied_objs"]):
            often = 90 if obj["kind"] in ("Job", "CronJob") else 35
            if obj["kind"] in API_VERSIONS and _key(obj) not in found and self.dice.chance(often):
                found[_key(obj)] = {1: [self._run() for _ in range(self.dice.between(1, 4))]}
        return found

    def _run(self) -> Object:
        """How long a pod runs; now and then without an end."""
        if self.dice.chance(12):
            return {"Running": _START}
        return {"Finished": [_START, _START + self.dice.between(1, 12)]}

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
        if not first:
            applied = [*self.surroundings.later(), *applied]
        return {
            "ts": time,
            "applied_objs": copy.deepcopy(applied),
            "deleted_objs": copy.deepcopy(deleted),
        }

    def _touch(self, applied: list[Object], deleted: list[Object], touched: set[str]) -> None:
        """Change or delete one object that this event leaves alone so far."""
        if self.gone and "again" in self.features and self.dice.chance(40):
            name = self.dice.pick(tuple(self.gone))
            if name not in touched:
                touched.add(name)
                self.live[name] = self.gone.pop(name)
                applied.append(self.live[name])
                return
        names = [name for name in self.live if name not in touched]
        if not names:
            return
        name = self.dice.pick(names)
        touched.add(name)
        if self.dice.chance(20):
            self.gone[name] = self.live.pop(name)
            deleted.append(_identity(self.gone[name]))
            return
        self.objects.change(self.live[name])
        applied.append(self.live[name])

    def _create(self, name: str) -> Object:
        kind = self.dice.pick(self.kinds)
        self.live[name] = self.objects.workload(kind, name, self.dice.pick(self.namespaces))
        return self.live[name]


def _key(obj: Object) -> tuple[str, str]:
    """An object's kind and name, as the lifecycles have them."""
    metadata = obj["metadata"]
    return f"{obj['apiVersion']}.{obj['kind']}", f"{metadata['namespace']}/{metadata['name']}"


def _identity(obj: Object) -> Object:
    metadata = {field: obj["metadata"][field] for field in ("name", "namespace")}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}


def _trace(events: list[Object], lifecycles: dict[tuple[str, str], Object]) -> Trace:
    tracked = {
        f"{version}.{kind}": {"podSpecTemplatePaths": [_PATHS.get(kind, "/spec/template")]}
        for kind, version in API_VERSIONS.items()
    }
    index: dict[str, dict[str, int]] = {}
    for obj in (obj for event in events for obj in event["applied_objs"]):
        if obj["kind"] in API_VERSIONS:
            kind, name = _key(obj)
            index.setdefault(kind, {})[name] = object_hash(obj["spec"])
    document: Any = {
        "version": 2,
        "config": {"trackedObjects": tracked},
        "events": events,
        "index": index,
        "pod_lifecycles": lifecycles,
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
    parser.add_argument("--with", dest="more", action="append", default=[], metavar="FEATURE")
    chosen = parser.parse_args(arguments)
    scenario = make_scenario(chosen.seed, Switches().always(chosen.more))
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
