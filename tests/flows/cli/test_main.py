"""The command line as a whole: help, version, exit codes, completion."""

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli import errors, options, run
from flows.cli.app import app
from sim_arena import __version__
from sim_arena.nodes import DEFAULT_NODES

ROOT = Path(__file__).parents[3]
COMMANDS = [
    ["simulate"],
    ["step"],
    ["episode"],
    ["sweep"],
    ["report"],
    ["compare"],
    ["preflight"],
    ["fidelity"],
    *(["cluster", name] for name in ("prepare", "clean")),
    ["policies"],
    ["actions"],
    ["rewards"],
    *(["trace", name] for name in ("show", "diff", "generate", "validate", "edit")),
    *(["runs", name] for name in ("list", "show", "replay", "compact", "export", "prune")),
]


def started(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *words],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", [[], *COMMANDS])
def test_every_command_explains_itself_and_its_options(cli, words):
    answer = cli(*words, "--help")
    assert answer.code == 0
    assert "Usage: sim-arena" in answer.out
    assert answer.err == ""
    options_shown = re.findall(r"^  (?:-\w, )?(--[a-z-]+)[^\n]*\S", answer.out, re.MULTILINE)
    assert "--help" in options_shown


def test_what_an_error_quotes_fills_no_terminal(cli):
    answer = cli("step", "--policy", "x" * 1_000_000)
    assert answer.code == 2
    assert len(answer.err) < 25_000
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize("command", ["step", "episode"])
def test_the_original_options_stay(cli, command):
    shown = cli(command, "--help").out
    names = ["--trace", "--ns", "--deploy", "--target", "--duration", "--policy"]
    names += ["--episodes"] if command == "episode" else []
    assert all(re.search(rf"^  {name}[, ]", shown, re.MULTILINE) for name in names)


def test_help_answers_in_less_than_half_a_second():
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert started("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # What the processor spends: the clock would count what else this machine does.
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) < 0.5


def test_version(cli):
    answer = cli("--version")
    assert (answer.code, answer.out) == (0, f"sim-arena {__version__}\n")


def test_no_command_shows_the_help(cli):
    answer = cli()
    assert answer.code == errors.USAGE
    assert "Commands:" in answer.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nope"], "No such command 'nope'; see 'sim-arena --help'"),
        (["simulate"], "Missing option '--trace'; see 'sim-arena simulate --help'"),
        (["trace", "show"], "Missing argument 'FILE'; see 'sim-arena trace show --help'"),
        (["policies", "--nope"], "No such option: --nope"),
    ],
)
def test_a_usage_error_is_one_line_and_code_2(cli, words, told):
    answer = cli(*words)
    assert answer.code == errors.USAGE
    assert told in answer.error


def test_ctrl_c_is_code_130(cli, monkeypatch):
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sim_arena.policies.available", interrupted)
    answer = cli("policies")
    assert answer.code == errors.INTERRUPTED == 130
    assert answer.err == "sim-arena: stopped: by Ctrl-C\n"


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    def faulty() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sim_arena.policies.available", faulty)
    with pytest.raises(ZeroDivisionError):
        run(["policies"])


def test_the_exit_codes_are_documented(cli):
    shown = cli("--help").out
    for code in (0, errors.FAILED, errors.USAGE, errors.INTERRUPTED):
        assert str(code) in shown


def test_the_process_ends_with_the_code_and_stdout_is_the_answer():
    good, bad = started("policies", "--json"), started("nope")
    assert (good.returncode, good.stderr) == (0, "")
    assert json.loads(good.stdout)[0]["name"] == "noop"
    assert (bad.returncode, bad.stdout) == (2, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete(shell):
    shown = started("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert shown.returncode == 0
    assert "_SIM_ARENA_COMPLETE" in shown.stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sim-arena tr", {"trace"}),
        ("sim-arena episode --policy h", {"heuristic"}),
        ("sim-arena episode --reward ", {"binary", "progress", "waste", "shaped"}),
        ("sim-arena trace edit --action set_", {"set_cpu_limit", "set_mem_limit"}),
    ],
)
def test_completion_offers_names(typed, offered):
    words = typed.split(" ")
    answer = started(
        _SIM_ARENA_COMPLETE="complete_bash",
        COMP_WORDS=typed,
        COMP_CWORD=str(len(words) - 1),
    )
    assert set(answer.stdout.split()) == offered


def test_completion_offers_the_deployments_of_the_trace(broken):
    typed = f"sim-arena step --trace {broken.path} --deploy {broken.name[:3]}"
    answer = started(_SIM_ARENA_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD="5")
    assert broken.name in answer.stdout.split()


def test_the_default_nodes_are_the_arenas():
    assert options.DEFAULT_NODES == DEFAULT_NODES


def test_every_command_is_listed():
    listed = {command.callback.__name__ for command in app.registered_commands if command.callback}
    groups = {group.name for group in app.registered_groups}
    assert listed | groups == {words[0] for words in COMMANDS}
