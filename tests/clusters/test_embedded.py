from collections.abc import Callable
from typing import Any

import pytest

from sim_arena import clusters, verbs
from sim_arena.clusters.embedded import EmbeddedCluster
from sim_arena.errors import PermanentError, SimArenaError
from sim_arena.spec import EpisodeSpec

MakeSpec = Callable[..., EpisodeSpec]


@pytest.fixture
def simulation(make_spec: MakeSpec) -> clusters.Simulation:
    spec = make_spec(run_id="one")
    return verbs.simulate(spec, spec.trace, 0)


def test_an_unknown_cluster_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SimArenaError, match=r"one of .*embedded.*found 'nowhere'"):
        clusters.get("nowhere")


def test_what_is_observed_is_the_end_of_the_window(simulation: clusters.Simulation) -> None:
    seen = EmbeddedCluster().observe(simulation)
    assert (seen["ready"], seen["pending"], seen["total"]) == (0, 3, 3)
    assert seen["reasons"] is not None
    [reason] = seen["reasons"]
    assert "3 Insufficient cpu" in reason
    assert seen["simulated_seconds"] == 60


def test_another_process_observes_the_same_from_the_plain_data(
    simulation: clusters.Simulation,
) -> None:
    here, elsewhere = EmbeddedCluster(), EmbeddedCluster()
    here.create(simulation)
    here.wait(simulation)
    assert here.observe(simulation) == elsewhere.observe(simulation)


def test_creating_and_deleting_again_changes_nothing(simulation: clusters.Simulation) -> None:
    cluster = EmbeddedCluster()
    cluster.create(simulation)
    first = cluster._simulations.copy()
    cluster.create(simulation)
    assert cluster._simulations == first
    cluster.delete(simulation)
    cluster.delete(simulation)
    assert not cluster._simulations


def test_another_simulation_of_the_same_name_is_not_taken_for_it(
    simulation: clusters.Simulation,
) -> None:
    cluster = EmbeddedCluster()
    other: clusters.Simulation = {**simulation, "nodes": "1x64cpu,256Gi"}
    seen = [cluster.observe(one)["allocatable_cpu"] for one in (simulation, other, simulation)]
    assert seen[0] == seen[2] != seen[1] == 64_000


def test_clean_up_removes_the_run_s_own_and_nothing_else(simulation: clusters.Simulation) -> None:
    cluster = EmbeddedCluster()
    other: Any = simulation | {"name": "two-0-0", "run_id": "two"}
    cluster.create(simulation)
    cluster.create(other)
    cluster.clean_up("one")
    cluster.clean_up("one")
    assert list(cluster._simulations) == ["two-0-0"]


def test_the_nodes_are_checked(make_spec: MakeSpec) -> None:
    [check] = EmbeddedCluster().preflight(make_spec(nodes="3x16cpu,nonsense"))
    assert (check.name, check.ok, check.required) == ("nodes", False, True)
    assert check.found


@pytest.mark.parametrize(
    ("nodes", "target", "fits"),
    [
        ("3x16cpu,32Gi", 330, True),  # pods: 110 a node
        ("3x16cpu,32Gi", 331, False),
        ("1x100m cpu,32Gi", 2, True),  # 50m each is the least that the guardrails allow
        ("1x100m cpu,32Gi", 3, False),
    ],
)
def test_a_target_that_cannot_fit_is_a_warning(
    make_spec: MakeSpec, nodes: str, target: int, *, fits: bool
) -> None:
    checks = EmbeddedCluster().preflight(make_spec(nodes=nodes, target=target))
    [check] = [one for one in checks if one.name == "fits"]
    assert (check.ok, check.required) == (fits, False)
    assert f"the target is {target}" in check.found


def test_a_window_that_takes_too_long_is_given_up(
    simulation: clusters.Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time is passed in, and the engine is looked at after every event."""
    monkeypatch.setattr("sim_arena.clusters.embedded._EVENTS_AT_ONCE", 1)
    ticks = iter(range(0, 10_000_000, 1_000_000))
    cluster = EmbeddedCluster(clock=lambda: float(next(ticks)))
    with pytest.raises(PermanentError, match="raise the timeout"):
        cluster.wait(simulation)
