"""Large clusters: how many nodes are looked at, and where the next search begins.

Source: Kubernetes 1.36 `pkg/scheduler/schedule_one.go` (numFeasibleNodesToFind,
findNodesThatFitPod) and `pkg/scheduler/backend/cache/node_tree.go`.
"""

import pytest

from sim_arena.engine import Simulation, compile_trace
from sim_arena.nodes import Node, Taint
from tests.engine.manifests import GI, bare_pod, container, deployment, node, nodes, template, trace
from tests.engine.scenes import alive, play, status

TAINTED = (Taint("team", "a", "NoSchedule"),)


def start_after(count: int, cluster: list[Node]) -> tuple[int, Simulation]:
    web = deployment(template(container("100m")), replicas=count)
    simulation = play((0, [web]), nodes=cluster)
    return int(simulation.state.clock[0]["start_node"]), simulation


@pytest.mark.parametrize(
    ("size", "kept"),
    [
        (99, 99),  # all
        (100, 100),  # at least 100
        (200, 100),  # 50 - 200/125 = 49 %
        (250, 120),  # 48 %
        (1000, 420),  # 42 %
        (2000, 680),  # 34 %
        (6000, 300),  # at least 5 %
    ],
)
def test_how_many_feasible_nodes_are_enough(size: int, kept: int) -> None:
    start, _ = start_after(1, nodes(size))
    assert start == kept % size


def test_the_search_goes_on_where_it_ended() -> None:
    start, simulation = start_after(3, nodes(250))
    assert start == 3 * 120 - 250
    windows = [range(120), range(120, 240), [*range(240, 250), *range(110)]]
    for pod, window in zip(alive(simulation), windows, strict=True):
        assert int(pod["node"]) in window


def test_rejected_nodes_move_the_start_too() -> None:
    """The search ends when one feasible node more than needed is found, which is not counted."""
    half = [node(f"n{i}", taints=TAINTED if i % 2 else ()) for i in range(250)]
    start, _ = start_after(1, half)
    assert start == 240  # 120 kept (0, 2, ..., 238) and 120 rejected


def test_a_search_through_all_nodes_ends_where_it_began() -> None:
    few = [node(f"n{i}", taints=TAINTED if i % 3 else ()) for i in range(250)]
    start, _ = start_after(1, few)
    assert start == 0


def test_a_pod_that_fits_nowhere_is_tried_everywhere() -> None:
    simulation = play((0, [bare_pod(template(container("5")))]), nodes=nodes(300))
    assert next(iter(status(simulation).reasons)).startswith(
        "0/300 nodes are available: 300 Insufficient cpu. "
    )


def test_zones_take_turns() -> None:
    a, b = ({"topology.kubernetes.io/zone": zone} for zone in "ab")
    zones = [("a1", a), ("a2", a), ("a3", a), ("b1", b), ("none", {}), ("b2", b)]
    cluster = [Node(name, 4000, 8 * GI, 110, labels) for name, labels in zones]
    program = compile_trace(trace((0, [bare_pod(template())])), cluster)
    assert [one.name for one in program.nodes] == ["a1", "b1", "none", "a2", "b2", "a3"]
