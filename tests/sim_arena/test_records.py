from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from results import check_row
from sim_arena.observation import CONTAINER_FIELDS, FIELDS, Field
from sim_arena.records import COLUMNS, EpisodeResult, complete, from_row, to_row
from sim_arena.spec import EpisodeSpec
from sim_arena.steps import Step

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(0, 2**62),
    "float": st.floats(0, 1e9),
    "str": st.text(max_size=5),
    "names": st.lists(st.text(max_size=5), max_size=2),
    "counts": st.dictionaries(st.text(max_size=5), st.integers(0, 99), max_size=2),
    "containers": st.deferred(lambda: st.lists(objects(CONTAINER_FIELDS), max_size=2)),
}


def objects(fields: tuple[Field, ...]) -> st.SearchStrategy[Any]:
    always = {one.name: VALUES[one.type] for one in fields if one.required}
    perhaps = {one.name: VALUES[one.type] | st.none() for one in fields if not one.required}
    return st.fixed_dictionaries(always, optional=perhaps)


def step() -> Step:
    return Step(EpisodeSpec(trace="t", deploy="web", target=1, run_id="r"), 0, "t")


@given(objects(FIELDS))
def test_a_row_becomes_the_record_again(observation: Any) -> None:
    taken = step()
    taken.observed(complete(observation), "shop", ["CronJob"])
    taken.rewarded(0.5)
    record = taken.done()
    row = check_row(to_row(record) | {"schema_version": 1}, COLUMNS)
    assert from_row(row) == record


def test_a_record_without_an_observation_stays_without() -> None:
    taken = step()
    taken.failed(ValueError("x"))
    record = taken.done()
    assert from_row(check_row(to_row(record) | {"schema_version": 1}, COLUMNS)) == record


def test_every_column_has_its_field() -> None:
    taken = step()
    taken.observed(complete({"ready": 1, "pending": 0, "total": 1}), "shop", [])
    names = to_row(taken.done()).keys()
    assert names | {"schema_version"} == {column.name for column in COLUMNS}


def test_what_is_not_known_is_none_and_not_zero() -> None:
    seen: Any = complete({"ready": 0, "pending": 0, "total": 0, "containers": [{"name": "a"}]})  # type: ignore[typeddict-item] # what a cluster leaves out
    assert seen["restarts"] is None
    assert seen["containers"][0]["cpu_usage"] is None
    assert seen.keys() == {field.name for field in FIELDS}


def test_an_episode_without_a_reward_has_no_sum_of_them() -> None:
    result = EpisodeResult("r", 0, "runs/r")
    assert result.total_reward is None
    failed, rewarded = step(), step()
    failed.failed(ValueError("x"))
    rewarded.rewarded(0.5)
    result.records = [failed.done()]
    assert result.total_reward is None
    result.records = [failed.done(), rewarded.done(), rewarded.done()]
    assert result.total_reward == 1.0
