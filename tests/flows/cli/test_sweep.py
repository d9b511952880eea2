"""sweep, and what is done with its results: replay, compact, export, prune."""

import csv
import json
from pathlib import Path

import pytest

from results import find_run, load_episodes, load_steps
from sim_arena.sweeps import SweepSpec, create, go_on, play_chunk

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture
def played(demo):
    """A sweep in runs/ that has ended."""
    asked = SweepSpec(traces=str(demo), policies=("heuristic", "noop"), chunk=2, max_steps=3)
    sweep, plan = create(asked, "runs", "played")
    go_on(sweep, plan)
    return sweep


@pytest.mark.usefixtures("prefect_server")
def test_a_sweep_says_how_large_it_is_and_plays(cli, demo):
    answer = cli("sweep", "--trace", demo, "--seeds", "0-1", "--policy", "heuristic", "--chunk", 2)
    assert answer.code == 0, answer.err
    first, second, *_ = answer.out.splitlines()
    assert first == "6 episodes in 3 chunks: 3 traces x 2 seeds"
    assert second.startswith("embedded: 6 episodes, about ")
    assert "policy heuristic" in answer.out
    assert "Results: runs/" in answer.out
    assert "goes on with it" in answer.err
    assert len(load_episodes("runs/latest")) == 6


@pytest.mark.usefixtures("prefect_server")
def test_a_sweep_in_a_file_prints_json_and_is_resumed(cli, demo, tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text(f"traces: [{demo}]\npolicies: [noop]\nchunk: 1\nmax_steps: 9\n")
    answer = cli("sweep", file, "--max-steps", 2, "--run-id", "mine", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["episodes"] == 3
    assert answer.json["steps"] == 6
    sweep, plan = create(SweepSpec(traces=str(demo), chunk=1), "runs", "half")
    play_chunk(sweep, plan, 1)
    answer = cli("sweep", "--resume", "half", "--json")
    assert (answer.code, answer.json["episodes"]) == (0, 3)
    again = cli("sweep", "--resume", "half", "--policy", "noop")
    assert again.code == 2
    assert "leave --policies out" in again.error


def test_a_dry_run_plays_nothing(cli, demo):
    answer = cli("sweep", "--trace", demo, "--target", 1, "--target", 2, "--dry-run", "--json")
    assert answer.code == 0
    assert answer.json["episodes"] == 6
    assert answer.json["axes"]["targets"] == 2
    assert answer.json["estimated_seconds"].keys() == {"embedded"}
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "expected traces to play, found none"),
        (["--trace", "nowhere"], "found nothing at 'nowhere'"),
        (["nowhere.yaml"], "cannot read nowhere.yaml"),
        (["--generate", 1, "--policy", "nobody"], "expected a policy"),
        (["--generate", 1, "--seeds", "9-1"], "ascending"),
        (["--generate", 1, "--step-size", "big"], "expected cpu=250m"),
        (["--generate", 1, "--step-size", "cpu=-1"], "step_sizes"),
        (["--generate", 1, "--cluster", "moon"], "expected a cluster"),
        (["--resume", "nothing"], "no run"),
        (["--generate", 1, "--runs-dir", __file__], "is a file; name a folder"),
    ],
)
def test_a_mistake_gets_one_line_and_starts_nothing(cli, words, told):
    answer = cli("sweep", *words)
    assert answer.code == 2
    assert told in answer.error
    assert not Path("runs").exists()


def test_an_unusable_folder_of_runs_is_a_wrong_option_everywhere(cli, broken):
    for command in ("step", "episode"):
        answer = cli(command, *broken.options, "--runs-dir", broken.path)
        assert (answer.code, "is a file; name a folder" in answer.error) == (2, True)


@pytest.mark.usefixtures("played")
def test_a_row_is_played_again(cli, tmp_path):
    answer = cli("runs", "replay", "played:0", "--out", tmp_path / "again")
    assert (answer.code, "the same as recorded" in answer.out) == (0, True)
    assert list((tmp_path / "again").rglob("*.sktrace"))
    answer = cli("runs", "replay", "played:1:0", "--json")
    assert answer.json["same"] is True
    assert [row["step"] for row in answer.json["steps"]] == [0]
    for row, code, told in (
        ("played", 2, "expected RUN:EPISODE"),
        ("played:x", 2, "expected RUN:EPISODE"),
        ("played:99", 1, "from 0 to 5"),
        ("played:0:77", 2, "steps, from 0"),
        ("nothing:0", 2, "no run"),
    ):
        answer = cli("runs", "replay", row)
        assert (answer.code, told in answer.error) == (code, True), answer.err


def test_a_sweep_is_listed_shown_and_compacted(cli, played):
    assert "played" in cli("runs", "list").out
    shown = cli("runs", "show", "played")
    assert "Sweep played, ended" in shown.out
    assert "policy noop" in shown.out
    assert cli("runs", "show", "played", "--json").json["summary"]["episodes"] == 6
    before = load_steps(played)
    assert "6 files before, 2 after" in cli("runs", "compact", "played").out
    assert load_steps(played).equals(before)
    assert cli("runs", "replay", "played:3").code == 0


def test_rows_are_exported(cli, played, tmp_path):
    lines = cli("runs", "export", "played", "--jsonl", "--table", "episodes").out.splitlines()
    assert [json.loads(line)["episode"] for line in lines] == list(range(6))
    out = tmp_path / "steps.csv"
    assert cli("runs", "export", "--csv", "--out", out).code == 0
    with out.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(load_steps(played))
    assert cli("runs", "export", "--csv", "--jsonl").code == 2
    assert cli("runs", "export").code == 2


def test_old_runs_are_pruned(cli, played, demo):
    for name in ("a", "b"):
        go_on(*create(SweepSpec(traces=str(demo), policies="noop", max_steps=1), "runs", name))
    assert cli("runs", "prune").code == 2
    answer = cli("runs", "prune", "--keep", 1, "--yes")
    assert (answer.code, "2 runs deleted" in answer.out) == (0, True)
    assert find_run("runs").id == "b"
    assert not Path("runs", played.id).exists()
    assert "nothing to delete" in cli("runs", "prune", "--keep", 1, "--yes").out
