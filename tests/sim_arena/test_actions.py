import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import traces
from sim_arena.actions import REGISTRY, apply_to_trace, validate
from sim_arena.errors import ActionError
from sim_arena.guardrails import Guardrails
from traces import Trace, arithmetic
from traces.quantities import format_cpu, format_memory

NAMES = {
    "noop", "bump_cpu_small", "bump_mem_small", "reduce_cpu_small", "reduce_mem_small",
    "scale_up_replicas", "scale_down_replicas", "set_cpu_limit", "set_mem_limit",
    "bump_cpu_limit", "bump_mem_limit", "reduce_cpu_limit", "reduce_mem_limit",
}  # fmt: skip
FORMATS = {"cpu": format_cpu, "memory": format_memory}


def workload(resources: dict[str, Any], replicas: int = 3, name: str = "web") -> dict[str, Any]:
    containers = [
        {"name": "app", "image": "app", "resources": resources},
        {"name": "sidecar", "image": "sidecar"},
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}},
    }


def trace_of(*objects: dict[str, Any]) -> Trace:
    events = [
        {"ts": 100 + i, "applied_objs": [obj], "deleted_objs": []} for i, obj in enumerate(objects)
    ]
    return Trace(
        version=2, config={"trackedObjects": {}}, events=events, index={}, pod_lifecycles={}
    )


def resources_of(trace: Trace, container: int = 0) -> dict[str, Any]:
    spec = trace["events"][0]["applied_objs"][0]["spec"]
    found: dict[str, Any] = spec["template"]["spec"]["containers"][container]["resources"]
    return found


def replicas_of(trace: Trace) -> int:
    return int(trace["events"][0]["applied_objs"][0]["spec"]["replicas"])


def test_names() -> None:
    assert set(REGISTRY) == NAMES
    assert all(kind.name == name and kind.description for name, kind in REGISTRY.items())


@pytest.mark.parametrize("name", sorted(NAMES - {"noop"}))
def test_default_steps_are_those_of_the_named_edits(name: str) -> None:
    parameters = inspect.signature(getattr(traces, name)).parameters
    default = next(
        parameters[key].default for key in ("step", "limit", "delta") if key in parameters
    )
    assert REGISTRY[name].default_step == default


@pytest.mark.parametrize("name", sorted(NAMES - {"noop"}))
def test_without_guardrails_in_the_way_an_action_is_the_named_edit(name: str) -> None:
    resources = {
        "requests": {"cpu": "2", "memory": "3Gi"},
        "limits": {"cpu": "3", "memory": "4Gi"},
    }
    one, other = (trace_of(workload(dict(map(_copied, resources.items())))) for _ in range(2))
    mutation = apply_to_trace(one, {"type": name, "deploy": "web"})
    assert getattr(traces, name)(other, "web")
    assert one == other
    assert mutation.changed
    assert mutation.changes


def _copied(item: tuple[str, dict[str, str]]) -> tuple[str, dict[str, str]]:
    return item[0], dict(item[1])


def test_validate_fills_in_the_step() -> None:
    assert validate({"type": "bump_cpu_small", "deploy": "web"}) == {
        "type": "bump_cpu_small",
        "deploy": "web",
        "step": "500m",
    }
    steps = {"bump_cpu_small": "250m"}
    assert validate({"type": "bump_cpu_small", "deploy": "web"}, steps=steps)["step"] == "250m"
    named = {"type": "bump_cpu_small", "deploy": "web", "step": "1"}
    assert validate(named, steps=steps)["step"] == "1"
    assert validate({"type": "noop", "deploy": "web"}) == {"type": "noop", "deploy": "web"}


def test_validate_makes_a_new_action_without_empty_fields() -> None:
    given_action = {"type": "noop", "deploy": "web", "container": None, "step": None}
    assert validate(given_action) == {"type": "noop", "deploy": "web"}
    assert given_action["container"] is None


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (None, "found NoneType"),
        ("noop", "found str"),
        ({}, "expected an action's type, one of noop, .*found None"),
        ({"type": "explode", "deploy": "web"}, "found 'explode'"),
        ({"type": ["noop"], "deploy": "web"}, "found \\['noop'\\]"),
        ({"type": "noop"}, "deploy of an action to be a name, found None"),
        ({"type": "noop", "deploy": ""}, "deploy of an action"),
        ({"type": "noop", "deploy": "web", "step": "1"}, "noop takes no step"),
        ({"type": "noop", "deploy": "web", "container": "app"}, "noop takes no container"),
        ({"type": "scale_up_replicas", "deploy": "web", "container": "app"}, "no container"),
        ({"type": "bump_cpu_small", "deploy": "web", "container": 1}, "container .* found 1"),
        ({"type": "bump_cpu_small", "deploy": "web", "amount": "1"}, "found 'amount'"),
        ({"type": "bump_cpu_small", "deploy": "web", 1: "1"}, "found 1"),
        ({"type": "bump_cpu_small", "deploy": "web", "step": "NaN"}, "between 1m and 256"),
        ({"type": "bump_cpu_small", "deploy": "web", "step": "0"}, "between 1m and 256"),
        ({"type": "bump_cpu_small", "deploy": "web", "step": "-1"}, "at least 0"),
        ({"type": "bump_cpu_small", "deploy": "web", "step": 1.5}, "found 1.5"),
        ({"type": "bump_cpu_small", "deploy": "web", "step": True}, "found True"),
        ({"type": "bump_mem_small", "deploy": "web", "step": "5Ti"}, "between 1Ki and 4Ti"),
        ({"type": "scale_up_replicas", "deploy": "web", "step": 0}, "between 1 and 1000"),
        ({"type": "scale_up_replicas", "deploy": "web", "step": "many"}, "between 1 and 1000"),
    ],
)
def test_validate_refuses(action: Any, message: str) -> None:
    with pytest.raises(ActionError, match=message):
        validate(action)


containers_actions = st.sampled_from([k for k in REGISTRY.values() if k.takes_container])
cpu = st.none() | st.integers(0, 40_000)
bounds = st.tuples(st.integers(0, 30_000), st.integers(0, 30_000)).map(sorted)


@given(containers_actions, cpu, cpu, st.integers(1, 30_000), bounds)
def test_an_action_never_leads_further_out_of_the_guardrails(
    kind: Any, request: int | None, limit: int | None, step: int, low_high: list[int]
) -> None:
    low, high = low_high
    guardrails = Guardrails(
        cpu_min=f"{low}m", cpu_max=f"{high}m", memory_min=f"{low}Ki", memory_max=f"{high}Ki"
    )
    unit = "m" if kind.resource == "cpu" else "Ki"
    resources: dict[str, Any] = {}
    if request is not None:
        resources["requests"] = {kind.resource: f"{request}{unit}"}
    if limit is not None:
        resources["limits"] = {kind.resource: f"{limit}{unit}"}
    trace = trace_of(workload(resources))
    before = traces.dumps(trace)
    mutation = apply_to_trace(
        trace,
        {"type": kind.name, "deploy": "web", "step": f"{step}{unit}"},
        guardrails=guardrails,
    )
    assert mutation.changed == (traces.dumps(trace) != before) == bool(mutation.changes)
    if not mutation.changed:
        assert mutation.notes, "an action without effect says why"
    bounds = guardrails.bounds(kind.resource)
    for change in mutation.changes:
        _assert_no_further_out(change, kind, bounds, limit is None and request is None)


def _assert_no_further_out(
    change: traces.Change, kind: Any, bounds: tuple[int, int], missing: bool
) -> None:
    part = "requests" if kind.op == "change_request" else "limits"
    if not change.field.startswith(part) or change.after is None:
        return
    parse = traces.quantities.parse_resource
    after = parse(kind.resource, change.after)
    before = parse(kind.resource, change.before) if change.before else None
    low, high = bounds
    if before is None:
        assert kind.op == "set_limit" or missing or part == "requests"
        return
    assert max(low - after, after - high, 0) <= max(low - before, before - high, 0)


@given(
    st.sampled_from(["scale_up_replicas", "scale_down_replicas"]),
    st.integers(0, 300),
    st.integers(1, 300),
)
def test_replicas_stay_within_the_guardrails(name: str, replicas: int, step: int) -> None:
    trace = trace_of(workload({}, replicas=replicas))
    mutation = apply_to_trace(trace, {"type": name, "deploy": "web", "step": step})
    sign = REGISTRY[name].sign
    expected = arithmetic.change_replicas(replicas, sign * step, 1, 100)
    assert replicas_of(trace) == expected
    assert mutation.changed == (expected != replicas)
    assert bool(mutation.notes) == (expected != replicas + sign * step)


def notes_of(action: str, resources: dict[str, Any], **parameters: Any) -> list[str]:
    trace = trace_of(workload(resources))
    return apply_to_trace(trace, {"type": action, "deploy": "web", **parameters}).notes


def test_notes() -> None:
    assert notes_of("bump_cpu_small", {"requests": {"cpu": "1"}}) == []
    assert notes_of("bump_cpu_small", {"requests": {"cpu": "15800m"}}) == [
        "clipped: cpu request would be 16300m, the guardrails are 50m to 16: set to 16"
    ]
    assert notes_of("bump_cpu_small", {"requests": {"cpu": "16"}}) == [
        "refused: the guardrails are 50m to 16; cpu request stays 16"
    ]
    assert notes_of("reduce_mem_small", {"requests": {"memory": "0"}}) == [
        "nothing to change; memory request stays 0"
    ]
    assert notes_of("bump_cpu_small", {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}) == [
        "limit raised with the request, to 1500m"
    ]
    assert notes_of("reduce_cpu_limit", {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}) == [
        "request lowered with the limit, to 500m"
    ]
    assert notes_of("bump_cpu_limit", {}) == ["nothing to change: the container has no cpu limit"]
    assert notes_of("set_mem_limit", {"limits": {"memory": "2Gi"}}) == [
        "nothing to change; memory limit stays 2Gi"
    ]
    assert notes_of("set_cpu_limit", {}, step="20") == [
        "clipped: cpu limit would be 20, the guardrails are 50m to 16: set to 16"
    ]


def test_from_outside_the_guardrails_towards_them_is_allowed() -> None:
    trace = trace_of(workload({"requests": {"cpu": "40"}}))
    assert apply_to_trace(trace, {"type": "reduce_cpu_small", "deploy": "web"}).notes == []
    assert resources_of(trace)["requests"]["cpu"] == "39500m"


def test_every_event_is_edited_and_noted_once() -> None:
    trace = trace_of(workload({"requests": {"cpu": "16"}}), workload({"requests": {"cpu": "1"}}))
    mutation = apply_to_trace(trace, {"type": "bump_cpu_small", "deploy": "web"})
    assert [change.event for change in mutation.changes] == [1]
    assert len(mutation.notes) == 1


def test_a_named_container() -> None:
    trace = trace_of(workload({}))
    action = {"type": "bump_cpu_small", "deploy": "web", "container": "sidecar"}
    assert apply_to_trace(trace, action, namespace="shop").changed
    assert resources_of(trace, 1) == {"requests": {"cpu": "500m"}}


@pytest.mark.parametrize(
    ("action", "namespace"),
    [
        ({"type": "bump_cpu_small", "deploy": "db"}, None),
        ({"type": "scale_up_replicas", "deploy": "db"}, None),
        ({"type": "bump_cpu_small", "deploy": "web"}, "other"),
        ({"type": "bump_cpu_small", "deploy": "web", "container": "none"}, None),
    ],
)
def test_what_is_not_there_changes_nothing(action: dict[str, str], namespace: str | None) -> None:
    trace = trace_of(workload({}))
    before = traces.dumps(trace)
    mutation = apply_to_trace(trace, action, namespace=namespace)
    assert not mutation.changed
    assert mutation.notes[0].startswith("nothing changed: the trace has no workload")
    assert traces.dumps(trace) == before


def test_noop_changes_nothing() -> None:
    trace = trace_of(workload({}))
    before = traces.dumps(trace)
    mutation = apply_to_trace(trace, {"type": "noop", "deploy": "web"})
    assert (mutation.changed, mutation.changes, mutation.notes) == (False, [], [])
    assert traces.dumps(trace) == before
