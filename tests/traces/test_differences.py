import copy
from typing import Any

import pytest
import yaml

import traces
from traces import Change, WorkloadRef
from traces.document import Trace

WEB = WorkloadRef("Deployment", "test-ns", "web")


def test_equal_traces_do_not_differ(web: Trace) -> None:
    assert traces.diff(web, copy.deepcopy(web)) == []
    assert traces.patch(web, copy.deepcopy(web), WEB) == ""


def test_only_amounts_count(build: Any) -> None:
    one = build.trace([build.workload(app={"requests": {"cpu": "1000m", "memory": "1024Mi"}})])
    other = build.trace([build.workload(app={"requests": {"cpu": 1, "memory": "1Gi"}})])
    assert traces.diff(one, other) == []


def test_what_differs_is_listed_by_event(build: Any) -> None:
    trace = build.trace([build.workload()], [build.workload(replicas=5)])
    after = copy.deepcopy(trace)
    traces.scale_up_replicas(after, "web")
    traces.set_cpu_limit(after, "web", "500m")
    assert traces.diff(trace, after) == [
        Change(0, WEB, None, "replicas", "3", "4"),
        Change(0, WEB, "web", "requests.cpu", "1", "500m"),
        Change(0, WEB, "web", "limits.cpu", None, "500m"),
        Change(1, WEB, None, "replicas", "5", "6"),
        Change(1, WEB, "web", "requests.cpu", "1", "500m"),
        Change(1, WEB, "web", "limits.cpu", None, "500m"),
    ]


def test_a_workload_of_only_one_trace_is_a_change(build: Any, web: Trace) -> None:
    more = build.trace([build.workload()], [build.workload("api")])
    api = WorkloadRef("Deployment", "test-ns", "api")
    assert traces.diff(web, more) == [Change(1, api, None, "applied", None, "yes")]
    assert traces.diff(more, web) == [Change(1, api, None, "applied", "yes", None)]


def test_the_patch_is_what_kubectl_takes(build: Any) -> None:
    amounts = {"requests": {"cpu": "4", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
    before = build.trace([build.workload(app=amounts, proxy=amounts)])
    after = copy.deepcopy(before)
    traces.reduce_cpu_small(after, "web", "2")
    traces.bump_mem_limit(after, "web", container="proxy")
    traces.scale_down_replicas(after, "web")
    patch = yaml.safe_load(traces.patch(before, after, WEB))
    assert patch == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "test-ns"},
        "spec": {
            "replicas": 2,
            "template": {
                "spec": {
                    "containers": [
                        {"name": "app", "resources": {"requests": {"cpu": "2"}}},
                        {"name": "proxy", "resources": {"limits": {"memory": "1280Mi"}}},
                    ]
                }
            },
        },
    }


def test_a_removed_field_is_null_in_the_patch(build: Any) -> None:
    before = build.trace([build.workload(app={"limits": {"cpu": "1"}})])
    after = build.trace([build.workload(app={}, replicas=None)])
    spec = yaml.safe_load(traces.patch(before, after, WEB))["spec"]
    assert spec["replicas"] is None
    container = spec["template"]["spec"]["containers"][0]
    assert container == {"name": "app", "resources": {"limits": {"cpu": None}}}


def test_a_patch_needs_the_workload(web: Trace) -> None:
    with pytest.raises(traces.TraceError, match="applies Deployment test-ns/api"):
        traces.patch(web, web, WEB._replace(name="api"))
