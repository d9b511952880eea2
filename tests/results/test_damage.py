"""What a crash or a careless hand leaves of a run, and what is said about it."""

import multiprocessing
import os
import signal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from results import ResultsError, ResultsNotice, Run, list_runs, read_steps


def test_a_torn_last_line_is_reported_and_left_out(run, row):
    run.append_step(row(step=0))
    with run.journal_path.open("ab") as file:
        file.write(b'{"schema_version": 1, "epis')
    with pytest.warns(ResultsNotice, match=r"step\.jsonl, line 2: the line has no end"):
        assert [step["step"] for step in run.read_steps()] == [0]


@pytest.mark.parametrize("tail", [b'{"schema_version": 1, "epis', b"\0\0\0\n", b"x" * 200_000])
def test_the_next_step_replaces_a_torn_line(run, row, tail):
    run.append_step(row(step=0, notes=["long " * 30_000]))
    with run.journal_path.open("ab") as file:
        file.write(tail)
    with pytest.warns(ResultsNotice, match="cut off a torn last line"):
        run.append_step(row(step=1))
    assert [step["step"] for step in run.read_steps()] == [0, 1]


def test_a_torn_first_line_leaves_nothing(run, row):
    run.journal_path.write_bytes(b'{"half')
    with pytest.warns(ResultsNotice, match="cut off"):
        run.append_step(row(step=0))
    assert [step["step"] for step in run.read_steps()] == [0]


def test_a_damaged_line_in_the_middle_is_an_error(run, row):
    run.append_step(row(step=0))
    with run.journal_path.open("ab") as file:
        file.write(b"not json\n")
        file.write(b"{}\n")
    with pytest.raises(ResultsError, match=r"step\.jsonl, line 2: expected JSON"):
        run.read_steps()


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_damaged_parquet_is_named(run, row, content):
    path = run.write_parquet([row()])
    path.write_bytes(content)
    with pytest.raises(ResultsError, match=r"cannot read .*steps\.parquet as Parquet"):
        run.read_steps()
    with pytest.raises(ResultsError, match="write the chunk again"):
        run.read_table()


def test_parquet_of_another_program_is_named(run):
    path = run.steps_path / "chunk=0" / "steps.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(ResultsError, match="another kind of Parquet file"):
        run.read_steps()


@pytest.mark.parametrize("content", ["", "[]", '{"run_id": "x"}', '{"columns": 3}'])
def test_a_damaged_run_is_listed_as_damaged(run, runs_dir, content):
    (run.path / "run.json").write_text(content)
    (info,) = list_runs(runs_dir)
    assert info.state == "damaged"
    assert info.problem is not None
    assert "run.json" in info.problem
    with pytest.raises(ResultsError, match=r"run\.json is damaged"):
        read_steps(runs_dir)


def test_a_damaged_summary_is_named(run):
    run.summary_path.write_text("{")
    with pytest.raises(ResultsError, match=r"summary\.json is damaged"):
        run.read_summary()


def test_a_run_without_parquet_says_so(run):
    with pytest.raises(ResultsError, match="no Parquet files yet"):
        run.read_table()


def _record_until_killed(path, row, ready):
    run = Run.open(path)
    step = 0
    while True:
        run.append_step({**row, "step": step})
        if step == 3:
            ready.set()
        step += 1


def test_a_killed_writer_loses_at_most_the_step_under_way(run, row):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    writer = context.Process(target=_record_until_killed, args=(run.path, row(), ready))
    writer.start()
    assert ready.wait(60)
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    steps = [step["step"] for step in run.read_steps()]
    assert len(steps) >= 4
    assert steps == list(range(len(steps)))
