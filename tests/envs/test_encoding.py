import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_arena.envs.encoding import decode, encode, layout
from sim_arena.errors import SimArenaError
from sim_arena.observation import CONTAINER_FIELDS, FIELDS, Field, Observation

MESSAGE = (
    "0/3 nodes are available: 1 Insufficient memory, 3 Insufficient cpu. no new claims to "
    "deallocate, preemption: 0/3 nodes are available: 3 No preemption victims found for "
    "incoming pod."
)


def values(field: Field) -> st.SearchStrategy[object]:
    kinds: dict[str, st.SearchStrategy[object]] = {
        "int": st.integers(0, 2**45),
        "float": st.floats(0, 1),
        "str": st.text(max_size=5),
        "names": st.lists(st.text(max_size=5), max_size=2),
        "counts": st.dictionaries(st.sampled_from([MESSAGE, "else"]), st.integers(0, 1000)),
        "containers": st.deferred(lambda: st.lists(objects(CONTAINER_FIELDS), max_size=4)),
    }
    return kinds[field.type] if field.required else st.none() | kinds[field.type]


def objects(fields: tuple[Field, ...]) -> st.SearchStrategy[object]:
    return st.fixed_dictionaries({field.name: values(field) for field in fields})


observations = objects(FIELDS)


@given(observations)
def test_an_observation_is_numbers_between_0_and_1(obs: Observation) -> None:
    vector = encode(obs, 4)
    assert vector.dtype == np.float32
    assert vector.shape == (len(layout(4)),)
    assert np.all((vector >= 0) & (vector <= 1))


@given(observations)
def test_decode_gives_back_every_number_and_none_for_the_unknown(obs: Observation) -> None:
    named = decode(encode(obs, 4), 4)
    for field in FIELDS:
        if field.type in {"int", "float"}:
            assert_same(named[field.name], obs[field.name], field)
    for slot, container in enumerate(obs["containers"] or []):
        for field in CONTAINER_FIELDS:
            if field.type in {"int", "float"}:
                found = named[f"containers[{slot}].{field.name}"]
                assert_same(found, container[field.name], field)


def assert_same(found: float | None, expected: float | None, field: Field) -> None:
    assert (found is None) == (expected is None)
    if expected is not None:
        # Numbers above the largest of their unit are cut off.
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-3) or (
            field.unit in {"pods", "nodes", "restarts", "kills", "s", "mCPU"} and expected > 2**20
        )


def test_zero_and_unknown_differ() -> None:
    zero = encode(Observation(ready=0, pending=0, total=0, restarts=0), 1)
    unknown = encode(Observation(ready=0, pending=0, total=0, restarts=None), 1)
    assert not np.array_equal(zero, unknown)


def test_reasons_are_counted_by_cause() -> None:
    obs = Observation(ready=0, pending=5, total=5, reasons={MESSAGE: 4, "gates": 1})
    named = decode(encode(obs, 1), 1)
    found = {
        name.removeprefix("reasons."): round(value)
        for name, value in named.items()
        if name.startswith("reasons.") and value
    }
    assert found == {"insufficient_cpu": 4, "insufficient_memory": 4, "other": 1}


def test_every_numeric_field_of_the_registry_has_an_entry() -> None:
    names = {entry.name for entry in layout(2)}
    numeric = {field.name for field in FIELDS if field.type in {"int", "float"}}
    assert numeric <= names
    flags = {
        field.name for field in FIELDS if field.type in {"int", "float"} and not field.required
    }
    assert {f"{name} known" for name in flags} <= names
    assert all(entry.meaning for entry in layout(2))


def test_more_containers_than_slots_is_an_error() -> None:
    unknown = dict.fromkeys(field.name for field in CONTAINER_FIELDS)
    obs = Observation(ready=0, pending=0, total=0, containers=[unknown] * 3)
    with pytest.raises(SimArenaError, match=r"at most 2 containers .* containers=3"):
        encode(obs, 2)
