"""sweep, and what is done with its results: replay, compact, export, prune."""

import csv
import json
from functools import partial
from pathlib import Path

import pytest

from flows.cli.sweep import follow
from results import find_run, list_runs, load_episodes, load_steps
from results.retention import delete_run
from sim_arena.policies.loading import REGISTRY
from sim_arena.sweeps import SweepSpec, create, go_on, play_chunk, versions, writing

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture
def played(demo):
    """A sweep in runs/ that has ended."""
    asked = SweepSpec(traces=str(demo), policies=("heuristic", "noop"), chunk=2, max_steps=3)
    sweep, plan = create(asked, "runs", "played")
    go_on(sweep, plan)
    return sweep


class Looks:
    """An event that is waited for: before each look at the sweep it does the next thing."""

    def __init__(self, *things):
        self.things = iter([lambda: None, *things])

    def wait(self, _seconds):
        thing = next(self.things, None)
        if thing is None:
            return True
        thing()
        return False


def test_what_the_start_takes_of_a_sweep_that_goes_on_is_not_its_rate(demo):
    sweep, plan = create(SweepSpec(traces=str(demo), chunk=1, max_steps=1), "runs", "half")
    lines = []
    with writing(sweep) as writer:
        play = partial(play_chunk, sweep, plan, writer=writer)
        looks = Looks(lambda: play(0), lambda: play(1))
        follow("runs/half", looks, lambda line, _share: lines.append(line), resumed=True)
    first, second, third = lines
    assert "remaining time not known yet" in first
    assert (second.startswith("sweep half, 1 of 3"), "not known yet" in second) == (True, True)
    assert (third.startswith("2 of 3 episodes"), "left" in third) == (True, True)


def test_what_is_played_again_counts_again(demo):
    sweep, plan = create(SweepSpec(traces=str(demo), chunk=1, max_steps=1), "runs", "again")
    go_on(sweep, plan)
    lines = []
    with writing(sweep) as writer:
        looks = Looks(
            lambda: sweep.give_up_chunks([0, 1, 2]), lambda: play_chunk(sweep, plan, 0, writer)
        )
        follow("runs/again", looks, lambda line, _share: lines.append(line), resumed=True)
    told = [line.removeprefix("sweep again, ").split(" episodes")[0] for line in lines]
    assert told == ["3 of 3", "0 of 3", "1 of 3"]


@pytest.fixture
def sick(monkeypatch):
    """A policy that cannot decide."""

    def policy(obs, deploy):  # noqa: ARG001 # a policy's arguments
        raise RuntimeError("no disk")

    monkeypatch.setitem(REGISTRY, "sick", policy)


@pytest.mark.usefixtures("prefect_server")
def test_a_sweep_says_how_large_it_is_and_plays(cli, demo):
    answer = cli("sweep", "--trace", demo, "--seeds", "0-1", "--policy", "heuristic", "--chunk", 2)
    assert answer.code == 0, answer.err
    first, second, *_ = answer.out.splitlines()
    assert first == "6 episodes in 3 chunks: 3 traces x 2 seeds"
    assert second.startswith("embedded: 6 episodes, about ")
    assert "policy heuristic" in answer.out
    assert ".sktrace" not in answer.out  # there may be thousands
    assert "Results: runs/" in answer.out
    assert "goes on with it" not in answer.err
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
    with writing(sweep) as writer:
        play_chunk(sweep, plan, 1, writer)
        other = cli("sweep", "--resume", "half")
        assert "is being played by somebody else" in other.error
        assert other.out == ""  # nor does it show what is not its own
    answer = cli("sweep", "--resume", "half", "--json")
    assert (answer.code, answer.json["episodes"]) == (0, 3)
    again = cli("sweep", "--resume", "half", "--policy", "noop")
    assert again.code == 2
    assert "leave --policy out" in again.error


@pytest.mark.usefixtures("prefect_server")
def test_what_another_version_began_is_gone_on_with_only_when_it_may(cli, demo, monkeypatch):
    create(SweepSpec(traces=str(demo), policies="noop", max_steps=1), "runs", "old")
    monkeypatch.setattr(versions, "_source", lambda: "0" * 64)
    answer = cli("sweep", "--resume", "old", "--json")
    assert (answer.code, "with the source 000000000000" in answer.err) == (1, True)
    assert "--allow-other-version" in answer.err
    answer = cli("sweep", "--resume", "old", "--allow-other-version", "--json")
    assert (answer.code, answer.json["episodes"]) == (0, 3)
    answer = cli("compare", "old", "old")
    assert "source" not in answer.out
    go_on(*create(SweepSpec(traces=str(demo), policies="noop", max_steps=1), "runs", "new"))
    answer = cli("compare", "old", "new")
    assert "Played with other versions" in answer.out
    assert "000000000000" in answer.out


@pytest.mark.usefixtures("prefect_server", "sick")
def test_a_sweep_that_stopped_says_how_it_goes_on(cli, demo, monkeypatch):
    words = ("sweep", "--trace", demo, "--policy", "sick", "--run-id", "bad", "--json")
    answer = cli(*words)
    assert answer.code == 1
    assert "3 of the 3 episodes of the pilot failed: " in answer.err
    assert "max_failed 0.1" in answer.err
    again, more = "--resume bad --retry-failed", "--resume bad --max-failed"
    assert f"sim-arena: {again} plays those that failed again; {more} SHARE lets" in answer.err
    answer = cli("sweep", *more.split(), 1, "--json")
    assert (answer.code, answer.json["episodes"], answer.json["errors"]) == (0, 3, 3)
    monkeypatch.setitem(REGISTRY, "sick", REGISTRY["noop"])
    answer = cli("sweep", *again.split(), "--json")
    assert (answer.code, answer.json["episodes"], answer.json["errors"]) == (0, 3, 0)
    assert len(load_episodes("runs/bad")) == 3


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
        (["--generate", 1, "--policy", "os:system", "--dry-run"], "function policy(obs, deploy)"),
        (["--generate", 1, "--seeds", "9-1"], "ascending"),
        (["--generate", 1, "--step-size", "big"], "expected cpu=250m"),
        (["--generate", 1, "--step-size", "cpu=-1"], "step_sizes"),
        (["--generate", 1, "--cluster", "moon"], "expected a cluster"),
        (["--generate", 1, "--nodes", "foo", "--dry-run"], "found 'foo', which does not exist"),
        (
            ["--generate", 1, "--policy", "noop", "--policy", "noop"],
            "each once, found 'noop' twice",
        ),
        (["--trace", "a.sktrace", "--trace", "a.sktrace"], "each once, found 'a.sktrace' twice"),
        (["--generate", 1, "--runs-dir", "/proc/runs"], "cannot be written to"),
        (["--generate", 1, "--retry-failed"], "name the sweep with --resume"),
        (["--resume", "nothing"], "no run"),
        (["--generate", 1, "--runs-dir", __file__], "is a file; name a folder"),
        (["--generate", 1, "--runs-dir", "moon://x/y"], "expected a path or the URL of a store"),
        (["--generate", 1, "--runs-dir", "s3://"], "expected a URL such as s3://bucket/runs"),
    ],
)
def test_a_mistake_gets_one_line_and_starts_nothing(cli, words, told):
    answer = cli("sweep", *words)
    assert answer.code == 2
    assert told in answer.error
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nodes: [3x16cpu,32Gi]", "found '3x16cpu'"),
        ("seeds: 1\nseeds: 2", "found the key 'seeds' twice"),
        ("generate: {count: 1, causes: [oom]}", "generate.causes: unknown, expected one of count"),
        ("step_sizes: [{gpu: 1}]", "step_sizes.0.gpu: unknown, expected one of cpu"),
        ("generate: {count: -1}", "generate.count: expected greater than or equal to 1, found -1"),
        ("generate: 5", "generate: expected a mapping with some of count, seed, found 5"),
        ("step_sizes: 5", "step_sizes: expected a mapping with some of cpu, memory"),
        ("step_sizes: big", "step_sizes: expected a mapping with some of cpu, memory"),
        ("guardrails: 5", "guardrails: expected a mapping with some of "),
        ("seeds: [1, 1]", "seeds: expected each once, found 1 twice"),
        ("step_sizes: [{cpu: 250m}, {cpu: 250m}]", "step_sizes: expected each once"),
        ("policies: []", "policies: "),
        ("policies: null", "policies: expected a list, found nothing"),
        ("simkube: {prot: 1}", "simkube.prot: unknown, expected one of driver_image"),
        ("simkube: {lifecycle: {delay: 1}}", "simkube.lifecycle.delay: unknown, expected one of"),
        ("chunk: many", "chunk: expected a valid integer"),
        ("", "is empty: expected a sweep"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_place(cli, tmp_path, text, told):
    file = tmp_path / "sweep.yaml"
    file.write_text(text)
    answer = cli("sweep", file)
    assert (answer.code, told in answer.error) == (2, True), answer.err


@pytest.mark.parametrize("words", [["--dry-run"], ["--run-id", "other"], ["--seeds", "0-1"]])
def test_what_a_sweep_that_goes_on_has_already_is_refused(cli, demo, words):
    create(SweepSpec(traces=str(demo), chunk=1), "runs", "half")
    answer = cli("sweep", "--resume", "half", *words)
    assert (answer.code, f"leave {words[0]} out" in answer.error) == (2, True), answer.err


@pytest.mark.parametrize("plan", [[], {"version": 1, "chunks": 1}, {"version": 1, "asked": {}}])
def test_a_damaged_plan_is_one_line(cli, demo, plan):
    sweep, _ = create(SweepSpec(traces=str(demo), chunk=1), "runs", "half")
    sweep.write_plan(plan)
    answer = cli("sweep", "--resume", "half")
    assert (answer.code, "plan.json is damaged" in answer.error) == (2, True), answer.err


def test_a_namespace_alone_is_a_mistake(cli, demo):
    answer = cli("sweep", "--trace", demo, "--ns", "nowhere")
    assert (answer.code, "expected 'deploy' beside the namespace" in answer.error) == (2, True)


def test_a_sweep_that_lost_a_chunk_is_shown_as_it_is_listed(cli, played):
    for name in played.parts("episodes")[:1]:
        played.store.delete(name)
    assert "unfinished" in cli("runs", "show", "played").out.splitlines()[0]


def test_a_trace_that_two_patterns_find_is_a_mistake(cli, demo):
    file = next(demo.glob("*.sktrace"))
    answer = cli("sweep", "--trace", demo, "--trace", file)
    assert (answer.code, f"by '{demo}' and by '{file}'" in answer.error) == (2, True)


def test_an_id_that_is_taken_is_told_before_anything_is_played(cli, demo, played):
    answer = cli("sweep", "--trace", demo, "--run-id", played.id)
    assert (answer.code, "is there already" in answer.error) == (2, True)


def test_an_unusable_folder_of_runs_is_a_wrong_option_everywhere(cli, broken):
    for command in ("step", "episode"):
        answer = cli(command, *broken.options, "--runs-dir", broken.path)
        assert (answer.code, "is a file; name a folder" in answer.error) == (2, True)


@pytest.mark.usefixtures("played")
def test_a_row_is_played_again(cli, tmp_path):
    for _ in range(2):
        answer = cli("runs", "replay", "played:0", "--out", tmp_path / "again")
        assert (answer.code, "the same as recorded" in answer.out) == (0, True)
    assert list((tmp_path / "again").rglob("*.sktrace"))
    answer = cli("runs", "replay", "played:1:0", "--json")
    assert answer.json["same"] is True
    assert [row["step"] for row in answer.json["steps"]] == [0]
    for row, code, told in (
        ("played", 2, "expected RUN:EPISODE"),
        ("played:x", 2, "expected RUN:EPISODE"),
        ("played:99", 2, "from 0 to 5"),
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
    before = load_steps(played, form="arrow")
    assert "6 files before, 2 after" in cli("runs", "compact", "played").out
    assert load_steps(played, form="arrow").equals(before)
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


def test_a_damaged_file_is_told_of_by_whatever_shows_the_sweep(cli, played):
    file = played.path / played.parts("episodes")[1]
    file.write_bytes(file.read_bytes()[:-9])
    for words in (["show", "played"], ["export", "played", "--jsonl"]):
        answer = cli("runs", *words)
        assert answer.code == 0
        assert f"warning: {file} is damaged" in answer.err
        assert "--resume played plays its episodes again" in answer.err
    assert len(cli("runs", "show", "played", "--json").json["damaged"]) == 1
    answer = cli("runs", "export", "played", "--jsonl", "--table", "episodes")
    assert answer.code == 1


def test_old_runs_are_pruned(cli, played, demo):
    for name in ("a", "b"):
        go_on(*create(SweepSpec(traces=str(demo), policies="noop", max_steps=1), "runs", name))
    assert cli("runs", "prune").code == 2
    answer = cli("runs", "prune", "--keep", 1, "--yes")
    assert (answer.code, "2 runs deleted" in answer.out) == (0, True)
    assert find_run("runs").id == "b"
    assert not Path("runs", played.id).exists()
    left = Path("runs/.a.deleted/steps")  # of one that was stopped
    left.mkdir(parents=True)
    (left.parent / "run.json").touch()
    go_on(*create(SweepSpec(traces=str(demo), policies="noop", max_steps=1), "runs", "c"))
    assert "1 run deleted" in cli("runs", "prune", "--keep", 1, "--yes").out
    assert not left.parent.exists()
    assert "nothing to delete" in cli("runs", "prune", "--keep", 1, "--yes").out


def test_a_run_that_is_gone_on_with_meanwhile_stays(played):
    [info] = [one for one in list_runs("runs") if one.id == played.id]
    played.reopen()
    assert not delete_run(info.path)
    assert find_run("runs", played.id).path.is_dir()


def test_what_a_killed_writer_left_is_deleted(played):
    litter = played.store.root / "steps" / ".steps.parquet.0123abcd.tmp"
    litter.write_bytes(b"PAR1")
    played.give_up_chunks([0])
    assert not litter.exists()
    assert len(played.parts("steps")) == len(played.parts("episodes")) > 0
