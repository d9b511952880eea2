"""Which pod is tried next, and which event wakes a pod that waits.

Source: Kubernetes 1.36 `pkg/scheduler/backend/queue/`.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sim_arena.engine import Simulation
from sim_arena.nodes import Taint
from tests.engine.manifests import Json, bare_pod, container, deployment, node, nodes, template
from tests.engine.scenes import play, status
from tests.engine.strategies import fixed


def pod(name: str, cpu: str = "3", priority: int = 0, **spec: Any) -> Json:
    return bare_pod(template(container(cpu), priority=priority, **spec), name)


def attempts(simulation: Simulation, name: str) -> int:
    """Failed attempts to find a node for a bare pod."""
    (w,) = [i for i, one in enumerate(simulation.program.workloads) if one.name == name]
    rows = simulation.state.pods[: simulation.state.clock[0]["pods"]]
    (found,) = [row for row in rows if row["workload"] == w]
    return int(found["attempts"])


@fixed
@given(st.lists(st.integers(-2, 2), min_size=1, max_size=8))
def test_of_those_that_wait_the_highest_priority_goes_first_then_the_earliest(
    priorities: list[int],
) -> None:
    first = pod("first")
    waiting = [pod(f"p{i}", priority=priority) for i, priority in enumerate(priorities)]
    simulation = play((0, [first, *waiting]), (10, [], [first]), nodes=nodes(1))
    ready = [one.name for one in simulation.status() if one.ready]
    best = max(range(len(priorities)), key=lambda i: (priorities[i], -i))
    assert ready == [f"p{best}"]


def test_each_deletion_lets_the_next_one_in() -> None:
    pods = [pod(f"p{i}", priority=i % 2, preemptionPolicy="Never") for i in range(5)]
    events = [(0, pods), *((10 + i, [], [pods[k]]) for i, k in enumerate((0, 1, 3, 2)))]
    simulation = play(*events, nodes=nodes(1), until=0)
    seen = []
    for second in (0, 10, 11, 12, 13):
        simulation.advance(second)
        seen.append([one.name for one in simulation.status() if one.ready])
    assert seen == [["p0"], ["p1"], ["p3"], ["p2"], ["p4"]]


def test_a_deleted_pod_wakes_those_that_did_not_fit() -> None:
    first = pod("first")
    simulation = play((0, [first, pod("second")]), (10, [], [first]), nodes=nodes(1), until=9)
    assert (status(simulation, "second").pending, attempts(simulation, "second")) == (1, 1)
    simulation.advance(10)
    assert status(simulation, "second").ready == 1


def test_a_smaller_deployment_wakes_those_that_did_not_fit() -> None:
    crowd = [deployment(template(container("1")), n, name="crowd") for n in (4, 2)]
    simulation = play((0, [crowd[0], pod("big", "2")]), (10, [crowd[1]]), nodes=nodes(1))
    assert status(simulation, "big").ready == 1


def test_nothing_wakes_a_pod_that_no_release_can_help() -> None:
    first = pod("first", "1")
    picky = pod("picky", "1", nodeSelector={"disk": "ssd"})
    simulation = play((0, [first, picky]), (10, [], [first]), nodes=nodes(1), until=20)
    assert attempts(simulation, "picky") == 1


def test_a_pod_that_fits_no_node_is_tried_again_on_each_release() -> None:
    """A release wakes every pod that NodeResourcesFit rejected on some node."""
    small = [pod(f"s{i}", "1") for i in range(3)]
    huge = pod("huge", "99")
    events = [(0, [*small, huge]), *((10 * i, [], [one]) for i, one in enumerate(small, start=1))]
    simulation = play(*events, nodes=nodes(1), until=5)
    counts = []
    for second in (5, 15, 25, 35):
        simulation.advance(second)
        counts.append(attempts(simulation, "huge"))
    assert counts == [1, 2, 3, 4]


def test_leftovers_are_tried_again_after_five_minutes() -> None:
    simulation = play((0, [pod("huge", "99")]), nodes=nodes(1), until=0, duration=1000)
    assert attempts(simulation, "huge") == 1
    simulation.advance(329.999)
    assert attempts(simulation, "huge") == 1  # at 300 s it has not waited for more than that
    simulation.advance(330)
    assert attempts(simulation, "huge") == 2


def test_a_bare_pod_that_names_its_node_passes_no_scheduler() -> None:
    bound = pod("bound", "99", nodeName="n1")
    lost = pod("lost", "1", nodeName="elsewhere")
    simulation = play((0, [bound, lost]), nodes=nodes(2))
    assert status(simulation, "bound").ready == 1
    assert status(simulation, "lost").pending == 1
    [warning] = simulation.program.warnings
    assert "its pods name the node elsewhere, which is not there: a cluster deletes them" in warning
    assert simulation.state.nodes["cpu"][:2].tolist() == [0, 99_000]


def test_a_pod_stays_as_it_was_made() -> None:
    simulation = play((0, [pod("web", "1")]), (5, [pod("web", "2")]), nodes=nodes(1))
    (found,) = simulation.observe(simulation.program.workloads[0])["containers"] or ()
    assert found["cpu_request"] == 1000
    assert int(simulation.state.nodes["cpu"][0]) == 1000


def test_another_schedulers_pods_stay_pending_without_a_message() -> None:
    simulation = play((0, [pod("theirs", "1", schedulerName="other")]), nodes=nodes(1))
    assert status(simulation, "theirs")[3:7] == (0, 1, 1, {})


def test_tolerations_and_taints() -> None:
    cluster = [
        node("a", taints=(Taint("team", "a", "NoSchedule"),)),
        node("b", taints=(Taint("team", "b", "NoExecute"), Taint("x", "", "PreferNoSchedule"))),
    ]
    a = {"key": "team", "operator": "Equal", "value": "a", "effect": "NoSchedule"}
    pods = [
        pod("none", "1"),
        pod("to-a", "1", tolerations=[a]),
        pod("wrong-effect", "1", tolerations=[{**a, "value": "b"}]),
        pod("to-b", "1", tolerations=[{**a, "value": "b", "effect": ""}]),
        pod("any", "1", tolerations=[{"operator": "Exists"}]),
    ]
    simulation = play((0, pods), nodes=cluster)
    assert [one.name for one in simulation.status() if one.ready] == ["to-a", "to-b", "any"]
