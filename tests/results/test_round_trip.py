"""What is recorded comes back, through step.jsonl and through Parquet."""

import tempfile
from datetime import UTC, timedelta, timezone
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results import Column, Run

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))])
int64 = st.integers(-(2**63), 2**63 - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
COLUMNS = (
    Column("schema_version", "int", "", "version"),
    Column("run_id", "str", "", "run"),
    Column("episode", "int", "", "episode"),
    Column("step", "int", "", "step"),
    Column("a_float", "float", "s", "a number"),
    Column("a_bool", "bool", "", "yes or no"),
    Column("a_text", "str", "", "text"),
    Column("a_time", "time", "", "a moment"),
    Column("a_json", "json", "", "anything"),
    Column("a_counts", "counts", "pods", "how often"),
    Column("a_names", "names", "", "names"),
    Column(
        "a_structs",
        "structs",
        "",
        "entries",
        (Column("n", "int", "bytes", "number"), Column("f", "float", "", "number")),
    ),
)
rows = st.lists(
    st.fixed_dictionaries(
        {"episode": st.just(0)},
        optional={
            "a_float": st.none() | numbers,
            "a_bool": st.none() | st.booleans(),
            "a_text": st.none() | text,
            "a_time": st.none() | st.datetimes(timezones=ZONES),
            "a_json": documents,
            "a_counts": st.none() | st.dictionaries(text, int64, max_size=3),
            "a_names": st.none() | st.lists(text, max_size=3),
            "a_structs": st.none()
            | st.lists(st.fixed_dictionaries({"n": int64, "f": st.none() | numbers}), max_size=3),
        },
    ),
    max_size=3,
)


@settings(deadline=None)  # it waits for the disk
@given(rows)
def test_steps_come_back_as_they_were_recorded(steps):
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(folder, columns=COLUMNS)
        for number, step in enumerate(steps):
            run.append_step({**step, "step": number})
        from_lines = run.read_steps()
        run.write_parquet()
        run.journal_path.unlink(missing_ok=True)
        from_parquet = run.read_steps()

        assert from_parquet == from_lines
        assert [row["step"] for row in from_lines] == list(range(len(steps)))
        for row, step in zip(from_lines, steps, strict=True):
            plain = {key: value for key, value in step.items() if key != "a_time"}
            assert plain.items() <= row.items()
            assert row["run_id"] == run.id


def test_the_file_explains_itself(run, row, columns):
    run.append_step(row())
    schema = pq.read_schema(run.write_parquet())
    assert schema.metadata[b"schema_version"] == b"1"
    assert schema.field("duration").metadata[b"unit"] == b"s"
    for column in columns:
        assert schema.field(column.name).metadata[b"meaning"].decode() == column.meaning
    containers = schema.field("obs_containers").type.value_type
    assert containers.field("cpu_request").metadata[b"unit"] == b"mCPU"


@pytest.fixture
def played(run, row) -> Run:
    for episode in range(3):
        run.append_step(row(episode=episode))
        run.append_step(row(episode=episode, step=1, success=True, reward=1.0))
    run.write_parquet()
    return run


@pytest.mark.usefixtures("played")
def test_the_one_liner_for_pandas(runs_dir):
    frame = pd.read_parquet(runs_dir / "latest" / "steps")
    assert len(frame) == 6
    assert frame["reward"].mean() == 0.5
    assert str(frame["started_at"].dtype) == "datetime64[us, UTC]"
    assert frame["obs_throttled"].isna().all()


@pytest.mark.usefixtures("played")
def test_the_one_liner_for_duckdb(runs_dir, monkeypatch):
    monkeypatch.chdir(runs_dir.parent)
    steps = duckdb.sql("select avg(reward) from 'runs/latest/steps/*/*.parquet'")
    assert steps.fetchall() == [(0.5,)]


@pytest.mark.usefixtures("played")
def test_duckdb_reads_all_runs_once(runs_dir, monkeypatch, row, columns):
    other = Run.create(runs_dir, columns=columns)
    other.append_step(row())
    other.write_parquet()
    monkeypatch.chdir(runs_dir.parent)
    steps = duckdb.sql("select count(*) from 'runs/[0-9]*/steps/*/*.parquet'")
    assert steps.fetchall() == [(7,)]


def test_half_written_parquet_is_no_part_of_the_data_set(played, runs_dir: Path):
    (played.steps_path / "chunk=0" / ".steps.parquet.1234.tmp").write_bytes(b"PAR1 half")
    assert len(pd.read_parquet(runs_dir / "latest" / "steps")) == 6
    assert played.read_table().num_rows == 6


def test_chunks_form_one_data_set_and_can_be_written_again(run, row):
    run.write_parquet([row(episode=0), row(episode=1)], chunk=0)
    run.write_parquet([row(episode=2)], chunk=10)
    run.write_parquet([row(episode=3)], chunk=9)
    run.write_parquet([row(episode=0), row(episode=1)], chunk=0)
    assert [step["episode"] for step in run.read_steps()] == [0, 1, 3, 2]
    assert run.read_table().num_rows == 4
    assert not list(run.steps_path.rglob("*.tmp"))


def test_steps_that_parquet_does_not_have_yet_come_from_the_lines(run, row):
    run.append_step(row(step=0))
    run.write_parquet()
    run.append_step(row(step=1))
    assert [step["step"] for step in run.read_steps()] == [0, 1]
