"""What the tests of the kwok cluster share: a prepared one, specifications, looks at it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sim_arena.clusters.clean import clean
from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.lease import LEASE, Lease
from sim_arena.clusters.kube.ownership import RUN_LABEL
from sim_arena.clusters.kwok.preparing import prepare, unprepare
from sim_arena.nodes import parse_nodes
from sim_arena.spec import EpisodeSpec
from tests.cluster.faulty import FaultyServer
from tests.cluster.harness import ControlPlane
from tests.cluster.manifests import NAMESPACE, make_trace, workload
from tests.cluster.waiting import wait_until
from traces import Trace, load_manifest, save_trace

NODES = "3x16cpu,32Gi"
DEMO = Path(__file__).parents[2] / "traces" / "demo"
MakeSpec = Callable[..., EpisodeSpec]


@pytest.fixture
def kubeconfig(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The control plane as the user's own cluster."""
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    return control_plane.kubeconfig


@pytest.fixture
def api(kubeconfig: Path) -> Iterator[Api]:
    client = Api.from_kubeconfig(kubeconfig)
    yield client
    client.close()


@pytest.fixture
def prepared(api: Api) -> Iterator[Api]:
    """A prepared cluster, which is as it was afterwards."""
    wait_until(lambda: going(api), 120)
    prepare(api, parse_nodes(NODES))
    yield api
    if (holder := has_lease(api)) is not None:  # of a test that failed
        clean(api, holder)
    for run in {obj["metadata"]["labels"][RUN_LABEL] for obj in namespaces(api)}:
        clean(api, run)
    unprepare(api)
    wait_until(lambda: "nodes left" if api.list("/api/v1/nodes", "type=virtual") else None, 60)
    home = {"apiVersion": "v1", "kind": "Namespace"}
    wait_until(lambda: "home left" if api.exists(home, None, "sim-arena") else None, 60)


@pytest.fixture
def faulty(
    control_plane: ControlPlane,
    prepared: Api,  # noqa: ARG001 - fixtures cannot be marked
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[FaultyServer]:
    """The prepared cluster behind a proxy with faults."""
    with FaultyServer(control_plane, tmp_path) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig))
        yield server
        server.away = False
        server.busy = server.gone = 0


@pytest.fixture
def make_kwok(tmp_path: Path) -> MakeSpec:
    """An episode on kwok; a trace is written where one is given."""

    def make(document: Trace | None = None, **changed: Any) -> EpisodeSpec:
        path = tmp_path / f"{changed.get('run_id', 'one')}.sktrace"
        save_trace(document or web_trace(), str(path))
        asked = {
            "trace": str(path),
            "deploy": "web",
            "namespace": NAMESPACE,
            "target": 2,
            "duration": 20,
            "cluster": "kwok",
            "speed": 20.0,
            "run_id": "one",
            "timeout": 120.0,
            "nodes": NODES,
            "runs_dir": str(tmp_path / "runs"),
        }
        return EpisodeSpec.model_validate(asked | changed)

    return make


def web_trace(cpu: str = "1", replicas: int = 2, **container: Any) -> Trace:
    web = workload("Deployment", "web", cpu, replicas=replicas)
    web["spec"]["template"]["spec"]["containers"][0].update(container)
    return make_trace((0, [web], []))


def demo_spec(name: str, **changed: Any) -> dict[str, Any]:
    """A demo trace's episode, as the manifest describes it."""
    [entry] = [one for one in load_manifest(DEMO) if one.file.startswith(name)]
    return {
        "trace": str(DEMO / entry.file),
        "deploy": entry.name,
        "namespace": entry.namespace,
        "target": entry.target,
        "duration": entry.duration,
        "nodes": entry.nodes,
        "max_steps": entry.max_steps,
    } | changed


def namespaces(api: Api, run: str | None = None) -> list[Json]:
    """The namespaces of runs."""
    selector = RUN_LABEL if run is None else f"{RUN_LABEL}={run}"
    return api.list("/api/v1/namespaces", selector)


def going(api: Api) -> str | None:
    """The namespaces that other tests left on their way out: they are part of no comparison."""
    found = api.list("/api/v1/namespaces")
    names = [one["metadata"]["name"] for one in found if "deletionTimestamp" in one["metadata"]]
    return f"on their way out: {', '.join(names)}" if names else None


def untouched(api: Api) -> dict[str, str]:
    """Versions of everything that no run made, to see whether anything of it was changed.

    But for the authority's certificate, which a controller puts into each namespace in its time.
    """
    found: dict[str, str] = {}
    for path in ("/api/v1/namespaces", "/apis/apps/v1/deployments", "/api/v1/configmaps"):
        for obj in api.list(path):
            labels = obj["metadata"].get("labels") or {}
            if RUN_LABEL not in labels and obj["metadata"]["name"] != "kube-root-ca.crt":
                name = f"{path} {obj['metadata'].get('namespace')}/{obj['metadata']['name']}"
                found[name] = obj["metadata"]["resourceVersion"]
    return found


def has_lease(api: Api) -> str | None:
    holder = Lease(api, LEASE).holder()
    return None if holder is None else holder.run_id


def age_lease(api: Api) -> None:
    """Let the run that has the cluster look as if it had not been heard of for long."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/sim-arena/leases/{LEASE}"
    old = {"spec": {"renewTime": "2001-01-01T00:00:00.000000Z"}}
    api.request("patch", path, old, content_type="application/merge-patch+json")


def as_json(value: object) -> Any:
    return json.loads(json.dumps(value))


def hold(client: Api, namespace: str) -> Callable[[], None]:
    """Keep a namespace from going, by an object with a finalizer; returns what lets it go."""
    stuck: Json = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "stuck",
            "namespace": namespace,
            "finalizers": ["test.sim-arena.io/stuck"],
        },
    }
    client.create(stuck)

    def release() -> None:
        path, patch = client.path(stuck, namespace, "stuck"), {"metadata": {"finalizers": None}}
        client.request("patch", path, patch, content_type="application/merge-patch+json")

    return release
