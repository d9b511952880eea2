"""The simkube cluster where there is no SimKube."""

import pytest

from sim_arena.clusters.kube.api import Api
from sim_arena.episode import play
from sim_arena.errors import PermanentError
from tests.cluster.kwok_runs import MakeSpec, api, kubeconfig, make_kwok, prepared

__all__ = ["api", "kubeconfig", "make_kwok", "prepared"]  # fixtures

pytestmark = pytest.mark.cluster


def test_the_preflight_says_what_to_install(prepared: Api, make_kwok: MakeSpec) -> None:
    assert not prepared.knows("simkube.io/v1", "Simulation")
    with pytest.raises(PermanentError, match="no kinds Simulation and SimulationRoot"):
        play(make_kwok(cluster="simkube"))
