import warnings
from pathlib import Path
from typing import Any

import msgpack
import pytest

import traces
from traces.document import Trace, pod_spec_template_paths


def test_an_unversioned_file_is_upgraded_with_a_notice(web: Trace, tmp_path: Path) -> None:
    path = tmp_path / "demo.msgpack"
    path.write_bytes(msgpack.packb({"events": web["events"]}))
    with pytest.warns(traces.TraceNotice, match=r"demo\.msgpack: an unversioned trace") as caught:
        trace = traces.load_trace(path)
    assert len(caught) == 1
    assert trace == web
    assert list(trace) == ["version", "config", "events", "index", "pod_lifecycles"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert traces.loads(traces.dumps(trace)) == trace


def test_what_an_unversioned_file_has_is_kept(web: Trace) -> None:
    old: Any = {"note": "kept", "events": web["events"], "index": {}}
    old["events"][0]["x"] = 1
    del old["events"][0]["deleted_objs"]
    with pytest.warns(traces.TraceNotice):
        trace: Any = traces.loads(msgpack.packb(old))
    assert trace["note"] == "kept"
    assert trace["index"] == {}
    assert trace["events"][0]["x"] == 1
    assert trace["events"][0]["deleted_objs"] == []


@pytest.mark.parametrize("events", [[1], [{}], [{"ts": 1, "applied_objs": [{}]}], 5])
def test_an_unversioned_file_is_checked(events: Any) -> None:
    with pytest.raises(traces.TraceError):
        traces.loads(msgpack.packb({"events": events}))


def test_the_deprecated_single_path_is_understood(web: Trace) -> None:
    tracked = web["config"]["trackedObjects"]
    cases: list[tuple[Any, list[str]]] = [
        ({}, ["/spec/template"]),
        ({"podSpecTemplatePath": "/a"}, ["/a"]),
        ({"podSpecTemplatePath": ""}, [""]),
        ({"podSpecTemplatePath": "/a", "podSpecTemplatePaths": []}, ["/a"]),
        ({"podSpecTemplatePath": "/a", "podSpecTemplatePaths": None}, ["/a"]),
        ({"podSpecTemplatePath": "/a", "podSpecTemplatePaths": ["/b", "/c"]}, ["/b", "/c"]),
    ]
    for options, paths in cases:
        tracked["apps/v1.Deployment"] = options
        assert (
            pod_spec_template_paths(traces.loads(traces.dumps(web)), "apps/v1.Deployment") == paths
        )
    assert pod_spec_template_paths(web, "v1.Pod") == [""]
    assert pod_spec_template_paths(web, "example.com/v1.Thing") == []
