from pathlib import Path
from typing import Any

import pytest

import traces
from traces.document import Trace
from traces.rules import findings


def codes(trace: Trace) -> list[str]:
    return [finding.code for finding in findings(trace)]


def test_recorded_traces_have_nothing_that_simkube_refuses(real_trace: Path) -> None:
    # SimKube changed the bare Pods between hashing and writing them.
    allowed = {"W0002"} if real_trace.stem == "bare-pods" else set()
    assert set(codes(traces.load_trace(real_trace))) == allowed


def test_generated_traces_have_no_finding_before_and_after_the_fix(generated: Any) -> None:
    for _, trace, entry in generated:
        mended = traces.loads(traces.dumps(trace))
        for action in entry.fix:
            place = {"container": action["container"]} if "container" in action else {}
            getattr(traces, action["type"])(mended, action["deploy"], action["step"], **place)
        assert findings(trace) == findings(mended) == []


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, []),
        ({"podSpecTemplatePath": "/spec/template"}, []),
        ({"trackLifecycle": True, "skipOwned": False}, []),
        ({"podSpecTemplatePaths": ["/spec"]}, ["E0002"]),
        ({"podSpecTemplatePaths": ["/spec/template", "/spec"]}, ["E0002"]),
        ({"podSpecTemplatPaths": []}, ["E0001"]),
    ],
)
def test_tracking_of_a_known_kind(web: Trace, options: Any, found: list[str]) -> None:
    web["config"]["trackedObjects"]["apps/v1.Deployment"] = options
    assert codes(web) == found


def test_another_kind_needs_a_path(web: Trace) -> None:
    web["config"]["trackedObjects"]["example.com/v1.Thing"] = {}
    assert codes(web) == ["E0003"]
    web["config"]["trackedObjects"]["example.com/v1.Thing"] = {"podSpecTemplatePaths": ["/pod"]}
    assert codes(web) == []


def test_what_is_not_tracked_is_named(web: Trace) -> None:
    web["config"]["trackedObjects"].clear()
    assert codes(web) == ["W0001"]


def test_a_wrong_hash_is_named(web: Trace) -> None:
    web["index"]["apps/v1.Deployment"]["test-ns/web"] ^= 1
    assert codes(web) == ["W0002"]


def test_a_request_above_its_limit_is_named(build: Any) -> None:
    amounts = {"requests": {"cpu": "2"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    (finding,) = findings(build.trace([build.workload(app=amounts)]))
    assert finding.code == "E0004"
    assert "Deployment test-ns/web" in finding.where
