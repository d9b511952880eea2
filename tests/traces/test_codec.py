import copy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import traces
from traces.document import Trace

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
HASHES = st.integers(0, 2**64 - 1)
RUNS = st.one_of(
    st.builds(lambda start: {"Running": start}, st.integers(0, 2**40)),
    st.builds(
        lambda start, length: {"Finished": [start, start + length]},
        st.integers(0, 2**40),
        st.integers(0, 2**20),
    ),
)
OBJECTS = st.builds(
    lambda name, rest: {**rest, "apiVersion": "v1", "kind": "Thing", "metadata": {"name": name}},
    st.text(min_size=1, max_size=5),
    st.dictionaries(st.text(max_size=5), JSON, max_size=2),
)
EVENTS = st.lists(
    st.tuples(st.integers(0, 100), st.lists(OBJECTS, max_size=2), st.lists(OBJECTS, max_size=2)),
    max_size=3,
).map(
    lambda events: [
        {"ts": ts, "applied_objs": applied, "deleted_objs": deleted}
        for ts, applied, deleted in sorted(events, key=lambda event: event[0])
    ]
)
DOCUMENTS = st.builds(
    lambda extra, events, index, lifecycles: {
        "version": 2,
        **{f"x-{key}": value for key, value in extra.items()},
        "config": {"trackedObjects": {}, "x-unknown": extra},
        "events": events,
        "index": index,
        "pod_lifecycles": lifecycles,
    },
    st.dictionaries(st.text(max_size=5), JSON, max_size=2),
    EVENTS,
    st.dictionaries(st.text(max_size=5), st.dictionaries(st.text(max_size=5), HASHES), max_size=2),
    st.dictionaries(
        st.tuples(st.text(max_size=5), st.text(max_size=5)),
        st.dictionaries(HASHES, st.lists(RUNS, max_size=2), max_size=2),
        max_size=2,
    ),
)


def ordered(value: object) -> object:
    """Return a value in which the order of maps counts in a comparison, and 1 is not 1.0."""
    if isinstance(value, dict):
        return [(key, ordered(element)) for key, element in value.items()]
    if isinstance(value, list):
        return ["list", *(ordered(element) for element in value)]
    return (type(value), value)


def test_recorded_traces_are_written_back_byte_for_byte(real_trace: Path, tmp_path: Path) -> None:
    trace = traces.load_trace(real_trace)
    traces.save_trace(trace, tmp_path / "copy.sktrace")
    assert (tmp_path / "copy.sktrace").read_bytes() == real_trace.read_bytes()
    assert ordered(traces.load_trace(tmp_path / "copy.sktrace")) == ordered(trace)


def test_lifecycles_are_keyed_by_kind_and_name(real_trace: Path) -> None:
    trace = traces.load_trace(real_trace)
    for (kind, name), pods in trace["pod_lifecycles"].items():
        assert kind in trace["config"]["trackedObjects"]
        assert "/" in name
        assert all(isinstance(pod_hash, int) for pod_hash in pods)


@given(DOCUMENTS)
def test_a_round_trip_loses_nothing(document: Trace) -> None:
    data = traces.dumps(document)
    again = traces.loads(data)
    assert ordered(again) == ordered(document)
    assert traces.dumps(again) == data


@given(DOCUMENTS)
def test_reading_and_writing_change_nothing(document: Trace) -> None:
    before = copy.deepcopy(document)
    traces.dumps(document)
    assert ordered(document) == ordered(before)


def test_saving_replaces_the_whole_file_and_leaves_nothing_else(web: Trace, tmp_path: Path) -> None:
    path = tmp_path / "web.sktrace"
    path.write_bytes(b"old" * 10_000)
    traces.save_trace(web, path)
    assert path.read_bytes() == traces.dumps(web)
    assert list(tmp_path.iterdir()) == [path]


def test_a_trace_that_is_not_valid_is_not_saved(web: Trace, tmp_path: Path) -> None:
    path = tmp_path / "web.sktrace"
    path.write_bytes(b"old")
    web["events"][0]["applied_objs"][0]["spec"]["replicas"] = -1
    with pytest.raises(traces.TraceError, match=r"web\.sktrace: events\[0\].*replicas") as caught:
        traces.save_trace(web, path)
    assert caught.value.where == "events[0].applied_objs[0].spec.replicas"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_saving_into_a_missing_folder_says_so(web: Trace, tmp_path: Path) -> None:
    with pytest.raises(traces.TraceError, match="cannot write the trace: No such file"):
        traces.save_trace(web, tmp_path / "missing" / "web.sktrace")


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(traces.TraceError, match=r"none\.sktrace: cannot read the trace: No such"):
        traces.load_trace(tmp_path / "none.sktrace")


def test_a_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(traces.TraceError, match="cannot read the trace"):
        traces.load_trace(tmp_path)


def test_a_larger_file_than_allowed_is_not_read(web: Trace, tmp_path: Path) -> None:
    path = tmp_path / "web.sktrace"
    traces.save_trace(web, path)
    size = path.stat().st_size
    assert traces.load_trace(path, max_bytes=size) == web
    with pytest.raises(traces.TraceError, match="larger than"):
        traces.load_trace(path, max_bytes=size - 1)
