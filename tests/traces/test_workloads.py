from pathlib import Path
from typing import Any

import pytest

import traces
from traces import WorkloadRef, find_deployments, find_workload


def test_workloads_are_found_in_order_of_appearance(build: Any) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "solo", "namespace": "a"},
        "spec": {"containers": [{"name": "solo"}]},
    }
    trace = build.trace(
        [build.workload("db", kind="StatefulSet"), pod],
        [build.workload("web"), build.workload("db", kind="StatefulSet")],
        [build.workload("old", kind="ReplicaSet", namespace=None)],
    )
    assert find_deployments(trace) == [
        WorkloadRef("StatefulSet", "test-ns", "db"),
        WorkloadRef("Deployment", "test-ns", "web"),
        WorkloadRef("ReplicaSet", "default", "old"),
    ]


def test_a_recorded_trace_has_27_deployments(dsb_scaling: Path) -> None:
    found = find_deployments(traces.load_trace(dsb_scaling))
    assert len(set(found)) == len(found) == 27
    assert found[0] == WorkloadRef("Deployment", "dsb", "user-timeline-service")


def test_a_missing_workload_gets_a_list_of_those_there(web: Any) -> None:
    with pytest.raises(traces.TraceError, match=r"named api, found none.* Deployment test-ns/web"):
        find_workload(web, "api")
    with pytest.raises(traces.TraceError, match="named web in namespace other"):
        find_workload(web, "web", "other")


def test_an_empty_trace_says_so(build: Any) -> None:
    with pytest.raises(traces.TraceError, match="no workload at all"):
        find_workload(build.trace([]), "web")


def test_a_name_in_several_namespaces_needs_one(build: Any) -> None:
    trace = build.trace([build.workload(namespace="a"), build.workload(namespace="b")])
    with pytest.raises(traces.TraceError, match=r"a/web, .* b/web; name the namespace"):
        find_workload(trace, "web")
    assert find_workload(trace, "web", "b") == WorkloadRef("Deployment", "b", "web")


def test_a_name_of_several_kinds_needs_one(build: Any) -> None:
    trace = build.trace([build.workload(), build.workload(kind="StatefulSet")])
    with pytest.raises(traces.TraceError, match="name the kind, as in Deployment/web"):
        find_workload(trace, "web")
    assert find_workload(trace, "statefulset/web").kind == "StatefulSet"


def test_containers_are_named_in_order(build: Any) -> None:
    trace = build.trace([build.workload(app={}, proxy={})], [build.workload(app={}, log={})])
    assert traces.containers(trace, find_workload(trace, "web")) == ["app", "proxy", "log"]
