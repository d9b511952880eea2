"""A sweep over episodes on the real clusters, through the flow."""

from typing import Any

import pytest

from flows.sweep import sweep
from results import load_episodes
from sim_arena.clusters.kube.api import Api
from sim_arena.spec import EpisodeSpec
from tests.cluster.kwok_runs import (
    MakeSpec,
    api,
    has_lease,
    kubeconfig,
    make_kwok,
    namespaces,
    prepared,
)
from tests.cluster.simkube_runs import left, make_simkube, simkube, simkube_host

__all__ = ["api", "kubeconfig", "make_kwok", "make_simkube", "prepared", "simkube", "simkube_host"]

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("prefect_server")]


def played(spec: EpisodeSpec, **more: Any) -> list[tuple[Any, ...]]:
    """Policy, success and error of each episode of a sweep over one trace."""
    sweep(
        traces=[spec.trace],
        deploy=spec.deploy,
        targets=[spec.target],
        nodes=[spec.nodes],
        duration=spec.duration,
        clusters=[spec.cluster],
        speed=spec.speed,
        runs_dir=spec.runs_dir,
        run_id="real",
        **more,
    )
    rows = load_episodes(f"{spec.runs_dir}/real", form="arrow").to_pylist()
    return [(row["policy"], row["success"], row["error"]) for row in rows]


def test_a_sweep_on_kwok(prepared: Api, make_kwok: MakeSpec) -> None:
    rows = played(make_kwok(), policies=["heuristic", "noop"])
    assert rows == [("heuristic", True, None), ("noop", True, None)]
    assert (namespaces(prepared), has_lease(prepared)) == ([], None)


def test_a_sweep_on_simkube(prepared: Api, make_simkube: MakeSpec) -> None:
    spec = make_simkube()
    rows = played(spec, simkube=spec.simkube, allow_real_nodes=True)
    assert rows == [("heuristic", True, None)]
    assert (left(prepared), has_lease(prepared)) == ([], None)
