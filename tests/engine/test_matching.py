"""Which nodes the static filters let a pod onto.

Source: Kubernetes 1.36 `staging/src/k8s.io/component-helpers/scheduling/corev1/nodeaffinity/` and
`staging/src/k8s.io/apimachinery/pkg/labels/selector.go`.
"""

from typing import Any

import pytest

from sim_arena.engine.compiler.matching import node_mask
from sim_arena.nodes import Node, Taint
from tests.engine.manifests import node

SSD = node("ssd", disk="ssd", size="3")
HDD = node("hdd", disk="hdd", size="10")
BARE = node("bare")
CLUSTER = [SSD, HDD, BARE]


def allowed(spec: dict[str, Any], cluster: list[Node] = CLUSTER) -> list[str]:
    verdicts = node_mask(spec, cluster)
    return [one.name for one, verdict in zip(cluster, verdicts, strict=True) if verdict == 0]


def affinity(*terms: Any) -> dict[str, Any]:
    required = {"nodeSelectorTerms": list(terms)}
    return {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    }


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (expression("disk", "In", "ssd", "nvme"), ["ssd"]),
        (expression("disk", "NotIn", "ssd"), ["hdd", "bare"]),  # no label is not in either
        (expression("disk", "Exists"), ["ssd", "hdd"]),
        (expression("disk", "DoesNotExist"), ["bare"]),
        (expression("size", "Gt", "3"), ["hdd"]),
        (expression("size", "Lt", "10"), ["ssd"]),
        (expression("disk", "Gt", "3"), []),  # not a number
        (expression("size", "Gt", "many"), []),
    ],
)
def test_expressions(found: Any, names: list[str]) -> None:
    assert allowed(affinity({"matchExpressions": [found]})) == names


def test_terms_are_alternatives_and_expressions_are_not() -> None:
    ssd, large = expression("disk", "In", "ssd"), expression("size", "Gt", "5")
    assert allowed(affinity({"matchExpressions": [ssd]}, {"matchExpressions": [large]})) == [
        "ssd",
        "hdd",
    ]
    assert allowed(affinity({"matchExpressions": [ssd, large]})) == []


def test_an_empty_term_selects_nothing() -> None:
    assert allowed(affinity({})) == []
    assert allowed(affinity({}, {"matchExpressions": [expression("disk", "In", "hdd")]})) == ["hdd"]
    assert allowed(affinity()) == []


@pytest.mark.parametrize(
    ("terms", "names"),
    [
        ([{"matchFields": [expression("metadata.name", "In", "hdd", "bare")]}], ["hdd", "bare"]),
        ([{"matchFields": [expression("metadata.name", "NotIn", "hdd")]}], ["ssd", "bare"]),
        (
            [
                {
                    "matchFields": [expression("metadata.name", "In", "ssd", "hdd")],
                    "matchExpressions": [expression("disk", "In", "hdd")],
                },
                {"matchFields": [expression("metadata.name", "In", "bare")]},
            ],
            ["hdd", "bare"],
        ),
        (
            [
                {
                    "matchFields": [
                        expression("metadata.name", "In", "ssd"),
                        expression("metadata.name", "In", "hdd"),
                    ]
                }
            ],
            [],
        ),
    ],
)
def test_fields(terms: Any, names: list[str]) -> None:
    assert allowed(affinity(*terms)) == names


def test_a_node_selector_and_an_affinity_must_both_match() -> None:
    spec = affinity({"matchExpressions": [expression("size", "Exists")]})
    assert allowed({**spec, "nodeSelector": {"disk": "ssd"}}) == ["ssd"]
    assert allowed({"nodeSelector": {"disk": "ssd", "size": "4"}}) == []
    assert allowed({"nodeSelector": {}}) == ["ssd", "hdd", "bare"]


TAINTED = node("t", taints=(Taint("team", "a", "NoSchedule"),))


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "team", "operator": "Exists"}, True),
        ({"key": "team", "value": "a"}, True),  # Equal is the default
        ({"key": "team", "operator": "Equal", "value": "b"}, False),
        ({"key": "team", "value": "a", "effect": "NoSchedule"}, True),
        ({"key": "team", "value": "a", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "team"}, False),  # the empty value
    ],
)
def test_tolerations(toleration: Any, *, tolerated: bool) -> None:
    assert allowed({"tolerations": [toleration]}, [TAINTED]) == (["t"] if tolerated else [])


def test_pods_tolerate_nodes_that_are_not_ready_for_a_while() -> None:
    """The API server's admission plugin DefaultTolerationSeconds adds that."""
    away = node("away", taints=(Taint("node.kubernetes.io/unreachable", "", "NoExecute"),))
    fresh = node("fresh", taints=(Taint("node.kubernetes.io/not-ready", "", "NoSchedule"),))
    assert allowed({}, [away, fresh]) == ["away"]


def test_a_cordon_can_be_tolerated() -> None:
    cordoned = node("c", unschedulable=True)
    key = "node.kubernetes.io/unschedulable"
    assert allowed({}, [cordoned]) == []
    assert allowed({"tolerations": [{"key": key, "operator": "Exists"}]}, [cordoned]) == ["c"]
