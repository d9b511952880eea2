"""Editing a compiled program equals compiling the edited trace."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_arena.actions import REGISTRY, Action, apply_to_program, apply_to_trace
from sim_arena.engine import Parameters, Program, compile_trace
from sim_arena.errors import ActionError
from sim_arena.guardrails import Guardrails
from sim_arena.nodes import parse_nodes
from traces import Trace, WorkloadRef
from traces.generator import generate

NODES = parse_nodes("2x8cpu,16Gi")
KINDS = ["Deployment", "StatefulSet", "ReplicaSet"]
cpus = st.sampled_from(["0", "1m", "100m", "0.3", "1500m", "16", "20"])
memories = st.sampled_from(["0", "1", "100M", "64Mi", "1.5Gi", "32Gi", "50Gi"])
amounts = st.fixed_dictionaries({}, optional={"cpu": cpus, "memory": memories})
resources = st.none() | st.fixed_dictionaries({}, optional={"requests": amounts, "limits": amounts})
replicas = st.none() | st.integers(0, 120)


@st.composite
def containers(draw: st.DrawFn, name: str) -> dict[str, Any]:
    container: dict[str, Any] = {"name": name, "image": "image"}
    found = draw(resources)
    return container if found is None else {**container, "resources": found}


@st.composite
def workloads(draw: st.DrawFn, kind: str, name: str) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "containers": [draw(containers(one)) for one in draw(st.permutations(["app", "sidecar"]))]
    }
    if draw(st.booleans()):
        pod["initContainers"] = [draw(containers("init"))]
        if draw(st.booleans()):  # then it is a sidecar
            pod["initContainers"][0]["restartPolicy"] = "Always"
    labels = {"app": name}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    count = draw(replicas)
    if count is not None:
        spec["replicas"] = count
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    }


@st.composite
def some_traces(draw: st.DrawFn) -> tuple[Trace, WorkloadRef]:
    """One workload applied up to three times, each time as it happens to be, and a neighbour."""
    kind = draw(st.sampled_from(KINDS))
    objects = draw(st.lists(workloads(kind, "web"), min_size=1, max_size=3))
    neighbour = draw(workloads("Deployment", "db"))
    events = [
        {"ts": 100 + 10 * i, "applied_objs": [obj, *([neighbour] if i == 0 else [])],
         "deleted_objs": []}
        for i, obj in enumerate(objects)
    ]  # fmt: skip
    trace: Any = {"version": 2, "config": {"trackedObjects": {}}, "events": events}
    return {**trace, "index": {}, "pod_lifecycles": {}}, WorkloadRef(kind, "shop", "web")


@st.composite
def actions(draw: st.DrawFn, names: tuple[str, ...] = ("app", "sidecar", "init", "none")) -> Action:
    kind = draw(st.sampled_from(list(REGISTRY.values())))
    action = Action(type=kind.name, deploy="web")
    if kind.takes_container and draw(st.booleans()):
        action["container"] = draw(st.sampled_from(names))
    steps = {
        "cpu": st.sampled_from(["1m", "500m", "3", "250"]),
        "memory": st.sampled_from(["1Ki", "256Mi", "3Gi", "1Ti"]),
        "replicas": st.integers(1, 1000),
    }
    if kind.resource is not None and draw(st.booleans()):
        action["step"] = draw(steps[kind.resource])
    return action


guardrails = st.sampled_from(
    [Guardrails(), Guardrails(cpu_max="2", memory_min="1Gi", replicas_max=5, replicas_min=0)]
)


def assert_equal(one: Program, other: Program) -> None:
    for name, left, right in zip(one.arrays._fields, one.arrays, other.arrays, strict=True):
        np.testing.assert_array_equal(left, right, err_msg=name)
    assert (one.workloads, one.container_names) == (other.workloads, other.container_names)
    assert (_unmodelled(one), one.duration_s) == (_unmodelled(other), other.duration_s)


def _unmodelled(program: Program) -> list[str]:
    """Return the warnings; those about an object that an API server would refuse are left out."""
    return [line for line in program.warnings if "than its limit" not in line]


def compiled(trace: Trace, nodes: Any = NODES) -> Program:
    return compile_trace(trace, nodes, Parameters(duration=60))


@settings(max_examples=150, deadline=None)
@given(some_traces(), st.lists(actions(), min_size=1, max_size=4), guardrails)
def test_any_trace(
    found: tuple[Trace, WorkloadRef], chosen: list[Action], bounds: Guardrails
) -> None:
    trace, ref = found
    program = compiled(trace)
    for action in chosen:
        before = deepcopy(trace)
        mutation = apply_to_trace(trace, action, namespace="shop", guardrails=bounds)
        assert mutation.changed == (trace != before)
        program = apply_to_program(program, action, ref=ref, guardrails=bounds)
        assert_equal(compiled(trace), program)


@pytest.mark.parametrize("action", REGISTRY)
def test_generated_traces(action: str) -> None:
    for _, trace, entry in generate(seed=9, count=11):
        nodes = parse_nodes(entry.nodes)
        ref = WorkloadRef(entry.kind, entry.namespace, entry.name)
        asked = {"type": action, "deploy": entry.name}
        program = apply_to_program(compiled(trace, nodes), asked, ref=ref)
        apply_to_trace(trace, asked, namespace=entry.namespace)
        assert_equal(compiled(trace, nodes), program)


def test_noop_is_the_same_program() -> None:
    _, trace, entry = generate(seed=1, count=1)[0]
    program = compiled(trace)
    ref = WorkloadRef(entry.kind, entry.namespace, entry.name)
    assert apply_to_program(program, {"type": "noop", "deploy": "web"}, ref=ref) is program
    with pytest.raises(ActionError):
        apply_to_program(program, {"type": "jump", "deploy": "web"}, ref=ref)
