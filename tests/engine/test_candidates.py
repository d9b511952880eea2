"""How many nodes preemption tries in a large cluster, and from which one on.

Source: Kubernetes `pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go`
(GetOffsetAndNumCandidates) and `pkg/scheduler/framework/preemption/preemption.go`
(DryRunPreemption).
"""

import numpy as np
import pytest

from sim_arena.engine import Simulation
from sim_arena.engine.jit import interpreted
from sim_arena.engine.plugins.default_preemption import pick
from tests.engine.manifests import (
    Json,
    bare_pod,
    container,
    finished,
    job,
    nodes,
    ref,
    replica_set,
    template,
)
from tests.engine.scenes import alive, play, status

HIGH = bare_pod(template(container("3"), priority=10), "high")


def full(size: int, *budgets: Json, seed: int = 0) -> Simulation:
    """So many nodes, each with one pod that has to go before `high` fits."""
    events = (0, [*budgets, lows(size)]), (5, [HIGH])
    return play(*events, nodes=nodes(size), seed=seed)


def lows(count: int) -> Json:
    low = template(container("3"))
    low["metadata"]["labels"] = {"app": "low"}
    return replica_set(low, count, "low")


def tried(simulation: Simulation) -> list[int]:
    """The candidates' nodes, in the order in which they were found."""
    victims = simulation.state.victims
    return [int(one["node"]) for one in victims if one["count"] > 0]


def protecting() -> Json:
    """A budget that lets none of the pods in the way go."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "low", "namespace": "shop"},
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "low"}}},
    }


@pytest.mark.parametrize(("size", "enough"), [(3, 3), (99, 99), (101, 100), (130, 100)])
def test_a_hundred_candidates_are_enough(size: int, enough: int) -> None:
    simulation = full(size)
    assert len(tried(simulation)) == enough
    assert status(simulation, "high").ready == 1


def test_in_a_large_cluster_a_tenth_is_enough() -> None:
    assert len(tried(full(1_100))) == 110


def test_candidates_follow_one_another_from_a_random_node_on() -> None:
    firsts = set()
    for seed in range(8):
        found = tried(full(120, seed=seed))
        assert found == [(found[0] + i) % 120 for i in range(100)]
        firsts.add(found[0])
    assert len(firsts) > 4


def test_the_search_goes_on_while_every_candidate_breaks_a_budget() -> None:
    assert len(tried(full(130, protecting()))) == 130


def test_the_search_ends_at_the_first_candidate_that_breaks_none() -> None:
    """All but one node are protected: it is chosen, however late the search comes to it."""
    late = 0
    for seed in range(12):
        one = bare_pod(template(container("3"), nodeName="n7"), "free")
        events = (0, [one, protecting()]), (1, [lows(129)]), (9, [HIGH])
        simulation = play(*events, nodes=nodes(130), seed=seed)
        assert status(simulation, "free").total == 0
        assert status(simulation, "low").ready == 129
        found = tried(simulation)
        assert len(found) >= 100
        if len(found) > 100:
            late += 1
            assert found[-1] == 7
    assert late > 0


def test_finished_pods_are_nobodys_victims() -> None:
    """They leave their room by themselves; what is in the way is of equal priority."""
    done = job(template(container("3"), restartPolicy="Never"), "done")
    high = template(container("3"), priority=10)
    events = (0, [done]), (10, [bare_pod(high, "first")]), (20, [bare_pod(high, "second")])
    simulation = play(*events, nodes=nodes(1), lifecycles={ref("Job", "done"): finished(2)})
    assert status(simulation, "first").ready == 1
    (message,) = status(simulation, "second").reasons
    assert message == (
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: "
        "0/1 nodes are available: 1 No preemption victims found for incoming pod."
    )


def later_goes(*, second_at: int, seed: int) -> bool:
    """Say whether of two pods in the way, on a node each, the one that began later goes."""
    first, second = (
        bare_pod(template(container("3"), nodeName=f"n{i}"), name)
        for i, name in enumerate(("first", "second"))
    )
    events = (0, [first]), (second_at, [second]), (9, [HIGH])
    within_a_second = {"pod_startup_jitter": 900}
    simulation = play(*events, nodes=nodes(2), seed=seed, **within_a_second)
    began = [int(pod["started"]) for pod in simulation.state.pods[:2]]
    gone = [status(simulation, name).total == 0 for name in ("first", "second")]
    assert sum(gone) == 1
    return gone[began.index(max(began))]


def test_what_began_last_goes_first() -> None:
    assert all(later_goes(second_at=3, seed=seed) for seed in range(12))


def test_beginnings_within_a_second_are_the_same() -> None:
    later = sum(later_goes(second_at=0, seed=seed) for seed in range(24))
    assert 4 < later < 20


def test_equal_candidates_are_chosen_by_the_seed() -> None:
    assert {node_of_high(full(3, seed=seed)) for seed in range(16)} == {0, 1, 2}


def node_of_high(simulation: Simulation) -> int:
    """Return the node on which room was made."""
    high = simulation.program.index(ref("Pod", "high"))
    return next(int(pod["node"]) for pod in alive(simulation) if pod["workload"] == high)


def test_a_node_that_really_was_chosen_is_taken_if_it_is_one_of_the_best() -> None:
    state = full(3).state
    victims = state.victims.view(np.recarray)
    seen = state._replace(victims=victims, clock=state.clock.view(np.recarray))
    choose = interpreted(pick)
    assert [choose(seen, 0, 3, node) for node in range(3)] == [0, 1, 2]
    dearer = int(victims[1].node)
    victims[1].count += 1
    others = {0, 1, 2} - {dearer}
    assert choose(seen, 0, 3, dearer) in others
    assert {choose(seen, 0, 3, node) for node in others} == others
