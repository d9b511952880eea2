"""LeastAllocated and BalancedAllocation, computed by hand.

Source: Kubernetes 1.36 `pkg/scheduler/framework/plugins/noderesources/least_allocated.go` and
`balanced_allocation.go`. All divisions truncate. The engine leaves the last cycle's scores in
its scratch space, in the order of the feasible nodes.
"""

from dataclasses import replace

import pytest

from sim_arena.engine import Simulation
from sim_arena.nodes import Node
from tests.engine.manifests import (
    GI,
    Json,
    bare_pod,
    container,
    deployment,
    node,
    nodes,
    template,
)
from tests.engine.scenes import alive, play


def last_scores(simulation: Simulation, count: int = 2) -> list[int]:
    return [int(score) for score in simulation.state.room["score"][:count]]


def scores(pod: Json, *cluster: Node) -> list[int]:
    return last_scores(play((0, [bare_pod(pod)]), nodes=list(cluster)), len(cluster))


def test_an_empty_node() -> None:
    # n0: cpu (4000-1000)*100/4000 = 75, memory (8-1)*100/8 = 87; mean 81.
    #     balance with |0.25-0.125|/2 = 0.0625: 93, without 100: 50 + (50-7)/2 = 71.
    # n1: cpu 50, memory 87, mean 68; balance |0.5-0.125|/2 = 0.1875: 81: 50 + (50-19)/2 = 65.
    pod = template(container("1", "1Gi"))
    assert scores(pod, node("n0"), node("n1", cpu=2000)) == [81 + 71, 68 + 65]


def test_a_container_without_requests_counts_in_least_allocated_only() -> None:
    # cpu (4000-100)*100/4000 = 97, memory (8192-200)*100/8192 = 97; BestEffort: not balanced.
    assert scores(template(container()), *nodes(2)) == [97, 97]


def test_an_explicit_zero_stays_zero() -> None:
    assert scores(template(container("0", "0")), *nodes(2)) == [100, 100]


def test_one_missing_request_is_filled_in_and_balanced_as_zero() -> None:
    # cpu 75, memory 97: mean 86. Balance: |0.25-0|/2 = 0.125: 87: 50 + (50-13)/2 = 68.
    assert scores(template(container("1")), *nodes(2)) == [86 + 68, 86 + 68]


def test_a_missing_request_is_the_limit() -> None:
    limited = template(container(limits={"cpu": "1", "memory": "1Gi"}))
    assert scores(limited, *nodes(2)) == scores(template(container("1", "1Gi")), *nodes(2))


def test_the_pods_that_are_there_count() -> None:
    """The second pod balances the first: 50 + (50+100-75)/2 = 87."""
    first = bare_pod(template(container("2", "0"), nodeSelector={"disk": "a"}), "first")
    second = bare_pod(template(container("0", "4Gi")), "second")
    simulation = play((0, [first, second]), nodes=[node("n0", disk="a"), node("n1", disk="b")])
    # n0: cpu (4000-2000)*100/4000 = 50, memory 50: 50; balance 75 before, 100 with: 87.
    # n1: cpu 100, memory 50: 75; balance 100 before, 75 with: 50 + 25/2 = 62.
    assert last_scores(simulation) == [50 + 87, 75 + 62]
    assert sorted(int(pod["node"]) for pod in alive(simulation)) in ([0, 0], [0, 1])


def test_a_sum_above_the_node_scores_zero() -> None:
    """Defaults can push a node over its memory: its memory then scores 0."""
    small = [node("n0", memory=100 << 20), node("n1", memory=100 << 20)]
    # cpu (4000-1000)*100/4000 = 75, memory 0: 37. Balance as above.
    assert scores(template(container("1")), *small) == [37 + 68, 37 + 68]


def test_a_resource_that_a_node_does_not_have_is_left_out() -> None:
    # Only cpu: 75; one resource cannot be out of balance: 50 + 50/2 = 75.
    assert scores(template(container("1")), node("n0", memory=0), node("n1", memory=0)) == [150] * 2


def test_the_requests_of_a_pod() -> None:
    """max(containers + sidecars, each init container + the sidecars before it) + overhead."""
    pod = template(
        container("100m"),
        initContainers=[
            container("500m", name="early"),
            container("200m", name="mesh", sidecar=True),
            container("600m", name="late"),
        ],
        overhead={"cpu": "50m"},
    )
    simulation = play((0, [bare_pod(pod)]), nodes=nodes(1))
    assert simulation.state.nodes["cpu"][0] == 600 + 200 + 50


@pytest.mark.parametrize(
    ("requests", "limits", "inner", "expected"),
    [
        ({"cpu": "2"}, {}, "500m", 2000),
        ({}, {"cpu": "2"}, None, 2000),  # no container names it: the limit
        ({}, {"cpu": "2"}, "500m", 500),  # a container names it: their sum
        ({}, {"memory": "1Gi"}, None, 0),
    ],
)
def test_requests_of_the_whole_pod(
    requests: Json, limits: Json, inner: str | None, expected: int
) -> None:
    """Source: `pkg/apis/core/v1/defaults.go`, defaultPodRequests."""
    pod = template(container(inner), resources={"requests": requests, "limits": limits})
    simulation = play((0, [bare_pod(pod)]), nodes=nodes(1))
    assert simulation.state.nodes["cpu"][0] == expected


def test_least_allocated_ignores_the_placed_pods_own_level_only() -> None:
    """The pod being placed scores without its pod-level requests, a placed one with them."""
    pod = template(container(), resources={"requests": {"cpu": "2", "memory": "2Gi"}})
    one = play((0, [bare_pod(pod, "first")]), nodes=nodes(2))
    # cpu 97 and memory 97 by the container's defaults; balance |0.5-0.25|/2: 87: 68.
    assert last_scores(one) == [97 + 68, 97 + 68]
    cluster = [node("n0", disk="a"), node("n1", disk="b")]
    placed = template(container(), resources=pod["spec"]["resources"], nodeSelector={"disk": "a"})
    probe = bare_pod(template(container("0", "0")), "probe")
    two = play((0, [bare_pod(placed, "first"), probe]), nodes=cluster)
    # n0: cpu 50, memory (8-2)*100/8 = 75: 62. The probe requests nothing: not balanced.
    assert last_scores(two) == [62, 100]


def test_the_best_node_is_taken() -> None:
    web = deployment(template(container("1", "1Gi")), replicas=2)
    cluster = [node("n0"), node("n1", cpu=8000, memory=16 * GI), node("n2", cpu=1500)]
    for seed in range(8):
        simulation = play((0, [web]), nodes=cluster, seed=seed)
        # n1: cpu 87, memory 93: 90; balance |0.125-0.0625|/2: 96: 73. n0 has 152, as above.
        # With one pod there, n1: cpu 75, memory 87: 81; 93 after 96: 50 + 47/2 = 73: 154.
        assert simulation.state.pods["node"][:2].tolist() == [1, 1]


def test_ties_follow_the_seed() -> None:
    made = bare_pod(template(container("1")))
    runs = [play((0, [made]), nodes=nodes(3), seed=seed) for seed in range(40)]
    assert {int(one.state.pods["node"][0]) for one in runs} == {0, 1, 2}


def with_images(name: str, **images: int) -> Node:
    return replace(node(name), images={k.replace("_", ":"): v << 20 for k, v in images.items()})


def test_images_count_by_their_size_and_by_how_many_nodes_have_them() -> None:
    """One container: 23 MiB score 0, 1000 MiB score 100; an image counts for its share of nodes."""
    nodes = [with_images("n0", app_latest=1000), with_images("n1", app_latest=7), node("n2")]
    plain = scores(template(container("1", "1Gi")), *(node(f"n{i}") for i in range(3)))
    found = scores(template(container("1", "1Gi")), *nodes)
    share = 100 * (int((1000 << 20) * (2 / 3)) - (23 << 20)) // (977 << 20)
    assert [score - before for score, before in zip(found, plain, strict=True)] == [share, share, 0]


def test_every_container_and_image_volume_counts() -> None:
    """Two containers, one of them initial: 1977 MiB are between nothing and all."""
    pod = template(container("1"), initContainers=[container(name="init")])
    pod["spec"]["volumes"] = [{"name": "v", "image": {"reference": "model:2"}}]
    nodes = [with_images("n0", app_latest=500, model_2=100), node("n1")]
    plain = scores(pod, node("n0"), node("n1"))
    found = scores(pod, *nodes)
    share = 100 * ((2 * 250 + 50 - 23) << 20) // (1977 << 20)
    assert [score - before for score, before in zip(found, plain, strict=True)] == [share, 0]
