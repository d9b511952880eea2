"""Where pods compete, the seed decides who comes first; where none does, it decides nothing."""

from typing import Any

import numpy as np
import pytest

from sim_arena.engine import Batch, Parameters, compile_trace
from sim_arena.nodes import parse_nodes
from traces import Trace

SEEDS = range(256)


def deployment(name: str, cpu: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "main", "image": "app", "resources": {"requests": {"cpu": cpu}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def trace(*events: list[dict[str, Any]]) -> Trace:
    return {
        "version": 2,
        "config": {"trackedObjects": {}},
        "events": [
            {"ts": 10 * number, "applied_objs": applied, "deleted_objs": []}
            for number, applied in enumerate(events)
        ],
        "index": {},
        "pod_lifecycles": {},
    }


def of_kind(kind: str, name: str, count: int) -> dict[str, Any]:
    """A workload of any kind whose pods request 1 CPU."""
    made = deployment(name, "1", count)
    made["kind"] = kind
    if kind == "StatefulSet":
        made["spec"] |= {"serviceName": name, "podManagementPolicy": "Parallel"}
    elif kind == "DaemonSet":
        del made["spec"]["replicas"]
    elif kind == "Job":
        made["apiVersion"] = "batch/v1"
        made["spec"] = {"parallelism": count, "template": made["spec"]["template"]}
        made["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    return made


def ready(played: Trace, nodes: str) -> set[tuple[int, ...]]:
    program = compile_trace(played, parse_nodes(nodes), Parameters(duration=60))
    batch = Batch([program] * len(SEEDS), list(SEEDS))
    batch.advance()
    return {tuple(row.ready for row in batch.status(seed)) for seed in SEEDS}


def test_deployments_of_one_event_share_what_there_is_in_many_ways() -> None:
    seen = ready(trace([deployment("a", "1", 8), deployment("b", "1", 8)]), "1x8cpu,32Gi")
    assert {sum(counts) for counts in seen} == {8}
    # The first one can be done before the second is there, and can be overtaken.
    assert {a for a, _ in seen} >= {4, 5, 6, 7, 8}


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet", "DaemonSet", "Job"])
def test_controllers_take_turns_in_using_up_a_quota(kind: str) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": "shop"},
        "spec": {"hard": {"pods": "6"}},
    }
    both = [quota, of_kind(kind, "a", 6), deployment("b", "1", 6)]
    seen = ready(trace(both), "6x2cpu,32Gi")
    assert {sum(counts) for counts in seen} == {6}
    assert {a for a, _ in seen} >= {2, 3, 4}


def test_the_earlier_event_comes_first() -> None:
    seen = ready(trace([deployment("a", "1", 8)], [deployment("b", "1", 8)]), "1x8cpu,32Gi")
    assert seen == {(8, 0)}


def test_pods_that_wait_come_before_new_ones() -> None:
    first = [deployment("a", "1", 8)]
    waiting = [deployment("b", "2", 2)]
    exchange = [deployment("a", "1", 0), deployment("c", "1", 8)]
    seen = ready(trace(first, waiting, exchange), "1x8cpu,32Gi")
    assert {b for _, b, _ in seen} >= {2}
    assert all(2 * b + c == 8 for _, b, c in seen)


def test_a_deleted_pod_may_still_have_its_room_when_its_successor_is_tried() -> None:
    # Kubernetes: controllers leave a pod with a deletionTimestamp out (pkg/controller/
    # controller_utils.go, IsPodActive), the scheduler's cache holds it until it is gone.
    web, updated = deployment("a", "2", 1), deployment("a", "2", 1)
    for one in (web, updated):
        one["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    updated["spec"]["template"]["spec"]["containers"][0]["image"] = "app:2"
    seen = ready(trace([web], [deployment("b", "3", 1)], [updated]), "1x4cpu,32Gi")
    assert seen == {(0, 1), (1, 0)}


def test_nothing_is_drawn_for_a_single_deployment_that_fits() -> None:
    program = compile_trace(
        trace([deployment("a", "1", 8)]), parse_nodes("2x8cpu,32Gi"), Parameters(duration=60)
    )
    batch = Batch([program] * 16, range(16))
    batch.advance()
    assert not np.any(batch.state.clock["choices"])
