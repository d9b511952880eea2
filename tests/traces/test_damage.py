"""Whatever the bytes are: a trace or a TraceError, and memory in proportion to their number."""

import contextlib
import tracemalloc
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import traces
from traces.damage import MAX_DEPTH, locate_damage
from traces.document import Trace

GENERATED = traces.dumps(traces.generate(seed=1, count=1)[0][1])

# What is wrong, in a document's bytes.
DAMAGED = {
    "nothing": b"",
    "a length of 4 Gi elements": b"\xdd\xff\xff\xff\xff",
    "a length of 4 Gi entries": b"\xdf\xff\xff\xff\xff",
    "a text of 4 GiB": b"\xdb\xff\xff\xff\xff",
    "binary data of 4 GiB": b"\xc6\xff\xff\xff\xff",
    "an extension of 4 GiB": b"\xc9\xff\xff\xff\xff\x01",
    "lengths within lengths": b"\xdd\x00\x0f\xff\xff" * 1000,
    "deep lists": b"\x91" * 100_000 + b"\xc0",
    "deep maps": b"\x81\xa1a" * 100_000 + b"\xc0",
    "deep keys": b"\x81\x91" * 100_000 + b"\xc0",
    "half a map": b"\x82\xa1a\x01\xa1b",
    "half a length": b"\xda\x00",
    "half a number": b"\xcf\x00\x00",
    "a byte that starts nothing": b"\x81\xa6events\xc1",
    "no UTF-8": b"\x81\xa1\xff\x01",
    "a map as key": b"\x81\x80\x01",
    "a list of a map as key": b"\x81\x91\x80\x01",
    "a key twice": b"\x82\xa1a\x01\xa1a\x02",
    "binary data": b"\x81\xa1a\xc4\x01x",
    "a timestamp": b"\x81\xa1a\xd6\xff\x00\x00\x00\x00",
    "two documents": b"\x80\x80",
    "JSON": b'{"version": 2}',
    "a number": b"\x05",
    "null": b"\xc0",
    "NaN": msgpack.packb(float("nan")),
}


def read(data: bytes) -> None:
    with contextlib.suppress(traces.TraceError):
        trace = traces.loads(data)
        assert traces.loads(traces.dumps(trace)) == trace


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_damage_is_one_line_and_costs_no_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(traces.TraceError) as caught:
            traces.loads(data, source="broken.sktrace")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 22
    message = str(caught.value)
    assert message.startswith("broken.sktrace: ")
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.filterwarnings("ignore::traces.TraceNotice")
@given(st.binary(max_size=200))
@example(b"\x81\xa6events\x90")
def test_any_bytes_are_a_trace_or_an_error(data: bytes) -> None:
    read(data)


@pytest.mark.filterwarnings("ignore::traces.TraceNotice")
@given(st.integers(0, len(GENERATED) - 1), st.binary(max_size=4), st.integers(0, 8))
def test_a_damaged_trace_is_a_trace_or_an_error(at: int, patch: bytes, cut: int) -> None:
    read(GENERATED[:at] + patch + GENERATED[at + cut :])


@given(st.integers(0, len(GENERATED) - 1))
def test_a_truncated_trace_names_a_byte(length: int) -> None:
    with pytest.raises(traces.TraceError) as caught:
        traces.loads(GENERATED[:length])
    if length:
        assert caught.value.where.startswith("byte ")
        assert int(caught.value.where.removeprefix("byte ")) <= length


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=3)
    | st.sampled_from(["", "1", "-1", "500m", "apps/v1", "Deployment", "web", "NaN"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) of a document."""
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, element in steps:
        found.append((value, key))
        if isinstance(element, dict | list):
            found += places(element)
    return found


@pytest.mark.filterwarnings("ignore::traces.TraceNotice")
@given(st.data())
def test_a_wrong_value_anywhere_is_a_trace_or_an_error(data: st.DataObject) -> None:
    document = msgpack.unpackb(GENERATED)
    owner, key = data.draw(st.sampled_from(places(document)), label="place")
    if data.draw(st.booleans(), label="delete"):
        del owner[key]
    else:
        owner[key] = data.draw(ODD, label="value")
    read(msgpack.packb(document))
    # In memory, as an edit by other code may leave it, it is judged alike.
    with contextlib.suppress(traces.TraceError):
        traces.dumps(document)


def test_every_byte_of_a_recorded_trace_can_be_missing(real_trace: Path) -> None:
    data = real_trace.read_bytes()
    for length in range(0, len(data), max(1, len(data) // 200)):
        with pytest.raises(traces.TraceError):
            traces.loads(data[:length])


def test_a_whole_document_has_no_damage(real_trace: Path) -> None:
    assert locate_damage(real_trace.read_bytes()) is None


def test_damage_names_the_path_that_it_is_in(web: Trace) -> None:
    data = traces.dumps(web)
    at = data.index(b"nginx") + 1
    with pytest.raises(traces.TraceError, match="not UTF-8") as caught:
        traces.loads(data[:at] + b"\xff" + data[at + 1 :])
    assert "in events[0].applied_objs[0].spec.template.spec.containers[0].image" in str(
        caught.value
    )
    assert caught.value.where == f"byte {at - 2}"


def test_nesting_is_limited(web: Trace) -> None:
    def nested(depth: int) -> Any:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        return value

    metadata = web["events"][0]["applied_objs"][0]["metadata"]
    metadata["x"] = nested(MAX_DEPTH - 10)
    assert traces.loads(traces.dumps(web)) == web
    metadata["x"] = nested(MAX_DEPTH)
    with pytest.raises(traces.TraceError, match="nested deeper"):
        traces.dumps(web)
    with pytest.raises(traces.TraceError, match="nested deeper"):
        traces.loads(msgpack.packb(web))


def test_a_document_that_contains_itself_is_refused(web: Trace) -> None:
    obj = web["events"][0]["applied_objs"][0]
    obj["metadata"]["self"] = obj
    with pytest.raises(traces.TraceError, match="nested deeper"):
        traces.dumps(web)
