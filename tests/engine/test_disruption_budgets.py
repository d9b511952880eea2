"""PodDisruptionBudgets: preemption prefers pods that may go.

Sources: Kubernetes `pkg/controller/disruption/disruption.go` and
`pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go`.
"""

from typing import Any

import pytest

from sim_arena.engine import Simulation
from tests.engine.manifests import (
    Json,
    bare_pod,
    container,
    deployment,
    nodes,
    replica_set,
    stateful_set,
    template,
)
from tests.engine.scenes import play, status

HIGH = bare_pod(template(container("3"), priority=10), "high")


def budget(app: str = "x", **spec: Any) -> Json:
    spec = {"selector": {"matchLabels": {"app": app}}, **spec}
    metadata = {"name": app, "namespace": "shop"}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata,
        "spec": spec,
    }


def labelled(app: str, cpu: str = "2") -> Json:
    pod = template(container(cpu))
    return {**pod, "metadata": {**pod["metadata"], "labels": {"app": app}}}


def left(simulation: Simulation, *names: str) -> list[int]:
    """How many pods of each name run."""
    return [status(simulation, name).ready for name in names]


def crowd(*budgets: Json, seed: int = 0) -> Simulation:
    """Two nodes, each full of two pods; on one of them the pods of `x`, on the other those of `y`.

    A pod of higher priority comes and needs the room of two.
    """
    return play((0, [*budgets, *_full()]), (5, [HIGH]), nodes=nodes(2), seed=seed)


def _full() -> list[Json]:
    pairs = ("x", "0"), ("y", "1")
    return [deployment({**labelled(app), **_on(node)}, 2, app) for app, node in pairs]


def _on(node: str) -> Json:
    named = {"key": "metadata.name", "operator": "In", "values": [f"n{node}"]}
    required = {"nodeSelectorTerms": [{"matchFields": [named]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    return {"spec": {**labelled("x")["spec"], "affinity": affinity}}


@pytest.mark.parametrize(
    "spec",
    [
        {"minAvailable": 1},
        {"minAvailable": "50%"},
        {"maxUnavailable": 1},
        {"maxUnavailable": "50%"},
        {"maxUnavailable": 0},
        {},
    ],
)
def test_a_node_where_no_budget_breaks_is_preferred(spec: Json) -> None:
    for seed in range(8):
        assert left(crowd(budget("x", **spec), seed=seed), "x", "y", "high") == [2, 0, 1]


@pytest.mark.parametrize("spec", [{"minAvailable": 0}, {"maxUnavailable": "100%"}])
def test_a_budget_that_lets_all_go_changes_nothing(spec: Json) -> None:
    outcomes = {tuple(left(crowd(budget("x", **spec), seed=seed), "x", "y")) for seed in range(16)}
    assert outcomes == {(2, 0), (0, 2)}


def test_a_budget_is_broken_where_nothing_else_helps() -> None:
    budgets = budget("x", maxUnavailable=0), budget("y", maxUnavailable=0)
    assert sorted(left(crowd(*budgets), "x", "y", "high")) == [0, 1, 2]


def test_the_lesser_violation_is_preferred() -> None:
    budgets = budget("x", maxUnavailable=1), budget("y", maxUnavailable=0)
    for seed in range(8):
        assert left(crowd(*budgets, seed=seed), "x", "y", "high") == [0, 2, 1]


def test_protected_pods_are_put_back_first() -> None:
    """Without the budget the older pod would be put back."""
    older = [bare_pod(labelled(app, "1"), app) for app in "xy"]
    high = bare_pod(template(container("3"), priority=10), "high")
    events: Any = (0, [older[1]]), (5, [older[0]]), (9, [high])
    assert left(play(*events, nodes=nodes(1)), "x", "y", "high") == [0, 1, 1]
    events = (0, [budget("x", minAvailable=1), older[1]]), *events[1:]
    assert left(play(*events, nodes=nodes(1)), "x", "y", "high") == [1, 0, 1]


def test_an_empty_selector_protects_nobody() -> None:
    outcomes = {
        tuple(left(crowd(budget(maxUnavailable=0, selector={}), seed=seed), "x", "y"))
        for seed in range(16)
    }
    assert outcomes == {(2, 0), (0, 2)}


def test_a_pod_without_labels_is_in_no_budget_of_preemption() -> None:
    """Not even in one whose selector it matches."""
    selector = {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}
    bare, other = labelled("x", "2"), labelled("y", "2")
    del bare["metadata"]["labels"]
    both = [bare_pod(bare, "x"), bare_pod(other, "y")]
    protected = budget("x", minAvailable=1, selector=selector)
    outcomes = set()
    for seed in range(16):
        simulation = play((0, [protected, *both]), (5, [HIGH]), nodes=nodes(2), seed=seed)
        outcomes.add(tuple(left(simulation, "x", "y", "high")))
    assert outcomes == {(1, 0, 1), (0, 1, 1)}


@pytest.mark.parametrize("make", [deployment, replica_set, stateful_set])
def test_shares_are_of_the_owners_replicas(make: Any) -> None:
    """Of five wanted pods three run: 60 % of five may not be broken, 60 % of three could be."""
    low = make(labelled("x", "1"), 5, "x", podManagementPolicy="Parallel")
    high = bare_pod(template(container("1"), priority=10), "high")
    other = bare_pod(labelled("y", "1"), "y")
    protected = budget("x", minAvailable="60%")
    simulation = play((0, [protected, other]), (1, [low]), (5, [high]), nodes=nodes(1))
    assert left(simulation, "x", "y", "high") == [3, 0, 1]


def test_a_budget_may_come_late_and_go() -> None:
    protected = budget("x", maxUnavailable=0)
    late = play((0, _full()), (3, [protected]), (5, [HIGH]), nodes=nodes(2))
    assert left(late, "x", "y") == [2, 0]
    outcomes = set()
    for seed in range(16):
        events = (0, [protected, *_full()]), (3, [], [protected]), (5, [HIGH])
        outcomes.add(tuple(left(play(*events, nodes=nodes(2), seed=seed), "x", "y")))
    assert outcomes == {(2, 0), (0, 2)}
