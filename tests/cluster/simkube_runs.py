"""What the tests of the simkube cluster share: SimKube on the control plane, specifications."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim_arena.clusters.kube.api import Api, Json
from sim_arena.spec import EpisodeSpec
from tests.cluster.build import MissingBinariesError
from tests.cluster.harness import ControlPlane
from tests.cluster.kwok_runs import MakeSpec
from tests.cluster.simkube_build import find_simkube
from tests.cluster.simkube_host import SimKubeHost
from tests.cluster.waiting import wait_until

_PATHS = (
    "/apis/simkube.io/v1/simulations",
    "/apis/simkube.io/v1/simulationroots",
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "/apis/batch/v1/namespaces/simkube/jobs",
)


@pytest.fixture(scope="module")
def simkube_host(control_plane: ControlPlane) -> Iterator[SimKubeHost]:
    """The real sk-ctrl, and what its driver needs."""
    try:
        programs = find_simkube()
    except MissingBinariesError as error:
        pytest.fail(str(error), pytrace=False)
    client = Api.from_kubeconfig(control_plane.kubeconfig)
    with SimKubeHost(control_plane, client, programs) as host:
        yield host
    wait_until(lambda: _still_there(client), 60)
    client.close()


def _still_there(client: Api) -> str | None:
    """What the next one would find half deleted."""
    if client.list("/apis/apiextensions.k8s.io/v1/customresourcedefinitions"):
        return "kinds left"
    names = {one["metadata"]["name"] for one in client.list("/api/v1/namespaces")}
    return "namespaces left" if names & {"simkube", "monitoring"} else None


@pytest.fixture
def simkube(simkube_host: SimKubeHost) -> SimKubeHost:
    """SimKube with its controller, whatever the last test did to that."""
    simkube_host.ensure_controller()
    return simkube_host


@pytest.fixture
def make_simkube(simkube: SimKubeHost, make_kwok: MakeSpec, tmp_path: Path) -> MakeSpec:
    """An episode on simkube; `simkube` adds to its settings."""

    def make(*trace: Any, simkube: dict[str, Any] | None = None, **changed: Any) -> EpisodeSpec:
        settings = {"port": port, "trace_store": str(tmp_path / "store"), "margin": 5}
        asked = {"cluster": "simkube", "allow_real_nodes": True, "duration": 10, "speed": 2.0}
        return make_kwok(*trace, **asked | changed, simkube=settings | (simkube or {}))

    port = simkube.port
    return make


def simulations(client: Api) -> list[str]:
    """The names of all Simulations."""
    return [one["metadata"]["name"] for one in client.list(_PATHS[0])]


def left(client: Api) -> list[str]:
    """Whatever SimKube's parts made for simulations that is still there."""
    found: list[Json] = [obj for path in _PATHS for obj in client.list(path)]
    found += client.list("/api/v1/namespaces", "simkube.io/virtual=true")
    return [str(obj["metadata"]["name"]) for obj in found]
