"""Which pods a ReplicaSet deletes first.

Source: Kubernetes 1.36 `pkg/controller/controller_utils.go` (ActivePodsWithRanks). A changed
template is for a ReplicaSet's new pods only, so that its pods can differ.
"""

from typing import Any

import numpy as np
import pytest

from sim_arena.engine import Simulation
from sim_arena.engine.jit import interpreted
from sim_arena.engine.program import REGULAR, SIDECAR, Arrays
from sim_arena.engine.replicaset import compare_restarts
from sim_arena.nodes import Node
from tests.engine.manifests import (
    Json,
    bare_pod,
    container,
    deployment,
    node,
    nodes,
    replica_set,
    stateful_set,
    template,
)
from tests.engine.scenes import alive, play, status

A = template(container("100m"))
B = template(container("200m"))


def survivors(
    first: Json, second: Json, *, scaled_at: int, cluster: list[Node] | None = None,
    second_at: int = 5, seed: int = 0, firsts: int = 2, left: int = 1,
) -> list[str]:  # fmt: skip
    """Make pods of one template, then one of another; scale down; say whose pods are left."""
    simulation = play(
        (0, [replica_set(first, firsts)]),
        (second_at, [replica_set(second, firsts + 1)]),
        (scaled_at, [replica_set(second, left)]),
        nodes=cluster or nodes(1),
        until=scaled_at,
        seed=seed,
    )
    return ["AB"[int(pod["template"])] for pod in alive(simulation)]


def test_unscheduled_pods_go_first() -> None:
    simulation = play(
        (0, [replica_set(template(container("3")), 3)]),
        (9, [replica_set(template(container("3")), 2)]),
        nodes=nodes(2),
    )
    assert status(simulation)[3:6] == (2, 0, 2)


def test_pods_that_are_not_ready_go_before_ready_ones() -> None:
    crashing = template(container("1", limits={"memory": "1Mi"}), usage={"app": "memory=2Mi"})
    assert survivors(crashing, A, scaled_at=400, left=1, firsts=1) == ["B"]
    assert survivors(A, crashing, scaled_at=400, left=1, firsts=1) == ["A"]


def test_a_lower_deletion_cost_goes_first() -> None:
    costly = template(container("1"))
    costly["metadata"]["annotations"]["controller.kubernetes.io/pod-deletion-cost"] = "5"
    assert survivors(A, costly, scaled_at=400) == ["B"]


@pytest.mark.parametrize("made", [deployment, replica_set])
def test_of_a_deployments_pods_those_that_share_a_node_go_first(made: Any) -> None:
    """A ReplicaSet that nobody owns has no related ones, itself included: chance decides."""
    pod = template(container("1"))
    cluster = [node("two", cpu=2000), node("one", cpu=1000)]
    left = set()
    for seed in range(16):
        simulation = play((0, [made(pod, 3)]), (5, [made(pod, 2)]), nodes=cluster, seed=seed)
        left.add(tuple(sorted(int(pod["node"]) for pod in alive(simulation))))
    assert left == ({(0, 1)} if made is deployment else {(0, 1), (0, 0)})


def test_the_most_recently_ready_go_first() -> None:
    # log2 of 200 s is 37.5 in nanoseconds, of 100 s 36.5: different powers of two.
    for seed in range(8):
        assert survivors(A, B, second_at=100, scaled_at=200, firsts=1, seed=seed) == ["A"]


def test_within_one_power_of_two_chance_decides() -> None:
    # 137 s and 77 s both lie between 2^36 and 2^37 nanoseconds.
    left = {survivors(A, B, second_at=60, scaled_at=137, firsts=1, seed=s)[0] for s in range(30)}
    assert left == {"A", "B"}


def crashing(cpu: str, *names: str) -> Json:
    return template(
        *(container(cpu, name=name, limits={"memory": "1Mi"}) for name in names),
        usage=dict.fromkeys(names, "memory=2Mi"),
    )


def test_more_restarts_go_first() -> None:
    """At 60 s the older has restarted three times (at 0, 10 and 30 s), the other twice."""
    for seed in range(8):
        assert survivors(crashing("1", "app"), crashing("2", "app"), second_at=50, scaled_at=60,
                         firsts=1, seed=seed) == ["B"]  # fmt: skip


def test_the_container_with_the_most_restarts_counts() -> None:
    """Two containers that restarted twice each are fewer than one that restarted three times."""
    for seed in range(8):
        assert survivors(crashing("1", "app"), crashing("1", "a", "b"), second_at=50, scaled_at=60,
                         firsts=1, seed=seed) == ["B"]  # fmt: skip


def test_more_pods_than_one_sync_deletes() -> None:
    simulation = play(
        (0, [replica_set(template(), 1200)]), (5, [replica_set(template(), 10)]),
        nodes=nodes(20, pods=110),
    )  # fmt: skip
    assert total(simulation) == 10


def total(simulation: Simulation) -> int:
    return status(simulation).total


def test_a_replica_set_of_its_own_does_not_look_at_crowded_nodes() -> None:
    """Nobody owns it, so its pods have no rank: any of equal age may go, the seed decides."""
    pods = [replica_set(template(container("1")), n) for n in (4, 3)]
    cluster = [node("a", cpu=3000), node("b", cpu=1000)]
    left = {
        tuple(
            sorted(
                int(pod["node"])
                for pod in alive(play((0, pods[:1]), (10, pods[1:]), nodes=cluster, seed=seed))
            )
        )
        for seed in range(20)
    }
    assert left == {(0, 0, 0), (0, 0, 1)}


def test_a_moment_is_over_when_every_controller_has_acted() -> None:
    """Deleted pods can be all that is left in the scheduler's queue while a deletion goes on."""
    for seed in range(64):
        sets = [replica_set(A, 3, name) for name in ("web", "other")]
        simulation = play((0, sets, sets[:1]), nodes=nodes(1), until=0, seed=seed)
        assert total(simulation) == 0
        assert status(simulation, "other").ready == 3


@pytest.mark.parametrize("made", [replica_set(A), bare_pod(A), deployment(A), stateful_set(A)])
def test_an_object_that_is_deleted_and_applied_again_within_a_moment(made: Json) -> None:
    """At double speed one second is no time."""
    for seed in range(32):
        simulation = play((0, [made], [made]), (1, [made]), nodes=nodes(1), speed=2.0, seed=seed)
        assert status(simulation)[3:6] == (1, 0, 1)


def test_regular_containers_restarts_decide_before_those_of_sidecars() -> None:
    """As `compareMaxContainerRestarts` in `pkg/controller/controller_utils.go` has it."""
    side = container("1m", name="side", sidecar=True)
    pod = template(container("1m"), initContainers=[side])
    simulation = play((0, [replica_set(pod, 2)]), nodes=nodes(1))
    state, known = simulation.state, simulation.program.arrays
    arrays = Arrays(*(a.view(np.recarray) if a.dtype.names else a for a in known))
    seen = state._replace(
        pods=state.pods.view(np.recarray), containers=state.containers.view(np.recarray)
    )
    kinds = arrays.containers.kind[:2].tolist()
    regular, sidecar = kinds.index(REGULAR), kinds.index(SIDECAR)
    compare = interpreted(compare_restarts)
    assert compare(arrays, seen, 0, 1) == 0
    seen.pods[0].restarts = seen.pods[1].restarts = 6
    seen.containers[sidecar].restarts = 5
    seen.containers[regular].restarts = 1
    seen.containers[2 + regular].restarts = 3
    assert compare(arrays, seen, 0, 1) == -1
    seen.containers[regular].restarts = 3
    assert compare(arrays, seen, 0, 1) == 1
