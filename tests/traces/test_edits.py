import copy
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import traces
from traces import arithmetic, object_hash
from traces.document import Trace, gvk, object_name
from traces.quantities import parse_resource

DEFAULTS: dict[str, tuple[str, str | int]] = {
    "bump_cpu_small": ("step", "500m"),
    "bump_mem_small": ("step", "256Mi"),
    "reduce_cpu_small": ("step", "500m"),
    "reduce_mem_small": ("step", "256Mi"),
    "scale_up_replicas": ("delta", 1),
    "scale_down_replicas": ("delta", 1),
    "set_cpu_limit": ("limit", "2000m"),
    "set_mem_limit": ("limit", "2Gi"),
    "bump_cpu_limit": ("step", "500m"),
    "bump_mem_limit": ("step", "256Mi"),
    "reduce_cpu_limit": ("step", "500m"),
    "reduce_mem_limit": ("step", "256Mi"),
}
EDITS: dict[str, Callable[..., bool]] = {name: getattr(traces, name) for name in DEFAULTS}

# The resources before, the edit, its amount, and the resources after; None: unchanged.
CASES: list[tuple[Any, str, Any, Any]] = [
    ({"requests": {"cpu": "1"}}, "bump_cpu_small", "500m", {"requests": {"cpu": "1500m"}}),
    ({"requests": {"cpu": 1}}, "bump_cpu_small", "1", {"requests": {"cpu": "2"}}),
    ({}, "bump_cpu_small", "500m", {"requests": {"cpu": "500m"}}),
    (None, "bump_mem_small", "256Mi", {"requests": {"memory": "256Mi"}}),
    (
        {"limits": {"cpu": "1"}},
        "bump_cpu_small",
        "500m",
        {"limits": {"cpu": "1500m"}, "requests": {"cpu": "1500m"}},
    ),
    (
        {"limits": {"cpu": "1"}},
        "reduce_cpu_small",
        "400m",
        {"limits": {"cpu": "1"}, "requests": {"cpu": "600m"}},
    ),
    (
        {"requests": {"memory": "1Gi"}, "limits": {"memory": "1Gi"}},
        "bump_mem_small",
        "256Mi",
        {"requests": {"memory": "1280Mi"}, "limits": {"memory": "1280Mi"}},
    ),
    (
        {"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        "bump_mem_small",
        "256Mi",
        {"requests": {"memory": "1280Mi"}, "limits": {"memory": "2Gi"}},
    ),
    ({"requests": {"memory": "1Gi"}}, "reduce_mem_small", "2Gi", {"requests": {"memory": "0"}}),
    ({"requests": {"cpu": "0"}}, "reduce_cpu_small", "500m", None),
    ({}, "reduce_mem_small", "256Mi", None),
    ({}, "set_cpu_limit", "2000m", {"limits": {"cpu": "2"}}),
    ({"limits": {"cpu": "2000m"}}, "set_cpu_limit", "2", None),
    (
        {"requests": {"memory": "4Gi"}},
        "set_mem_limit",
        "2Gi",
        {"requests": {"memory": "2Gi"}, "limits": {"memory": "2Gi"}},
    ),
    ({"requests": {"cpu": "1"}}, "bump_cpu_limit", "500m", None),
    ({"limits": {"memory": "1Gi"}}, "bump_mem_limit", "1Gi", {"limits": {"memory": "2Gi"}}),
    (
        {"requests": {"cpu": "900m"}, "limits": {"cpu": "1"}},
        "reduce_cpu_limit",
        "500m",
        {"requests": {"cpu": "500m"}, "limits": {"cpu": "500m"}},
    ),
    ({"limits": {"memory": "1Gi"}}, "reduce_mem_limit", "24Mi", {"limits": {"memory": "1000Mi"}}),
]


def resources(trace: Trace, event: int = 0, container: int = 0) -> Any:
    obj = trace["events"][event]["applied_objs"][0]
    return obj["spec"]["template"]["spec"]["containers"][container].get("resources")


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_edits_have_their_names_and_defaults(name: str) -> None:
    parameter, default = DEFAULTS[name]
    parameters = list(inspect.signature(EDITS[name]).parameters.values())
    assert [one.name for one in parameters[:3]] == ["trace", "deploy", parameter]
    assert parameters[2].default == default
    assert name in traces.__all__


@pytest.mark.parametrize(("before", "edit", "amount", "after"), CASES)
def test_what_an_edit_does(build: Any, before: Any, edit: str, amount: Any, after: Any) -> None:
    trace = build.trace([build.workload(app=before)])
    original = copy.deepcopy(trace)
    assert EDITS[edit](trace, "web", amount) is (after is not None)
    if after is None:
        assert trace == original
    else:
        assert resources(trace) == after


@pytest.mark.parametrize("edit", DEFAULTS)
def test_a_missing_workload_or_container_changes_nothing(web: Trace, edit: str) -> None:
    before = copy.deepcopy(web)
    assert EDITS[edit](web, "api") is False
    assert EDITS[edit](web, "web", namespace="other") is False
    if "replicas" not in edit:
        assert EDITS[edit](web, "web", container="proxy") is False
    assert web == before


@pytest.mark.parametrize("edit", DEFAULTS)
def test_a_name_in_several_namespaces_is_refused(build: Any, edit: str) -> None:
    amounts = {"limits": {"cpu": "4", "memory": "4Gi"}}
    trace = build.trace(
        [build.workload(namespace="a", app=amounts), build.workload(namespace="b", app=amounts)]
    )
    with pytest.raises(traces.TraceError, match=r"a/web, Deployment b/web; name the namespace"):
        EDITS[edit](trace, "web")
    before = copy.deepcopy(trace)
    assert EDITS[edit](trace, "web", namespace="b") is True
    assert {change.workload.namespace for change in traces.diff(before, trace)} == {"b"}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "ReplicaSet"])
def test_every_event_and_the_index_follow(build: Any, kind: str) -> None:
    trace = build.trace(
        [build.workload(kind=kind), build.workload("other")],
        [build.workload(kind=kind, replicas=5)],
    )
    other = trace["index"]["apps/v1.Deployment"]["test-ns/other"]
    trace["events"][1]["deleted_objs"] = [build.workload(kind=kind)]
    assert traces.scale_up_replicas(trace, "web", 2)
    assert traces.bump_cpu_small(trace, "web")
    replicas = [event["applied_objs"][0]["spec"]["replicas"] for event in trace["events"]]
    assert replicas == [5, 7]
    assert [resources(trace, event)["requests"]["cpu"] for event in (0, 1)] == ["1500m", "1500m"]
    last = trace["events"][1]["applied_objs"][0]
    assert trace["index"][f"apps/v1.{kind}"]["test-ns/web"] == object_hash(last["spec"])
    assert trace["index"]["apps/v1.Deployment"]["test-ns/other"] == other
    # What was deleted is no longer anybody's to repair.
    assert trace["events"][1]["deleted_objs"] == [build.workload(kind=kind)]


def test_a_container_can_be_named(build: Any) -> None:
    trace = build.trace([build.workload(app={}, proxy={"requests": {"cpu": "1"}})])
    assert traces.reduce_cpu_small(trace, "web", container="proxy")
    assert resources(trace, container=1) == {"requests": {"cpu": "500m"}}
    assert resources(trace) == {}
    assert traces.bump_cpu_small(trace, "web")
    assert resources(trace) == {"requests": {"cpu": "500m"}}


def test_missing_replicas_count_as_one(build: Any) -> None:
    trace = build.trace([build.workload(replicas=None)])
    assert traces.scale_up_replicas(trace, "web", 2)
    assert trace["events"][0]["applied_objs"][0]["spec"]["replicas"] == 3
    assert traces.scale_down_replicas(trace, "web", 9)
    assert trace["events"][0]["applied_objs"][0]["spec"]["replicas"] == 0
    assert not traces.scale_down_replicas(trace, "web")


@pytest.mark.parametrize("step", ["", "0", "-1", "NaN", "1mi", True, None])
def test_a_wrong_step_is_refused(web: Trace, step: Any) -> None:
    for edit in (traces.bump_cpu_small, traces.reduce_mem_limit, traces.set_mem_limit):
        with pytest.raises(traces.TraceError):
            edit(web, "web", step)


@pytest.mark.parametrize("delta", [0, -1, True, 1.0, "1"])
def test_a_wrong_delta_is_refused(web: Trace, delta: Any) -> None:
    with pytest.raises(traces.TraceError, match="delta"):
        traces.scale_up_replicas(web, "web", delta)


def test_changes_are_reported_in_kubernetes_notation(build: Any) -> None:
    trace = build.trace([build.workload(app={"limits": {"cpu": "1"}})])
    ref = traces.find_workload(trace, "web")
    changes = traces.edit_container(trace, "web", "cpu", lambda *_: (250, 2000))
    assert changes == [
        traces.Change(0, ref, "app", "requests.cpu", None, "250m"),
        traces.Change(0, ref, "app", "limits.cpu", "1", "2"),
    ]
    changes = traces.edit_container(trace, "web", "cpu", lambda *_: (arithmetic.UNSET, 2000))
    assert changes == [traces.Change(0, ref, "app", "requests.cpu", "250m", None)]
    assert resources(trace) == {"limits": {"cpu": "2"}, "requests": {}}


AMOUNTS = st.integers(0, 64_000)


@given(
    st.sampled_from(["cpu", "memory"]),
    st.none() | AMOUNTS,
    st.none() | AMOUNTS,
    st.sampled_from(["bump_{}_small", "reduce_{}_small", "bump_{}_limit", "set_{}_limit"]),
    AMOUNTS.filter(bool),
)
def test_an_edit_does_what_the_arithmetic_says(
    resource: Any, request_: int | None, limit: int | None, edit: str, amount: int
) -> None:
    text = (lambda x: f"{x}m") if resource == "cpu" else str
    amounts = {
        part: {resource: text(value)}
        for part, value in (("requests", request_), ("limits", limit))
        if value is not None
    }
    obj = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "a"},
        "spec": {"template": {"spec": {"containers": [{"name": "web", "resources": amounts}]}}},
    }
    trace: Any = {
        "version": 2,
        "config": {"trackedObjects": {}},
        "events": [{"ts": 0, "applied_objs": [obj], "deleted_objs": []}],
        "index": {},
        "pod_lifecycles": {},
    }
    before = copy.deepcopy(trace)
    pair = [arithmetic.UNSET if value is None else value for value in (request_, limit)]
    name = edit.format("cpu" if resource == "cpu" else "mem")
    changed = EDITS[name](trace, "web", text(amount))
    sign = -1 if name.startswith("reduce") else 1
    operation = (
        arithmetic.set_limit
        if name.startswith("set")
        else arithmetic.change_limit
        if name.endswith("limit")
        else arithmetic.change_request
    )
    expected = operation(*pair, sign * amount, 0, arithmetic.UNBOUNDED)
    now = resources(trace)
    found = [
        parse_resource(resource, now[part][resource])
        if resource in now.get(part, {})
        else arithmetic.UNSET
        for part in ("requests", "limits")
    ]
    assert (tuple(found), changed) == (expected, list(expected) != pair)
    assert bool(traces.diff(before, trace)) is changed
    if changed:
        assert trace["index"][gvk(obj)][object_name(obj)] == object_hash(obj["spec"])
    assert traces.loads(traces.dumps(trace)) == trace


def test_an_edit_of_a_recorded_trace_touches_nothing_else(dsb_scaling: Path) -> None:
    before = traces.load_trace(dsb_scaling)
    after = copy.deepcopy(before)
    ref = traces.find_deployments(before)[0]
    assert traces.bump_mem_small(after, ref.name)
    assert {change.workload for change in traces.diff(before, after)} == {ref}
    name = f"{ref.namespace}/{ref.name}"
    for trace in (before, after):
        del trace["index"]["apps/v1.Deployment"][name]
        for event in trace["events"]:
            event["applied_objs"] = [
                obj for obj in event["applied_objs"] if obj["metadata"]["name"] != ref.name
            ]
    assert traces.dumps(before) == traces.dumps(after)
