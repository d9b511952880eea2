"""Whole episodes on the real clusters, and recorded traces: what they show is what the embedded
cluster shows.

`pytest tests/cluster/test_episodes.py -m cluster` takes about twenty minutes; what it
found last is in `tests/cluster/data/episodes.json`.
"""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sim_arena import clusters, engine
from sim_arena.clusters import Simulation
from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.objects import COLLECTIONS, Genealogy, State, workload_status
from sim_arena.clusters.kube.ownership import prefix_of
from sim_arena.clusters.kwok.preparing import prepare
from sim_arena.clusters.kwok.replay import workloads
from sim_arena.episode import play
from sim_arena.nodes import parse_nodes
from tests.cluster.kwok_runs import (
    DEMO,
    NODES,
    MakeSpec,
    api,
    demo_spec,
    kubeconfig,
    make_kwok,
    namespaces,
    prepared,
)
from tests.cluster.simkube_runs import left, make_simkube, simkube, simkube_host
from tests.cluster.test_kwok import counts
from traces import Trace, load_trace

__all__ = ["api", "kubeconfig", "make_kwok", "make_simkube", "prepared", "simkube", "simkube_host"]

pytestmark = pytest.mark.cluster

SHARED = Path(__file__).parents[3] / "shared" / "traces"
FOUND = Path(__file__).parent / "data" / "episodes.json"
DEMOS = (
    "002-cpu-over-free",
    "003-memory-over-node",
    "005-too-many-replicas",
    "007-just-over",
    "010-one-of-several",
    "006-replicas-and-requests",
)
CLUSTERS = ("kwok", "simkube")


@pytest.fixture
def make(request: pytest.FixtureRequest) -> MakeSpec:
    """The specifications of the cluster that the test is about."""
    found: MakeSpec = request.getfixturevalue(f"make_{request.getfixturevalue('cluster')}")
    return found


@contextmanager
def noted(name: str, cluster: str) -> Iterator[dict[str, Any]]:
    """Keep what was found of a trace on a cluster, for the documentation, once it holds."""
    found: dict[str, Any] = {}
    began = time.monotonic()
    yield found
    found["seconds"] = round(time.monotonic() - began)
    with FOUND.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # another worker of pytest may write there too
        known = {**json.load(file), f"{name} {cluster}": found}
        lines = [f"  {json.dumps(key)}: {json.dumps(known[key])}" for key in sorted(known)]
        file.seek(0)
        file.truncate()
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


def test_simkube_repairs_a_demo_trace_as_the_embedded_cluster_does(
    prepared: Api, make_simkube: MakeSpec
) -> None:
    repair(prepared, make_simkube, "007-just-over")
    assert left(prepared) == []


@pytest.mark.full
@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("name", DEMOS)
def test_the_heuristic_repairs_what_is_pending(
    prepared: Api, make: MakeSpec, cluster: str, name: str
) -> None:
    with noted(name, cluster) as found:
        found["steps"] = repair(prepared, make, name)
    assert namespaces(prepared) == []


def speed_for(name: str) -> float:
    """Return the highest speed, ten at most, that leaves two seconds between any two events.

    The control plane's own delays stay what they are: pods of an event that comes sooner may be
    scheduled before those of the one that it follows.
    """
    times = [event["ts"] for event in load_trace(DEMO / f"{name}.sktrace")["events"]]
    shortest = min((after - before for before, after in pairwise(times)), default=20)
    return float(min(10, max(1, shortest / 2)))


def repair(client: Api, make: MakeSpec, name: str) -> list[Any]:
    """Play an episode there and here; return what each step showed, and the action."""
    spec = make(**demo_spec(name, speed=speed_for(name), allow_real_nodes=True))
    prepare(client, parse_nodes(spec.nodes))
    result = play(spec)
    embedded = play(spec.model_copy(update={"cluster": "embedded", "run_id": "two"}))
    seen, own = (
        [(counts(r["observation"]), r["action"]) for r in one.records] for one in (result, embedded)
    )
    assert result.success
    assert seen == own
    assert seen[0][0][1] > 0  # its trouble is pods that are pending
    return [[*shown, action and action["type"]] for shown, action in seen]


@pytest.mark.full
@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("name", ["bare-pods", "cronjob", "dsb-scaling"])
def test_a_recorded_trace_replays(prepared: Api, make: MakeSpec, cluster: str, name: str) -> None:
    path = SHARED / f"{name}.sktrace"
    if not path.exists():
        pytest.skip(f"no {path}: recorded traces are not part of the repository")
    trace = load_trace(path)
    spec = make(trace, speed=20.0, allow_real_nodes=True)
    ref = workloads(trace)[0]
    seconds = trace["events"][-1]["ts"] - trace["events"][0]["ts"] + 40
    simulation = Simulation(
        name=f"one-{name}",
        step=0,
        cluster=spec.place,
        run_id="one",
        trace=spec.trace,
        nodes=NODES,
        replay="simkube",
        kind=ref.kind,
        namespace=ref.namespace,
        deploy=ref.name,
        duration=seconds,
        seed=0,
        timeout=300.0,
        speed=spec.speed,
        simkube=spec.simkube.model_dump(mode="json", exclude_defaults=True),
    )
    there = clusters.get(spec.place)
    with noted(name, cluster) as found:
        there.create(simulation)
        assert there.wait(simulation) == []
        seen = shown(prepared, trace, prefix_of(simulation["name"]))
        there.clean_up("one")
        if name == "cronjob":  # the pods that there are then depend on the minute of the day
            assert set(seen) == {("CronJob", ref.name)}
        else:
            assert seen == embedded(trace, seconds)
        found["workloads"] = len(seen)
        found["ready"] = sum(ready for ready, _, _ in seen.values())
    assert left(prepared) == [] if cluster == "simkube" else namespaces(prepared) == []


def shown(client: Api, trace: Trace, prefix: str) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Ready, pending and total of every workload of a trace, on a cluster."""
    there = [one["metadata"]["name"] for one in client.list("/api/v1/namespaces")]
    names = {name for name in there if name.startswith(f"{prefix}-")}
    state = State({kind: [] for kind in COLLECTIONS})
    for kind, path in COLLECTIONS.items():
        for obj in client.list(path):
            if obj["metadata"]["namespace"] in names:
                state.objects[kind].append({**obj, "kind": kind})
    genealogy = Genealogy()
    genealogy.update(state)
    found = {}
    for ref in workloads(trace):
        own = (ref.kind, f"{prefix}-{ref.namespace}", ref.name)
        status = workload_status(ref, [p for p in state.pods if genealogy.root(p) == own])
        found[ref.kind, ref.name] = (status.ready, status.pending, status.total)
    return found


def embedded(trace: Trace, seconds: int) -> dict[tuple[str, str], tuple[int, int, int]]:
    """The same on the embedded cluster."""
    parameters = engine.Parameters(duration=seconds, replay="simkube")
    simulation = engine.Simulation(engine.compile_trace(trace, parse_nodes(NODES), parameters))
    simulation.advance()
    return {
        (one.kind, one.name): (one.ready, one.pending, one.total) for one in simulation.status()
    }
