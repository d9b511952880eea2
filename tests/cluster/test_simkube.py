"""The simkube cluster, with the real sk-ctrl and sk-driver."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim_arena import verbs
from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.clusters.simkube.simulation import SIMULATION, create_simulation, manifest
from sim_arena.episode import play
from sim_arena.errors import PermanentError, TransientError
from sim_arena.spec import EpisodeSpec
from tests.cluster.build import MissingBinariesError
from tests.cluster.harness import ControlPlane
from tests.cluster.kwok_runs import (
    MakeSpec,
    api,
    kubeconfig,
    make_kwok,
    prepared,
    untouched,
    web_trace,
)
from tests.cluster.simkube_build import find_simkube
from tests.cluster.simkube_host import SimKubeHost
from tests.cluster.test_kwok import counts, step
from tests.cluster.waiting import wait_until

__all__ = ["api", "kubeconfig", "make_kwok", "prepared"]  # fixtures

pytestmark = pytest.mark.cluster


@pytest.fixture
def simkube(control_plane: ControlPlane, prepared: Api) -> Iterator[SimKubeHost]:
    try:
        programs = find_simkube()
    except MissingBinariesError as error:
        pytest.skip(str(error))
    with SimKubeHost(control_plane, prepared, programs) as host:
        yield host


@pytest.fixture
def make_simkube(simkube: SimKubeHost, make_kwok: MakeSpec, tmp_path: Path) -> MakeSpec:
    def make(*trace: Any, **changed: Any) -> EpisodeSpec:
        settings = {"port": simkube.port, "trace_store": str(tmp_path / "store"), "margin": 5}
        asked = {"cluster": "simkube", "simkube": settings, "allow_real_nodes": True}
        return make_kwok(*trace, **asked | {"duration": 10, "speed": 2.0} | changed)

    return make


def simulations(client: Api) -> list[str]:
    return [one["metadata"]["name"] for one in client.list("/apis/simkube.io/v1/simulations")]


def test_a_step_shows_what_the_embedded_cluster_shows_and_leaves_nothing(
    prepared: Api, make_simkube: MakeSpec
) -> None:
    spec = make_simkube(web_trace("7", replicas=8))
    before = untouched(prepared)
    failed = {check.name for check in verbs.preflight(spec) if not check.ok}
    assert failed == {"sk-ctrl"}  # a process here, and no Deployment: a warning
    seen = step(spec)
    own = step(spec.model_copy(update={"cluster": "embedded"}))
    verbs.clean_up(spec.place, "one")
    assert isinstance(seen, dict)
    assert isinstance(own, dict)
    assert counts(seen) == counts(own) == (6, 2, 8)
    assert (seen["cluster"], seen["desired"]) == ("simkube", 8)
    assert simulations(prepared) == []
    assert untouched(prepared) == before


def test_a_driver_that_dies_is_a_failure_with_its_reasons(
    simkube: SimKubeHost, prepared: Api, make_simkube: MakeSpec
) -> None:
    spec = make_simkube(duration=100)
    simulation = verbs.simulate(spec, spec.trace, 0)
    wait_until(lambda: None if simkube.drivers else "no driver", 60)
    simkube.kill_drivers()
    with pytest.raises(PermanentError, match=r"simulation sim-\w+ failed; .*exit code 9"):
        verbs.wait(simulation)
    with pytest.raises(PermanentError, match="failed"):
        verbs.observe(simulation)
    verbs.clean_up(spec.place, "one")
    assert simulations(prepared) == []


def test_without_a_controller_it_says_so_and_shows_nothing(
    simkube: SimKubeHost, prepared: Api, make_simkube: MakeSpec
) -> None:
    simkube.stop_controller()
    spec = make_simkube(timeout=2.0)
    simulation = verbs.simulate(spec, spec.trace, 0)
    with pytest.raises(PermanentError, match="unknown to sk-ctrl: does sk-ctrl run"):
        verbs.wait(simulation)
    verbs.clean_up(spec.place, "one")
    assert simulations(prepared) == []


def test_somebody_elses_simulation_is_waited_for_by_name_and_not_touched(
    prepared: Api, make_simkube: MakeSpec, caplog: pytest.LogCaptureFixture
) -> None:
    settings = SimKubeSettings()
    theirs = manifest("theirs", "file:///nowhere.sktrace", 600, "theirs", settings)
    create_simulation(prepared, theirs)
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    wait_until(lambda: None if prepared.exists(lease, "simkube", "sk-lease") else "no lease", 30)
    before = prepared.get(SIMULATION, None, "theirs")
    spec = make_simkube(timeout=4.0)
    simulation = verbs.simulate(spec, spec.trace, 0)
    with pytest.raises(TransientError, match="found that simulation theirs has it"):
        verbs.wait(simulation)
    verbs.clean_up(spec.place, "one")
    after = prepared.get(SIMULATION, None, "theirs")
    assert "waiting for simulation theirs" in caplog.text
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert simulations(prepared) == ["theirs"]
    prepared.delete(SIMULATION, None, "theirs")


def test_without_simkube_the_preflight_says_what_to_install(
    prepared: Api, make_kwok: MakeSpec
) -> None:
    if prepared.knows("simkube.io/v1", "Simulation"):
        pytest.skip("another test has left SimKube's kinds on the control plane")
    with pytest.raises(PermanentError, match="no kinds Simulation and SimulationRoot"):
        play(make_kwok(cluster="simkube"))
