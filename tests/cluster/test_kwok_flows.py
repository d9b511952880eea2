"""The kwok cluster behind the Prefect flows."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling

from flows.episode import episode
from flows.fidelity import fidelity
from flows.playing import clean_up_run
from sim_arena import verbs
from sim_arena.clusters.kube.api import Api
from tasks.turns import limit_name
from tests.cluster.kwok_runs import (
    MakeSpec,
    api,
    has_lease,
    kubeconfig,
    make_kwok,
    namespaces,
    prepared,
)
from tests.cluster.manifests import make_trace, workload
from traces import save_trace

__all__ = ["api", "kubeconfig", "make_kwok", "prepared"]  # fixtures

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("prefect_server")]


def given(spec: Any) -> dict[str, Any]:
    names = ("trace", "deploy", "target", "duration", "cluster", "speed", "nodes", "runs_dir")
    return {name: getattr(spec, name) for name in names}


def test_a_flow_takes_its_turn_and_shows_what_the_preflight_found(
    prepared: Api, make_kwok: MakeSpec
) -> None:
    state = episode(**given(make_kwok()), run_id="flow-one", return_state=True)
    assert state.is_completed(), state
    assert "web is healthy" in str(state.message)
    with get_client(sync_client=True) as client:
        limit = client.read_global_concurrency_limit_by_name(limit_name("kwok"))
        own = {"any_": [str(state.state_details.flow_run_id)]}
        wanted = {"artifacts": {"key": {"any_": ["preflight"]}, "flow_run_id": own}}
        [shown] = client.request("POST", "/artifacts/filter", json=wanted).json()
    assert (limit.limit, limit.active_slots) == (1, 0)
    assert "Kubernetes v1.36.3" in shown["data"]
    assert "KWOK nodes" in shown["data"]
    assert namespaces(prepared) == []
    assert has_lease(prepared) is None


def test_the_fidelity_flow_compares_and_says_where_it_could_not(
    prepared: Api, tmp_path: Path
) -> None:
    web = workload("Deployment", "web", "7", replicas=8)
    save_trace(make_trace((0, [web], [])), str(tmp_path / "fits.sktrace"))
    state = fidelity(traces=[str(tmp_path)], seeds=4, return_state=True)
    assert state.is_completed(), state
    assert state.message == "1 trace, 1 moment, all agree"
    wrong = workload("Deployment", "wrong", replicas=1)
    wrong["spec"]["selector"]["matchLabels"] = {"app": "other"}
    save_trace(make_trace((0, [wrong], [])), str(tmp_path / "wrong.sktrace"))
    state = fidelity(traces=[str(tmp_path)], seeds=4, return_state=True)
    assert state.is_failed(), state
    assert "1 trace could not be played to its end" in str(state.message)
    with get_client(sync_client=True) as client:
        wanted = {"artifacts": {"key": {"any_": ["fidelity"]}}}
        pages = client.request("POST", "/artifacts/filter", json=wanted).json()
    assert any("refused to apply Deployment" in page["data"] for page in pages)
    assert namespaces(prepared) == []
    assert has_lease(prepared) is None


def test_the_fidelity_flow_says_that_there_is_no_such_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_trace(
        make_trace((0, [workload("Deployment", "web", "1")], [])), str(tmp_path / "a.sktrace")
    )
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    state = fidelity(traces=[str(tmp_path)], return_state=True)
    assert state.is_failed(), state
    assert "kubeconfig" in str(state.message)


def test_the_hook_of_a_cancelled_run_removes_what_the_run_made(
    prepared: Api, make_kwok: MakeSpec
) -> None:
    run = uuid4()
    spec = make_kwok(run_id=str(run))
    simulation = verbs.simulate(spec, spec.trace, 0)
    verbs.wait(simulation)
    assert namespaces(prepared, str(run))
    flow_run = FlowRun(id=run, flow_id=uuid4(), parameters=given(spec))
    clean_up_run(flow=episode, flow_run=flow_run, state=Cancelling())
    assert namespaces(prepared) == []
    assert has_lease(prepared) is None
