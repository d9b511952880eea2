import copy
from pathlib import Path
from typing import Any

import msgpack
import pytest

import traces
from traces.document import Trace
from traces.validation import check_trace

OBJECT = "events[0].applied_objs[0]"
POD = f"{OBJECT}.spec.template.spec"
RESOURCES = f"{POD}.containers[0].resources"

# What is put where, and the place and the text that the error must have.
WRONG: list[tuple[str, Any, str, str]] = [
    ("version", 1, "version", "expected version 2, found 1"),
    ("version", True, "version", "found true"),
    ("version", "2", "version", "found '2'"),
    ("config", [], "config", "expected a map"),
    ("config.trackedObjects", None, "config.trackedObjects", "found null"),
    (
        "config.trackedObjects.apps/v1.Deployment.podSpecTemplatePaths",
        "/spec",
        "config.trackedObjects['apps/v1.Deployment'].podSpecTemplatePaths",
        "expected a list",
    ),
    (
        "config.trackedObjects.apps/v1.Deployment.trackLifecycle",
        1,
        "config.trackedObjects['apps/v1.Deployment'].trackLifecycle",
        "expected true or false",
    ),
    ("events", {}, "events", "expected a list"),
    ("events.0.ts", True, "events[0].ts", "expected a whole number, found true"),
    ("events.0.ts", 1.5, "events[0].ts", "found 1.5"),
    ("events.1.ts", 5, "events[1].ts", "in order of time"),
    ("events.0.x_objs", float("nan"), "events[0].x_objs", "finite"),
    ("events.0.deleted_objs", None, "events[0].deleted_objs", "expected a list"),
    ("events.0.applied_objs.0", "web", OBJECT, "expected a map"),
    ("events.0.applied_objs.0.kind", "", f"{OBJECT}.kind", "empty"),
    ("events.0.applied_objs.0.apiVersion", 1, f"{OBJECT}.apiVersion", "expected a text"),
    ("events.0.applied_objs.0.metadata", None, f"{OBJECT}.metadata", "expected a map"),
    ("events.0.applied_objs.0.metadata.name", 7, f"{OBJECT}.metadata.name", "expected a text"),
    ("events.0.applied_objs.0.metadata.namespace", [], f"{OBJECT}.metadata.namespace", "a text"),
    ("events.0.applied_objs.0.metadata.labels", {"a": 1}, f"{OBJECT}.metadata.labels.a", "a text"),
    ("events.0.applied_objs.0.spec", None, f"{OBJECT}.spec", "expected a map"),
    ("events.0.applied_objs.0.spec.replicas", -3, f"{OBJECT}.spec.replicas", "at least 0"),
    ("events.0.applied_objs.0.spec.replicas", True, f"{OBJECT}.spec.replicas", "found true"),
    ("events.0.applied_objs.0.spec.replicas", 2.0, f"{OBJECT}.spec.replicas", "found 2.0"),
    ("events.0.applied_objs.0.spec.replicas", 1 << 40, f"{OBJECT}.spec.replicas", "number"),
    ("events.0.applied_objs.0.spec.template", [], f"{OBJECT}.spec.template", "expected a map"),
    ("events.0.applied_objs.0.spec.x", float("nan"), f"{OBJECT}.spec.x", "finite"),
    ("events.0.applied_objs.0.spec.x", float("-inf"), f"{OBJECT}.spec.x", "finite"),
    ("events.0.applied_objs.0.spec.x", b"raw", f"{OBJECT}.spec.x", "binary"),
    ("events.0.applied_objs.0.spec.x", {1: 2}, f"{OBJECT}.spec.x", "a text as key"),
    ("events.0.applied_objs.0.spec.template.spec.containers", [], f"{POD}.containers", "one"),
    ("events.0.applied_objs.0.spec.template.spec.containers.0", 1, f"{POD}.containers[0]", "a map"),
    (
        "events.0.applied_objs.0.spec.template.spec.initContainers",
        [{"name": "web"}],
        f"{POD}.containers[0].name",
        "two containers are named 'web'",
    ),
    (
        "events.0.applied_objs.0.spec.template.spec.overhead",
        {"cpu": "x"},
        f"{POD}.overhead.cpu",
        "x",
    ),
    ("index", None, "index", "expected a map"),
    ("index.apps/v1.Deployment", [], "index['apps/v1.Deployment']", "expected a map"),
    (
        "index.apps/v1.Deployment.test-ns/web",
        -1,
        "index['apps/v1.Deployment']['test-ns/web']",
        "at least 0",
    ),
    ("pod_lifecycles", [], "pod_lifecycles", "expected a map"),
    ("pod_lifecycles", {"a": {}}, "pod_lifecycles.a", "expected a key"),
    ("pod_lifecycles", {("a", "b"): {"c": []}}, "pod_lifecycles[['a', 'b']].c", "whole number"),
    ("pod_lifecycles", {("a", "b"): {1: {}}}, "pod_lifecycles[['a', 'b']][1]", "expected a list"),
    (
        "pod_lifecycles",
        {("a", "b"): {1: [{"Finished": [5, 4]}]}},
        "pod_lifecycles[['a', 'b']][1][0].Finished[1]",
        "at least 5",
    ),
    (
        "pod_lifecycles",
        {("a", "b"): {1: [{"Running": True}]}},
        "pod_lifecycles[['a', 'b']][1][0].Running",
        "found true",
    ),
    (
        "pod_lifecycles",
        {("a", "b"): {1: [{"Stopped": 1}]}},
        "pod_lifecycles[['a', 'b']][1][0]",
        "Running",
    ),
]
QUANTITIES = ["-1", "NaN", "1mi", "1_000", "", "1 Gi", "ten", True, None, [], float("nan"), "1e999"]


@pytest.fixture
def document(build: Any) -> Any:
    return build.trace([build.workload()], [build.workload(replicas=4)])


def put(document: Any, path: str, value: Any) -> None:
    owner = document
    steps = path.replace("apps/v1.", "apps/v1%").split(".")
    steps = [step.replace("%", ".") for step in steps]
    for step in steps[:-1]:
        owner = owner[int(step) if isinstance(owner, list) else step]
    owner[int(steps[-1]) if isinstance(owner, list) else steps[-1]] = value


@pytest.mark.parametrize(("path", "value", "where", "text"), WRONG)
def test_what_is_wrong_is_named_with_its_place(
    document: Any, path: str, value: Any, where: str, text: str
) -> None:
    check_trace(document)
    put(document, path, value)
    with pytest.raises(traces.TraceError) as caught:
        traces.dumps(document)
    assert caught.value.where == where or caught.value.where.startswith(where + "[")
    assert text in str(caught.value)


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("part", ["requests", "limits"])
@pytest.mark.parametrize("resource", ["cpu", "memory", "pods"])
def test_a_malformed_quantity_is_named_with_its_place(
    web: Trace, part: str, resource: str, quantity: Any
) -> None:
    container = web["events"][0]["applied_objs"][0]["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {part: {resource: quantity}}
    with pytest.raises(traces.TraceError, match="expected") as caught:
        traces.loads(msgpack.packb(web))
    assert caught.value.where == f"{RESOURCES}.{part}.{resource}"


@pytest.mark.parametrize("field", ["version", "config", "events", "index", "pod_lifecycles"])
def test_a_missing_field_is_named(web: Any, field: str) -> None:
    del web[field]
    if field == "version":
        web["version"] = None
    with pytest.raises(traces.TraceError, match=field):
        traces.dumps(web)


def test_numbers_are_quantities_too(web: Trace) -> None:
    container = web["events"][0]["applied_objs"][0]["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"requests": {"cpu": 0.5, "memory": 1024}}
    assert traces.loads(traces.dumps(web)) == web


@pytest.mark.parametrize("nothing", [{}, {"resources": None}, {"resources": {"limits": None}}])
def test_resources_may_be_missing(web: Trace, nothing: dict[str, Any]) -> None:
    container = web["events"][0]["applied_objs"][0]["spec"]["template"]["spec"]["containers"][0]
    del container["resources"]
    container.update(nothing)
    assert traces.loads(traces.dumps(web)) == web


def test_other_hashes_are_no_error(web: Trace) -> None:
    web["index"]["apps/v1.Deployment"]["test-ns/web"] ^= 1
    assert traces.loads(traces.dumps(web)) == web


def test_errors_survive_pickling() -> None:
    error = traces.TraceError("expected this", "events[0]", "a.sktrace")
    again = copy.copy(error)
    assert (str(again), again.where) == ("a.sktrace: events[0]: expected this", "events[0]")


def test_recorded_traces_are_valid(real_trace: Path) -> None:
    check_trace(traces.load_trace(real_trace))
