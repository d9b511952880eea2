"""A flow run on a real cluster that somebody cancels in the UI, with a real server and worker."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.states import Cancelling

from results import Run
from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.simkube.simulation import simulations
from sim_arena.spec import EpisodeSpec
from tests.cluster.kwok_runs import (
    MakeSpec,
    api,
    has_lease,
    kubeconfig,
    make_kwok,
    namespaces,
    prepared,
    untouched,
)
from tests.cluster.simkube_runs import left, make_simkube, simkube, simkube_host
from tests.cluster.waiting import wait_until
from tests.flows.test_deployment import NAME, deployed, worker

__all__ = [
    "api",
    "deployed",
    "kubeconfig",
    "make_kwok",
    "make_simkube",
    "prepared",
    "simkube",
    "simkube_host",
    "worker",
]

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("worker")]


def start(spec: EpisodeSpec, kubeconfig: Path) -> UUID:
    """Start a run as the UI does: with the form's values as JSON."""
    names = ("trace", "deploy", "target", "duration", "cluster", "speed", "nodes", "runs_dir")
    given = {name: getattr(spec, name) for name in (*names, "allow_real_nodes")}
    given["simkube"] = spec.simkube.model_dump(mode="json")
    variables = {"env": {"KUBECONFIG": str(kubeconfig)}}
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(NAME)
        created = client.create_flow_run_from_deployment(
            deployment.id, parameters=given, job_variables=variables
        )
    run: UUID = created.id
    return run


def cancel(run: UUID) -> Any:
    """Cancel a run, and return the state in which it ends."""
    states: list[Any] = []

    def why_not() -> str | None:
        with get_client(sync_client=True) as client:
            states.append(client.read_flow_run(run).state)
        return None if states[-1].is_final() else f"it is {states[-1].name}"

    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Cancelling())
    wait_until(why_not, 120)
    return states[-1]


def test_a_run_on_kwok_leaves_nothing(
    prepared: Api, make_kwok: MakeSpec, kubeconfig: Path, tmp_path: Path
) -> None:
    before = untouched(prepared)
    run = start(make_kwok(duration=600, speed=2.0), kubeconfig)
    wait_until(lambda: None if namespaces(prepared) else "nothing made", 400)
    assert cancel(run).is_cancelled()
    wait_until(lambda: "namespaces left" if namespaces(prepared) else None, 60)
    wait_until(lambda: has_lease(prepared), 30)
    assert untouched(prepared) == before
    steps = Run.open(tmp_path / "runs" / str(run)).read_steps()
    assert [one["ready"] for one in steps] in ([], [None])  # and nothing was observed


@pytest.mark.full
def test_a_run_on_simkube_leaves_nothing(
    prepared: Api, make_simkube: MakeSpec, kubeconfig: Path, tmp_path: Path
) -> None:
    before = untouched(prepared)
    run = start(make_simkube(duration=600), kubeconfig)
    made = "simkube.io/virtual=true"
    wait_until(lambda: None if prepared.list("/api/v1/namespaces", made) else "nothing made", 400)
    assert cancel(run).is_cancelled()
    wait_until(lambda: "Simulations left" if simulations(prepared) else None, 60)
    wait_until(lambda: ", ".join(left(prepared)) or None, 60)
    assert list((tmp_path / "store").iterdir()) == []
    assert untouched(prepared) == before
