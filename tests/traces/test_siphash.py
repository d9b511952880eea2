from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import traces
from traces.document import gvk, object_name
from traces.siphash import object_hash, siphash13

# What Rust's std::hash::DefaultHasher gives for no input.
RUST_EMPTY = 15130871412783076140


def test_nothing_hashes_as_in_rust() -> None:
    assert siphash13(b"") == RUST_EMPTY


@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [("dsb-scaling", "apps/v1.Deployment", 27), ("cronjob", "batch/v1.CronJob", 1)],
)
def test_hashes_equal_those_that_simkube_stored(
    dsb_scaling: Path, name: str, kind: str, count: int
) -> None:
    trace = traces.load_trace(dsb_scaling.with_name(f"{name}.sktrace"))
    hashes = {
        object_name(obj): object_hash(obj["spec"])
        for event in trace["events"]
        for obj in event["applied_objs"]
        if gvk(obj) == kind
    }
    assert hashes == trace["index"][kind]
    assert len(hashes) == count


@given(st.dictionaries(st.text(max_size=4), st.integers(), max_size=5))
def test_the_order_of_keys_does_not_count(value: dict[str, int]) -> None:
    assert object_hash(value) == object_hash(dict(reversed(value.items())))


@given(st.binary(max_size=40))
def test_a_hash_has_64_bits(data: bytes) -> None:
    assert 0 <= siphash13(data) < 2**64


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (1, None), ("a", ["a", "b"]), (1, 1.0), ({"a": "b"}, {"a": "c"}), (-1, 1)],
)
def test_different_values_hash_differently(one: Any, other: Any) -> None:
    assert object_hash(one) != object_hash(other)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes"):
        object_hash({"a": b"raw"})
