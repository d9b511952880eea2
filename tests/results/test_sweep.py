"""A sweep's data set: layout, exactly-once chunks, loaders, stores."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.compute as pc
import pyarrow.dataset
import pytest

from results import (
    EPISODE_COLUMNS,
    ResultsError,
    Run,
    Sweep,
    episode_rows,
    find_run,
    list_runs,
    load_episodes,
    load_steps,
    open_result,
    rows_of,
    store_at,
    table_of,
)
from results.sweep import part_name
from tests.results.conftest import COLUMNS, make_row


@pytest.fixture(params=["folder", "memory"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The folder of the runs, on the disk and in a store that only fsspec knows."""
    if request.param == "folder":
        yield str(tmp_path / "runs")
        return
    url = f"memory://{uuid4().hex}/runs"
    yield url
    store_at(url).delete("")


def make_sweep(runs: str, run_id: str = "s1") -> Sweep:
    return Sweep.create(runs, run_id, columns=COLUMNS, parameters={"policies": ["heuristic"]})


def chunk_rows(*episodes: int, **values: Any) -> list[dict[str, Any]]:
    head = {"schema_version": 1, "run_id": "s1", "reward_name": "binary"}
    return [make_row(episode, step, **head, **values) for episode in episodes for step in range(2)]


def write(sweep: Sweep, chunk: int, *episodes: int, **values: Any) -> None:
    rows = chunk_rows(*episodes, **values)
    sweep.write_chunk(chunk, table_of(rows, COLUMNS), table_of(episode_rows(rows), EPISODE_COLUMNS))


def test_a_sweep_is_opened_as_it_was_made(runs: str) -> None:
    made = make_sweep(runs)
    opened = open_result(f"{runs}/s1")
    assert isinstance(opened, Sweep)
    assert (opened.id, opened.columns, opened.episode_columns) == ("s1", COLUMNS, EPISODE_COLUMNS)
    assert opened.parameters == made.parameters
    with pytest.raises(ResultsError, match="exists already"):
        make_sweep(runs)


def test_rows_come_back_as_they_went_in(runs: str) -> None:
    sweep = make_sweep(runs)
    write(sweep, 1, 2, 3)
    write(sweep, 0, 0, 1)
    back = rows_of(load_steps(f"{runs}/s1", form="arrow"))
    wanted = [row["started_at"] for row in back]
    given = chunk_rows(0, 1, 2, 3)
    assert [{key: row[key] for key in given[0]} for row in back] == [
        {**row, "started_at": wanted[0]} for row in given
    ]
    assert [row["episode"] for row in rows_of(load_episodes(sweep, form="arrow"))] == [0, 1, 2, 3]


def test_a_chunk_counts_once_its_episodes_are_there(runs: str) -> None:
    sweep = make_sweep(runs)
    write(sweep, 0, 0)
    rows = chunk_rows(1)
    sweep.write_part("steps", 1, table_of(rows, COLUMNS))
    assert sweep.finished_chunks() == {0}
    assert set(load_steps(sweep)["episode"]) == {0}
    write(sweep, 1, 1, reward=5.0)  # played again
    assert load_steps(sweep)["reward"].tolist() == [0.0, 0.0, 5.0, 5.0]


def test_columns_and_a_filter_are_chosen(runs: str) -> None:
    sweep = make_sweep(runs)
    write(sweep, 0, 0)
    write(sweep, 1, 1, policy="noop")
    noop = pc.field("policy") == "noop"
    frame = load_steps(sweep, columns=["episode", "step"], where=noop)
    assert frame.to_dict("list") == {"episode": [1, 1], "step": [0, 1]}
    with pytest.raises(ResultsError, match="nothing"):
        load_steps(sweep, columns=["nothing"])
    with pytest.raises(ResultsError, match="form"):
        load_steps(sweep, form="spark")  # type: ignore[arg-type] # the mistake in question


def test_a_sweep_without_a_chunk_is_empty(runs: str) -> None:
    sweep = make_sweep(runs)
    assert len(load_steps(sweep)) == 0
    assert load_episodes(sweep, columns=["seed"]).columns.tolist() == ["seed"]


def test_parts_are_replaced_in_one_step(runs: str) -> None:
    sweep = make_sweep(runs)
    for number in range(3):
        write(sweep, number, number)
    before = load_steps(sweep, form="arrow")
    sweep.write_part("steps", 100, before)
    sweep.write_part("episodes", 100, load_episodes(sweep, form="arrow"))
    whole = {"steps": [part_name("steps", 100)], "episodes": [part_name("episodes", 100)]}
    sweep.replace_parts(whole)  # type: ignore[arg-type] # the names are literals there
    assert load_steps(sweep, form="arrow").equals(before)
    assert sweep.store.list("steps") == whole["steps"]


def test_inputs_are_kept(runs: str) -> None:
    sweep = make_sweep(runs)
    sweep.add_input("abc", b"trace")
    assert sweep.read_input("abc") == b"trace"
    with pytest.raises(ResultsError, match="def"):
        sweep.read_input("def")
    sweep.write_plan({"episodes": 3})
    assert sweep.read_plan() == {"episodes": 3}
    assert sweep.read_summary() is None
    sweep.write_summary({"episodes": 3})
    assert (sweep.read_summary() or {})["episodes"] == 3


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    sweep = make_sweep(str(tmp_path))
    write(sweep, 0, 0)
    (tmp_path / "s1" / part_name("steps", 0)).write_bytes(b"nothing")
    with pytest.raises(ResultsError, match="chunk=0"):
        load_steps(sweep)


def test_runs_and_sweeps_are_listed_together(tmp_path: Path) -> None:
    sweep = make_sweep(str(tmp_path))
    write(sweep, 0, 0)
    sweep.point_latest()
    Run.create(tmp_path, "r1", columns=COLUMNS)
    assert [(info.id, info.kind) for info in list_runs(tmp_path)] == [
        ("s1", "sweep"),
        ("r1", "episode"),
    ]
    assert find_run(tmp_path, "s1").kind == "sweep"


def test_a_run_of_one_episode_loads_alike(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "r1", columns=COLUMNS)
    for step in range(2):
        run.append_step(make_row(0, step, reward=0.5, success=step == 1, terminated=step == 1))
    episodes = load_episodes(run.path)
    assert episodes["steps_to_success"].tolist() == [2]
    assert episodes["total_reward"].tolist() == [1.0]
    assert load_steps(run.path, columns=["step"])["step"].tolist() == [0, 1]


def test_other_programs_read_the_folders(tmp_path: Path) -> None:
    sweep = make_sweep(str(tmp_path))
    write(sweep, 0, 0)
    write(sweep, 1, 1)
    table = pyarrow.dataset.dataset(tmp_path / "s1" / "steps", partitioning="hive").to_table()
    assert sorted(table["chunk"].to_pylist()) == [0, 0, 1, 1]


def test_a_url_that_nobody_knows_is_told() -> None:
    with pytest.raises(ResultsError, match="expected a path or the URL"):
        store_at("gopher://x/y")
