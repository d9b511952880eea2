"""`sim-arena report`: a page in the run's folder, Markdown on stdout, mistakes told in a line."""

from pathlib import Path
from typing import Any

import pytest

from results import Run
from sim_arena.episode import play
from sim_arena.spec import EpisodeSpec
from tests.flows.cli.conftest import Cli


@pytest.fixture
def played(make_spec: Any) -> EpisodeSpec:
    """An episode in the folder runs/ of the test's own folder."""
    spec: EpisodeSpec = make_spec(runs_dir="runs", run_id="r", max_steps=2)
    play(spec)
    return spec


@pytest.mark.usefixtures("played")
def test_a_page_lies_in_the_runs_folder(cli: Cli) -> None:
    answer = cli("report", "latest")
    assert (answer.code, answer.out, answer.err) == (0, "Report: runs/r/report.html\n", "")
    page = Path("runs/r/report.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert 'id="timeline"' in page
    assert 'id="packing"' in page


@pytest.mark.usefixtures("played")
def test_markdown_goes_to_stdout_or_to_a_file(cli: Cli, tmp_path: Path) -> None:
    answer = cli("report", "--format", "md")
    assert answer.code == 0
    assert answer.out.startswith("# Run r\n")
    assert "| heuristic | 1 | 1 |" in answer.out
    assert cli("report", "--format", "md", "--out", tmp_path / "a.md").code == 0
    assert (tmp_path / "a.md").read_text("utf-8") == answer.out


def test_a_trace_that_is_gone_is_said_and_the_rest_is_shown(cli: Cli, played: EpisodeSpec) -> None:
    Path(played.trace).unlink()
    answer = cli("report")
    assert answer.code == 0
    page = Path("runs/r/report.html").read_text("utf-8")
    assert "Cannot be drawn: cannot read" in page
    assert 'id="success"' in page


@pytest.mark.usefixtures("played")
def test_mistakes_are_told(cli: Cli, tmp_path: Path) -> None:
    answer = cli("report", "nope")
    assert (answer.code, "there is no run 'nope'" in answer.error) == (2, True)
    answer = cli("report", "--runs-dir", tmp_path / "none")
    assert (answer.code, "there is no" in answer.error) == (2, True)
    answer = cli("report", "--episode", "7")
    assert (answer.code, "has no episode 7" in answer.error) == (2, True)
    answer = cli("report", "--out", tmp_path)
    assert (answer.code, "is a folder" in answer.error) == (2, True)


def test_a_run_without_steps_has_a_page(cli: Cli) -> None:
    Run.create("runs", "empty")
    assert cli("report").code == 0
    assert "Nothing was played yet." in Path("runs/empty/report.html").read_text("utf-8")


def test_two_runs_are_compared_in_every_form(cli: Cli, make_spec: Any, tmp_path: Path) -> None:
    for name, policy in (("one", "noop"), ("two", "heuristic")):
        play(make_spec(runs_dir="runs", run_id=name, max_steps=2, policy=policy))
    answer = cli("compare", "one", "two")
    assert answer.code == 0
    assert "noop -> heuristic" in answer.out
    assert cli("compare", "one", "two", "--format", "json").json["pairs"] == 1
    assert cli("compare", "one", "two", "--format", "md").out.startswith("# one and two\n")
    written = cli("compare", "one", "two", "--format", "html", "--out", tmp_path / "c.html")
    assert written.out == f"Comparison: {tmp_path / 'c.html'}\n"
    assert "<h1" in (tmp_path / "c.html").read_text("utf-8")
    answer = cli("compare", "one", "two", "--out", tmp_path / "c.txt")
    assert (answer.code, "another --format" in answer.error) == (2, True)
    play(make_spec(runs_dir="runs", run_id="seed", max_steps=1, seed=5))
    answer = cli("compare", "one", "seed")
    assert (answer.code, "no episode in common: the seed is 0" in answer.error) == (1, True)
