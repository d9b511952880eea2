import json
from pathlib import Path

import pytest

from flows.cli import errors
from results import Run
from sim_arena.records import COLUMNS


def row(step: int, **values: object) -> dict[str, object]:
    return {
        "episode": 0,
        "step": step,
        "trace": "a.sktrace",
        "policy": "heuristic",
        "target": 2,
        "action_type": "reduce_cpu_small",
        "notes": ["clipped: to 50m"],
        "reward": 0.0,
        "success": False,
        "obs_ready": 0,
        "obs_pending": 2,
        "obs_total": 2,
        **values,
    }


@pytest.fixture
def played() -> Run:
    run = Run.create("runs", columns=COLUMNS, parameters={"policy": "heuristic"})
    run.append_step(row(0))
    run.append_step(row(1, reward=1.0, success=True, action_type=None, obs_ready=2, obs_pending=0))
    run.write_parquet()
    run.write_summary()
    return run


def test_list(cli, played):
    shown = cli("runs", "list").out
    assert played.id in shown
    assert "100%" in shown
    (entry,) = cli("runs", "list", "--json").json
    assert entry["run_id"] == played.id
    assert entry["state"] == "ended"
    assert entry["summary"]["successes"] == 1


def test_the_newest_runs_come_last_and_limit_keeps_them(cli):
    ids = [Run.create("runs").id for _ in range(4)]
    listed = [entry["run_id"] for entry in cli("runs", "list", "--json").json]
    assert listed == ids
    listed = [entry["run_id"] for entry in cli("runs", "list", "--limit", 2, "--json").json]
    assert listed == ids[2:]


@pytest.mark.parametrize("name", ["latest", "id", "prefix", "path"])
def test_show_finds_a_run(cli, played, name):
    words = {"latest": [], "id": [played.id], "prefix": [played.id[:12]], "path": [played.path]}
    shown = cli("runs", "show", *words[name]).out
    assert f"Run {played.id}, ended" in shown
    assert "reduce_cpu_small" in shown
    assert "clipped: to 50m" in shown
    assert "policy heuristic" in shown
    assert "trace a.sktrace" in shown
    assert str(Path("runs") / played.id / "steps") in shown


@pytest.mark.usefixtures("played")
def test_show_as_json(cli):
    document = cli("runs", "show", "--json").json
    assert [step["step"] for step in document["steps"]] == [0, 1]
    assert document["summary"]["steps_to_success"]["max"] == 2
    assert document["parameters"] == {"policy": "heuristic"}


@pytest.mark.filterwarnings("default::results.ResultsNotice")
def test_an_unfinished_run_is_shown_with_what_it_has(cli):
    run = Run.create("runs", columns=COLUMNS)
    run.append_step(row(0))
    with run.journal_path.open("a") as file:
        file.write('{"torn')
    answer = cli("runs", "show")
    assert answer.code == 0
    assert "unfinished" in answer.out
    assert answer.err.startswith("sim-arena: notice: ")


def test_failed_steps_are_told(cli):
    run = Run.create("runs", columns=COLUMNS)
    run.append_step(row(0, error="HookError: it broke", reward=None, success=None))
    answer = cli("runs", "show")
    assert "HookError: it broke" in answer.err


def test_why_steps_cannot_be_assessed_is_told_once(cli):
    run = Run.create("runs", columns=COLUMNS)
    unknown = {"obs_unassessable": ["it annotates usage"], "reward": None, "success": None}
    for step in range(2):
        run.append_step(row(step, **unknown))
    run.append_step(row(2, obs_unassessable=["pods wait, which can be told"]))
    told = cli("runs", "show").err
    assert told.count("not assessable: it annotates usage; --cluster embedded models usage") == 1
    assert "which can be told" not in told


def test_a_long_run_is_cut(cli):
    run = Run.create("runs", columns=COLUMNS)
    for step in range(5):
        run.append_step(row(step))
    assert "and 3 more steps" in cli("runs", "show", "--limit", 2).out


def test_without_runs(cli):
    answer = cli("runs", "list")
    assert answer.code == errors.USAGE
    assert "there is no folder runs" in answer.error
    Path("runs").mkdir()
    assert cli("runs", "list").out == "no runs in runs\n"
    assert cli("runs", "show").code == errors.USAGE


def test_an_unknown_run_lists_those_that_are(cli, played):
    answer = cli("runs", "show", "nope")
    assert answer.code == errors.USAGE
    assert played.id in answer.error


def test_a_damaged_run_is_code_1(cli, played):
    next(played.steps_path.rglob("*.parquet")).write_bytes(b"damaged")
    answer = cli("runs", "show")
    assert answer.code == errors.FAILED
    assert "steps.parquet" in answer.error


def test_a_damaged_run_does_not_hide_the_others(cli, played):
    other = Run.create("runs")
    (other.path / "run.json").write_text("{")
    answer = cli("runs", "list", "--json")
    states = {entry["run_id"]: entry["state"] for entry in answer.json}
    assert states == {played.id: "ended", other.id: "damaged"}


def test_the_folder_can_be_named(cli, played, tmp_path, monkeypatch):
    played.path.parent.rename(tmp_path / "elsewhere")
    assert played.id in cli("runs", "list", "--runs-dir", tmp_path / "elsewhere").out
    monkeypatch.setenv("SIM_ARENA_RUNS_DIR", str(tmp_path / "elsewhere"))
    assert json.loads(cli("runs", "show", "--json").out)["run_id"] == played.id
