import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results import ResultsError, Run, find_run, list_runs, new_run_id, read_steps


@given(
    # Some C libraries write years before 1000 with fewer digits.
    st.datetimes(datetime.fromisoformat("1000-01-01"), timezones=st.just(UTC)),
    st.timedeltas(timedelta(microseconds=1), timedelta(365)),
)
def test_ids_sort_by_time(moment, later):
    try:
        after = moment + later
    except OverflowError:
        return
    assert new_run_id(moment) < new_run_id(after)


def test_ids_of_one_moment_differ():
    moment = datetime(2026, 1, 31, 23, 59, 59, 123456, tzinfo=UTC)
    assert re.fullmatch(r"20260131-235959-123456-[0-9a-f]{6}", new_run_id(moment))
    assert len({new_run_id(moment) for _ in range(50)}) == 50


def test_two_runs_share_no_file(runs_dir, columns, row):
    first = Run.create(runs_dir, columns=columns)
    second = Run.create(runs_dir, columns=columns)
    for run in (first, second):
        run.append_step(row())
        run.write_parquet()
        run.write_summary()
    assert first.path != second.path
    names = {path.relative_to(first.path) for path in first.path.rglob("*") if path.is_file()}
    assert {str(name) for name in names} == {
        "run.json",
        "step.jsonl",
        "summary.json",
        "steps/chunk=0/steps.parquet",
    }


def test_a_run_opens_as_it_was_created(run):
    assert Run.open(run.path) == run
    assert run.parameters == {"policy": "heuristic"}


def test_an_id_is_used_once(runs_dir, run):
    with pytest.raises(ResultsError, match="exists already"):
        Run.create(runs_dir, run.id)
    assert Run.create(runs_dir, run.id, exist_ok=True) == run


@pytest.mark.parametrize("name", ["", "latest", "../up", "a/b", ".hidden", "x" * 200, "new\nline"])
def test_an_id_is_a_plain_name(runs_dir, name):
    with pytest.raises(ResultsError, match="cannot be a run's id"):
        Run.create(runs_dir, name)


def test_runs_need_a_folder_that_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="cannot make the folder"):
        Run.create(tmp_path / "file" / "runs")
    with pytest.raises(ResultsError, match="file is a file; expected the folder of the runs"):
        Run.create(tmp_path / "file")


def test_a_folder_without_a_run_is_no_run(tmp_path):
    with pytest.raises(ResultsError, match=r"is not a run: expected a folder with a run\.json"):
        Run.open(tmp_path)


def test_latest_is_the_run_that_started_last(runs_dir):
    for name in ("b", "a"):
        Run.create(runs_dir, name)
        assert find_run(runs_dir).id == name
        assert (runs_dir / "latest").resolve() == (runs_dir / name).resolve()
    assert not list(runs_dir.glob(".latest*"))


def test_latest_is_a_text_file_where_there_are_no_links(runs_dir, monkeypatch):
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError("a required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    Run.create(runs_dir, "a")
    assert (runs_dir / "latest").read_text() == "a\n"
    assert find_run(runs_dir).id == "a"
    monkeypatch.undo()
    Run.create(runs_dir, "b")
    assert (runs_dir / "latest").is_symlink()


def test_a_real_folder_called_latest_is_left_alone(runs_dir):
    (runs_dir / "latest" / "mine").mkdir(parents=True)
    with pytest.raises(ResultsError, match="remove what is there"):
        Run.create(runs_dir)
    assert (runs_dir / "latest" / "mine").is_dir()


def test_a_run_is_found_by_id_path_and_the_start_of_its_id(runs_dir):
    one, two = Run.create(runs_dir, "2026-aa"), Run.create(runs_dir, "2026-ab")
    assert find_run(runs_dir, "2026-aa") == one
    assert find_run(runs_dir, "2026-ab"[:7]) == two
    assert find_run(runs_dir, str(one.path)).id == one.id
    with pytest.raises(ResultsError, match="2 runs start with '2026'"):
        find_run(runs_dir, "2026")
    with pytest.raises(ResultsError, match=r"no run 'x' in .*there are: 2026-aa, 2026-ab"):
        find_run(runs_dir, "x")


def test_without_a_run_there_is_no_latest(tmp_path):
    with pytest.raises(ResultsError, match="no run yet"):
        find_run(tmp_path)
    with pytest.raises(ResultsError, match="there is no folder"):
        list_runs(tmp_path / "runs")


def test_runs_are_listed_by_their_start(runs_dir, row, columns):
    for name in ("z", "a"):
        run = Run.create(runs_dir, name, columns=columns)
        run.append_step(row())
    run.write_summary()
    infos = list_runs(runs_dir)
    assert [(info.id, info.state) for info in infos] == [("z", "unfinished"), ("a", "ended")]
    assert infos[1].summary is not None
    assert infos[1].summary["steps"] == 1


def test_all_runs_are_read_at_once(runs_dir, row, columns):
    for name in ("a", "b"):
        Run.create(runs_dir, name, columns=columns).append_step(row())
    assert [step["run_id"] for step in read_steps(runs_dir)] == ["a", "b"]
    assert [step["run_id"] for step in read_steps(runs_dir / "b")] == ["b"]


def test_what_came_after_the_parquet_of_an_interruption_is_read(runs_dir, row, columns):
    run = Run.create(runs_dir, "a", columns=columns)
    run.append_step(row(step=0, error="broken"))
    run.write_parquet()
    run.append_step(row(step=0, error=None))
    assert [step["error"] for step in run.read_steps()] == ["broken", None]
