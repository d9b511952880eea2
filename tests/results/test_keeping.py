"""Compaction, export, retention."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from results import (
    ResultsError,
    Run,
    Sweep,
    find_run,
    load_episodes,
    load_steps,
    rows_of,
)
from results.compaction import compact
from results.export import export_rows, write_rows
from results.figures import summarise_sweep
from results.retention import outdated
from tests import kills
from tests.results.conftest import COLUMNS, make_row
from tests.results.test_sweep import make_sweep, write

EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "shutil.rmtree")


def full(runs: Path, chunks: int = 5) -> Sweep:
    sweep = make_sweep(str(runs))
    for number in range(chunks):
        write(sweep, number, 2 * number, 2 * number + 1, reward=0.5, success=number % 2 == 0)
    return sweep


def tables(sweep: Sweep) -> list[Any]:
    return [load(sweep, form="arrow") for load in (load_steps, load_episodes)]


def test_compaction_keeps_every_row(tmp_path: Path) -> None:
    sweep = full(tmp_path)
    with pytest.raises(ResultsError, match="has not ended"):
        compact(sweep)
    sweep.write_summary(summarise_sweep(sweep))
    before = tables(sweep)
    assert compact(sweep, rows=12) == (10, 4)  # steps: 12 and 8 rows, with their episodes
    assert all(new.equals(old) for new, old in zip(tables(sweep), before, strict=True))
    assert len(sweep.store.list("steps")) == 2
    assert compact(sweep, rows=12) == (4, 4)
    assert compact(sweep) == (4, 2)
    assert all(new.equals(old) for new, old in zip(tables(sweep), before, strict=True))


@pytest.mark.parametrize("chunks", [1, 5])
def test_a_damaged_file_is_not_passed_over(tmp_path: Path, chunks: int) -> None:
    sweep = full(tmp_path, chunks)
    sweep.write_summary(summarise_sweep(sweep))
    name = sweep.parts("episodes")[0]
    sweep.store.write(name, lambda file: file.write(b"PAR1"))
    with pytest.raises(ResultsError, match=rf"cannot read .*{name}: .*resume the sweep"):
        compact(sweep)
    with pytest.raises(ResultsError, match=rf"cannot read .*{name}: .*resume the sweep"):
        load_episodes(sweep)


def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    sweep = full(tmp_path)
    with pytest.raises(ResultsError, match=r"no column surprise; there are .*episode") as told:
        load_episodes(sweep, columns=["surprise"])
    assert "damaged" not in str(told.value)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_compaction_that_is_killed_anywhere_loses_and_doubles_nothing(tmp_path: Path) -> None:
    sweep = full(tmp_path)
    sweep.write_summary(summarise_sweep(sweep))
    before = tables(sweep)
    times = 0
    while killed(sweep, times + 1):
        times += 1
        found = tables(sweep)
        assert all(new.equals(old) for new, old in zip(found, before, strict=True))
    assert times > 10
    assert len(sweep.store.list("steps")) == len(sweep.store.list("episodes")) == 1


def killed(sweep: Sweep, after: int) -> bool:
    return kills.killed(lambda: compact(sweep), after, sweep.store.url, EVENTS)


def test_figures_are_those_of_the_rows(tmp_path: Path) -> None:
    sweep = full(tmp_path)
    write(sweep, 9, 18, policy="noop", reward=None, error="RuntimeError: no", success=None)
    figures = summarise_sweep(sweep)
    assert (figures["episodes"], figures["steps"], figures["errors"]) == (11, 22, 1)
    assert figures["successes"] == 6
    assert figures["mean_reward"] == 0.5
    assert figures["steps_to_success"] == {"min": 2, "median": 2.0, "mean": 2.0, "max": 2}
    assert figures["by_policy"]["noop"]["success_rate"] == 0.0
    assert figures["by_policy"]["noop"]["mean_reward"] is None
    assert figures["error_list"] == [{"episode": 18, "step": 1, "error": "RuntimeError: no"}]


@pytest.mark.parametrize("table", ["steps", "episodes"])
@pytest.mark.parametrize("kind", ["sweep", "run"])
def test_rows_are_exported(tmp_path: Path, table: Any, kind: str) -> None:
    if kind == "sweep":
        result: Run | Sweep = full(tmp_path, 2)
        wanted = rows_of((load_steps if table == "steps" else load_episodes)(result, form="arrow"))
    else:
        result = Run.create(tmp_path, columns=COLUMNS)
        result.append_step(make_row(0, 0))
        wanted = result.read_steps() if table == "steps" else []
    lines, cells = io.StringIO(), io.StringIO(newline="")
    count = write_rows(lines, *export_rows(result, table), form="jsonl")
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert count == len(found)
    if wanted:
        assert found == wanted
    assert write_rows(cells, *export_rows(result, table), form="csv") == count
    read = list(csv.DictReader(io.StringIO(cells.getvalue(), newline="")))
    assert [int(row["episode"]) for row in read] == [row["episode"] for row in found]
    assert read[0]["error"] == ""
    if table == "steps":
        assert json.loads(read[0]["obs_reasons"]) == found[0]["obs_reasons"]


def test_what_has_not_ended_and_the_last_run_stay(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d", "e"):
        run = Run.create(tmp_path, name, columns=COLUMNS)
        run.append_step(make_row())
        if name != "b":
            run.write_summary()
    assert [info.id for info in outdated(tmp_path, keep=0)] == ["a", "c", "d"]
    assert [info.id for info in outdated(tmp_path, keep=2)] == ["a", "c"]
    assert [info.id for info in outdated(tmp_path, keep=9)] == []
    later = datetime.now(UTC) + timedelta(days=8)
    week = timedelta(days=7)
    assert outdated(tmp_path, older_than=week) == []
    assert len(outdated(tmp_path, older_than=week, now=later)) == 3
    assert find_run(tmp_path).id == "e"
    with pytest.raises(ResultsError, match="neither"):
        outdated(tmp_path)
