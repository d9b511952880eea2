"""A sweep's data set: layout, exactly-once chunks, loaders, stores."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import polars as pl
import pyarrow.compute as pc
import pyarrow.dataset
import pytest
from pyarrow import parquet

from results import (
    EPISODE_COLUMNS,
    ResultsError,
    ResultsNotice,
    Run,
    Sweep,
    episode_rows,
    find_run,
    list_runs,
    load_episodes,
    load_steps,
    open_result,
    parquet_files,
    rows_of,
    store_at,
    table_of,
)
from results.compaction import compact
from results.figures import summarise_sweep
from results.parts import part_name
from results.store import place_in, read_document, write_document
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


def make_sweep(runs: str, run_id: str = "s1", plan: dict[str, Any] | None = None) -> Sweep:
    asked = {"policies": ["heuristic"]}
    return Sweep.create(runs, run_id, columns=COLUMNS, parameters=asked, plan=plan)


def chunk_rows(*episodes: int, **values: Any) -> list[dict[str, Any]]:
    head = {"schema_version": 1, "run_id": "s1", "reward_name": "binary"}
    return [make_row(episode, step, **head, **values) for episode in episodes for step in range(2)]


def write(sweep: Sweep, chunk: int, *episodes: int, **values: Any) -> None:
    rows = chunk_rows(*episodes, **values)
    sweep.write_chunk(chunk, table_of(rows, COLUMNS), table_of(episode_rows(rows), EPISODE_COLUMNS))


def join(sweep: Sweep, last: int) -> None:
    """Join the chunks up to one, as a compaction does, and leave what they were."""
    steps, episodes = load_steps(sweep, form="arrow"), load_episodes(sweep, form="arrow")
    for table, rows in (("steps", steps), ("episodes", episodes)):
        assert load_steps(sweep, form="arrow").equals(steps)
        name = part_name(table, 0, last)  # type: ignore[arg-type] # literals
        sweep.store.write(name, lambda file, rows=rows: parquet.write_table(rows, file))  # type: ignore[misc] # it is called at once


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


def test_a_chunk_that_is_written_again_is_never_of_two_plays(runs: str) -> None:
    sweep = make_sweep(runs)
    write(sweep, 0, 0)
    rows = chunk_rows(0, reward=5.0)

    def stop_halfway() -> None:
        if sweep.read_part(part_name("steps", 0))["reward"].to_pylist() == [5.0, 5.0]:
            raise RuntimeError("power")

    tables = table_of(rows, COLUMNS), table_of(episode_rows(rows), EPISODE_COLUMNS)
    with pytest.raises(RuntimeError, match="power"):
        sweep.write_chunk(0, *tables, stop_halfway)
    assert sweep.finished_chunks() == set()
    sweep.write_chunk(0, *tables)
    assert load_episodes(sweep)["total_reward"].tolist() == [10.0]


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


@pytest.mark.parametrize("lost", ["steps", "episodes"])
def test_a_chunk_without_one_of_its_tables_is_missing(runs: str, lost: str) -> None:
    sweep = make_sweep(runs, plan={"chunks": 4})
    for number in range(3):
        write(sweep, number, number)
    sweep.store.delete(f"{lost}/chunk=1/{lost}.parquet")
    assert sweep.finished_chunks() == {0, 2}
    assert sweep.missing_chunks() == [1, 3]
    assert load_steps(sweep)["episode"].tolist() == [0, 0, 2, 2]
    assert load_episodes(sweep)["episode"].tolist() == [0, 2]
    sweep.write_summary({"episodes": 3})
    with pytest.warns(ResultsNotice, match=r"2 chunks \(1, 3\).*resume it"):
        load_episodes(sweep)
    sweep.delete_strays()
    assert len(sweep.store.list("steps")) == len(sweep.store.list("episodes")) == 2


def test_steps_of_one_play_are_never_beside_episodes_of_another(runs: str) -> None:
    """Two workers play a chunk: one of them was given up, and lives."""
    sweep = make_sweep(runs, plan={"chunks": 1})

    def both(steps: int) -> tuple[Any, Any]:
        rows = [make_row(0, step, run_id="s1") for step in range(steps)]
        return table_of(rows, COLUMNS), table_of(episode_rows(rows), EPISODE_COLUMNS)

    looks = 0

    def meanwhile() -> None:
        nonlocal looks
        looks += 1
        if looks == 2:  # right before the episodes
            sweep.write_chunk(0, *both(3))

    with pytest.raises(ResultsError, match="another process plays chunk 0 too"):
        sweep.write_chunk(0, *both(1), meanwhile)
    assert len(load_steps(sweep)) == 3
    assert load_episodes(sweep)["steps"].tolist() == [3]


def test_an_id_leaves_room_for_those_of_its_episodes(tmp_path: Path) -> None:
    make_sweep(str(tmp_path), "a" * 100)
    with pytest.raises(ResultsError, match="up to 100 letters"):
        make_sweep(str(tmp_path), "a" * 101)
    Run.create(tmp_path, run_id="a" * 100 + "-999999999-again1", columns=COLUMNS)


def test_what_others_have_put_there_stays(runs: str) -> None:
    sweep = make_sweep(runs, plan={"chunks": 2})
    for number in range(2):
        write(sweep, number, number)
    whole = load_steps(sweep, form="arrow")
    sweep.store.delete("steps/chunk=1/steps.parquet")
    theirs = ["steps/_metadata", "steps/chunk=0/README.txt", "episodes/chunk=1/notes"]
    for name in theirs:
        sweep.store.write(name, lambda file: file.write(b"theirs"))
    sweep.delete_strays()
    assert set(theirs) <= {*sweep.store.list()}
    assert "episodes/chunk=1/episodes.parquet" not in sweep.store.list()
    write(sweep, 1, 1)
    assert load_steps(sweep, form="arrow").equals(whole)
    sweep.write_summary(summarise_sweep(sweep))
    assert compact(sweep) == (4, 2)
    assert load_steps(sweep, form="arrow").equals(whole)
    assert set(theirs) <= {*sweep.store.list()}


def test_joined_parts_take_the_place_of_theirs_when_both_are_there(runs: str) -> None:
    sweep = make_sweep(runs, plan={"chunks": 3})
    for number in range(3):
        write(sweep, number, number)
    steps, episodes = load_steps(sweep, form="arrow"), load_episodes(sweep, form="arrow")
    join(sweep, 2)
    assert load_steps(sweep, form="arrow").equals(steps)
    assert sweep.parts("steps") == ["steps/chunk=0-2/steps.parquet"]
    assert sweep.finished_chunks() == {0, 1, 2}
    sweep.delete_strays()
    assert sweep.store.list("episodes") == ["episodes/chunk=0-2/episodes.parquet"]
    assert load_episodes(sweep, form="arrow").equals(episodes)
    sweep.store.delete("episodes/chunk=0-2")
    assert sweep.missing_chunks() == [0, 1, 2]


def test_what_was_joined_is_given_up_with_what_it_was_made_of(runs: str) -> None:
    """A compaction was killed before it deleted that."""
    sweep = make_sweep(runs, plan={"chunks": 3})
    for number in range(3):
        write(sweep, number, number)
    join(sweep, 2)
    sweep.give_up_chunks([1])
    assert sweep.missing_chunks() == [0, 1, 2]
    assert load_episodes(sweep).empty


def test_other_files_are_no_parts(runs: str) -> None:
    sweep = make_sweep(runs)
    write(sweep, 0, 0)
    for name in ("steps/notes.parquet", "steps/chunk=x/steps.parquet"):
        sweep.store.write(name, lambda file: (file.write(b"mine"), None)[1])
    assert sweep.parts("steps") == ["steps/chunk=0/steps.parquet"]


def test_what_no_sweep_has_written_is_not_deleted(runs: str) -> None:
    """Somebody names a folder of their own that has `inputs/` too."""
    store = store_at(f"{runs}/s1")
    ours = [f"inputs/{'0' * 64}.sktrace", f"inputs/{'1' * 64}.nodes.yaml"]
    for name in (*ours, "inputs/table.csv"):
        store.write(name, lambda file: (file.write(b"mine"), None)[1])
    with pytest.raises(ResultsError, match=r"found table\.csv.*another id"):
        make_sweep(runs)
    assert store.list() == sorted([*ours, "inputs/table.csv"])
    store.delete("inputs/table.csv")
    make_sweep(runs)
    assert store.list() == ["run.json"]


def test_a_plan_that_no_sweep_has_written_is_not_replaced(runs: str) -> None:
    store = store_at(place_in(runs, "s1"))
    write_document(store, "plan.json", {"resources": []})
    with pytest.raises(ResultsError, match="another file, which would be lost"):
        make_sweep(runs)
    assert read_document(store, "plan.json") == {"resources": []}
    write_document(store, "plan.json", {"chunks": 1})  # as an interrupted creation leaves it
    assert make_sweep(runs, plan={"chunks": 2}).read_plan() == {"chunks": 2}


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


def test_other_programs_are_given_the_files_of_the_data_set_alone(tmp_path: Path) -> None:
    """Whatever is there besides: a chunk under way, what is being joined."""
    sweep = make_sweep(str(tmp_path))
    for number in range(3):
        write(sweep, number, number)
    sweep.store.delete("episodes/chunk=2")
    joined = load_steps(sweep, form="arrow")
    (tmp_path / "s1/steps/chunk=0-1").mkdir()
    parquet.write_table(joined, tmp_path / "s1" / part_name("steps", 0, 1))
    for table, rows in (("steps", 4), ("episodes", 2)):
        files = parquet_files(tmp_path / "s1", table)  # type: ignore[arg-type] # literals
        assert duckdb.read_parquet(files).count("*").fetchall() == [(rows,)]
        assert pl.scan_parquet(files).collect().height == rows
    assert duckdb.sql(f"from '{tmp_path}/s1/steps/*/*.parquet'").count("*").fetchall() != [(4,)]


def test_files_are_given_where_there_are_any(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "r1", columns=COLUMNS)
    run.append_step(make_row())
    path = run.write_parquet()
    assert parquet_files(run) == [str(path)]
    with pytest.raises(ResultsError, match="load_episodes"):
        parquet_files(run, "episodes")
    sweep = make_sweep(f"memory://{uuid4().hex}/runs")
    with pytest.raises(ResultsError, match=r"expected a sweep in a folder.*load_steps"):
        parquet_files(sweep)


def test_a_sweep_that_lost_a_chunk_after_its_end_is_listed_so(tmp_path: Path) -> None:
    sweep = make_sweep(str(tmp_path), plan={"chunks": 2})
    write(sweep, 0, 0)
    write(sweep, 1, 1)
    sweep.write_summary({"episodes": 2})
    assert [info.state for info in list_runs(tmp_path)] == ["ended"]
    sweep.store.delete("steps/chunk=1")
    (info,) = list_runs(tmp_path)
    assert info.state == "unfinished"
    assert "1 chunk (1)" in str(info.problem)


def test_a_url_that_nobody_knows_is_told() -> None:
    with pytest.raises(ResultsError, match="expected a path or the URL"):
        store_at("gopher://x/y")
