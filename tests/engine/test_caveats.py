"""What the engine takes more simply than a cluster would is said by name."""

from typing import Any

import pytest

from sim_arena.engine import compile_trace
from sim_arena.nodes import Node, Taint
from tests.engine.manifests import (
    Json,
    bare_pod,
    container,
    cron_job,
    deployment,
    node,
    replica_set,
    stateful_set,
    template,
    trace,
)

HOST = "kubernetes.io/hostname"
EVICTING = Taint("gone", "", "NoExecute")
CLUSTER = [node("n0"), node("n1", taints=(EVICTING,))]


def told(*events: Any, nodes: list[Node] = CLUSTER) -> str:
    return "\n".join(compile_trace(trace(*events), nodes).warnings)


def tolerating(seconds: int | None, **spec: Any) -> Json:
    tolerated = {"key": "gone", "operator": "Exists", "tolerationSeconds": seconds}
    return template(tolerations=[{k: v for k, v in tolerated.items() if v is not None}], **spec)


def near(key: str) -> Json:
    selector = {"matchExpressions": [{"key": key, "operator": "Exists"}]}
    term = {"labelSelector": selector, "topologyKey": HOST}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    return template(affinity={"podAffinity": required})


def service(name: str = "s") -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": {"app": "web"}},
    }


def priority(value: int) -> Json:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "high"},
        "value": value,
    }


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([(0, [bare_pod(template(nodeName="n7"))])], "its pods name the node n7"),
        ([(0, [deployment(template(nodeName="n1"))])], "the NoExecute taint of n1 evicts its pods"),
        ([(0, [deployment(tolerating(10))])], "tolerationSeconds is not modelled"),
        (
            [(0, [stateful_set(near("statefulset.kubernetes.io/pod-name"))])],
            "it selects pods by the label statefulset.kubernetes.io/pod-name",
        ),
        (
            [(0, [cron_job(template()), bare_pod(near("job-name"), "near")])],
            "it selects pods by the label job-name",
        ),
        ([(0, [deployment(template())]), (5, [service()])], "Service/shop/s comes later"),
        ([(0, [service()]), (5, [], [service()])], "Service/shop/s is deleted"),
        ([(0, [priority(5)]), (5, [priority(7)])], "PriorityClass high changes"),
        (
            [(0, [deployment(template())]), (5, [{**priority(5), "globalDefault": True}])],
            "PriorityClass high comes later",
        ),
        ([(0, [deployment(template(runtimeClassName="gvisor"))])], "runtimeClassName is not"),
        ([(0, [deployment(template(overhead={"cpu": "1m"}))])], "overhead without a"),
        (
            [(0, [deployment(template(volumes=[{"name": "v", "rbd": {}}]))])],
            "rbd volumes that keep its pods apart",
        ),
        (
            [(0, [bare_pod(template(), "alone")]), (5, [replica_set(template())])],
            "ReplicaSet/shop/web would adopt Pod/shop/alone",
        ),
        (
            [(0, [bare_pod(template(), "web-0")]), (5, [stateful_set(template())])],
            "StatefulSet/shop/web cannot make Pod/shop/web-0",
        ),
        ([(0, [stateful_set(template(), name="s" * 53)])], "the name is too long"),
    ],
)
def test_what_a_cluster_would_do_otherwise(events: Any, words: str) -> None:
    assert words in told(*events)


@pytest.mark.parametrize(
    "events",
    [
        [(0, [bare_pod(template(nodeName="n0"))])],
        [(0, [deployment(tolerating(None))])],
        [(0, [deployment(tolerating(None, nodeName="n1"))])],
        [(0, [deployment(template(container("1")))])],
        [(0, [bare_pod(near("job-name"), "near")])],
        [(0, [service(), priority(5)]), (5, [priority(5)])],
        [(0, [{**priority(5), "globalDefault": True}])],
        [(0, [bare_pod(template(), "alone"), stateful_set(template(), name="s" * 52)])],
    ],
)
def test_nothing_is_told_of_what_is_modelled(events: Any) -> None:
    assert told(*events) == ""
