"""step, episode and preflight, on the embedded cluster and with a Prefect server."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from flows.cli import errors
from flows.cli.output import console
from flows.cli.shown import Repair, repair_text
from results import find_run
from traces import Change, WorkloadRef, load_trace

pytestmark = pytest.mark.xdist_group("prefect")

ROOT = Path(__file__).parents[3]
COMMANDS = ["step", "episode", "preflight"]


def program(*words: object) -> list[str]:
    return [sys.executable, "-m", "flows.cli", *map(str, words)]


def as_user(*words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, in the present folder."""
    return subprocess.run(
        program(*words),
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.usefixtures("prefect_server")
def test_step_prints_one_object(cli, broken):
    answer = cli("step", *broken.options, "--policy", "heuristic", "--json")
    assert answer.code == 0
    document = answer.json
    assert document["observation"]["pending"] == broken.target
    assert document["action"]["type"] == "reduce_cpu_small"
    assert document["reward"] == 0.0
    assert document["trace_in"] == str(broken.path)
    assert load_trace(document["trace_out"]) != load_trace(document["trace_in"])
    assert document["success"] is False
    assert find_run("runs").id == document["run_id"]


@pytest.mark.usefixtures("prefect_server")
def test_step_shows_observation_action_and_reward(cli, broken):
    answer = cli("step", *broken.options, "--policy", "noop", "--reward", "shaped")
    assert answer.code == 0
    assert f"0 of {broken.target} ready, {broken.target} pending" in answer.out
    assert "Insufficient cpu" in answer.out
    assert "noop" in answer.out
    assert "-0.750" in answer.out
    assert "step.jsonl" in answer.out


@pytest.mark.usefixtures("prefect_server")
def test_an_episode_repairs_and_says_how(cli, broken):
    answer = cli("episode", *broken.options)
    assert answer.code == 0
    run = find_run("runs")
    first, *_, last = run.read_steps()
    assert first["success"] is False
    assert last["terminated"] is True
    assert f"{broken.name} is healthy" in answer.out
    assert f"+++ Deployment {broken.namespace}/{broken.name} after" in answer.out
    assert "-    requests.cpu: " in answer.out
    assert "+    requests.cpu: " in answer.out
    assert f"Parquet: {run.steps_path}" in answer.out
    assert len(pd.read_parquet(run.steps_path)) == last["step"] + 1


@pytest.mark.usefixtures("prefect_server")
def test_progress_goes_to_stderr_step_by_step(cli, broken):
    answer = cli("episode", *broken.options, "--policy", "noop", "--episodes", 2)
    lines = [line for line in answer.err.splitlines() if line.startswith("step ")]
    assert lines == [
        f"step {number}: 0 of {broken.target} ready, {broken.target} pending -> noop, reward 0"
        for number in (1, 2)
    ]
    assert "is not healthy after 2 steps, which is the limit" in answer.out


@pytest.mark.usefixtures("prefect_server")
def test_an_episode_as_json(cli, broken):
    document = cli("episode", *broken.options, "--episodes", 8, "--json").json
    assert document["success"] is True
    assert document["truncated"] is False
    assert document["steps"][-1]["success"] is True
    assert document["trace"] == document["steps"][-1]["trace_in"]
    fields = {(change["container"], change["field"]) for change in document["changes"]}
    assert all(field == "requests.cpu" for _, field in fields)
    patch = yaml.safe_load(document["patch"])
    assert patch["metadata"] == {"name": broken.name, "namespace": broken.namespace}


@pytest.mark.usefixtures("prefect_server")
def test_a_run_that_is_named_again_is_not_played_again(cli, broken):
    words = [*broken.options, "--run-id", "mine", "--json"]
    first, second = (cli("episode", *words).json for _ in range(2))
    assert first["run_id"] == "mine"
    assert second["steps"] == first["steps"]


@pytest.mark.usefixtures("prefect_server")
def test_a_policy_of_ones_own(cli, broken):
    Path("my_policy.py").write_text(
        "def up(obs, deploy):\n    return {'type': 'scale_up_replicas', 'deploy': deploy}\n"
    )
    document = cli("step", *broken.options, "--policy", "my_policy:up", "--json").json
    assert document["action"]["type"] == "scale_up_replicas"


@pytest.mark.usefixtures("prefect_server")
def test_options_reach_the_arena(cli, broken):
    words = ["--guardrail", "cpu_min=6", "--step-size", "cpu=3", "--seed", 5]
    words += ["--pre-start", shlex.join([sys.executable, "-c", 'open("started", "w")'])]
    document = cli("episode", *broken.options, *words, "--episodes", 3, "--json").json
    assert Path("started").exists()
    requests = [step["observation"]["containers"][0]["cpu_request"] for step in document["steps"]]
    assert min(requests) >= 6000
    assert document["steps"][0]["seed"] == 5


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--policy", "hueristic"], "did you mean 'heuristic'?"),
        (["--policy", "nowhere:policy"], "expected module:attribute"),
        (["--trace", "missing.sktrace"], "missing.sktrace does not exist; give the path"),
        (["--deploy", "nope"], "the trace has "),
        (["--ns", "nope"], "the trace has "),
        (["--target", "0"], "--target"),
        (["--duration", "1"], "give a duration of more than "),
        (["--reward", "nope"], "one of binary, "),
        (["--cluster", "nope"], "one of embedded"),
        (["--nodes", "3xcpu"], "3xcpu"),
        (["--guardrail", "cpu_max"], "expected NAME=VALUE, found 'cpu_max'"),
        (["--guardrail", "cpu_max=1mi"], "--guardrail cpu_max: "),
        (["--guardrail", "cpu=1"], "expected one of cpu_min, cpu_max"),
        (["--step-size", "cpu=0"], "--step-size"),
        (["--pre-start", "echo 'unbalanced"], "No closing quotation"),
        (["--hook-timeout", "0"], "--hook-timeout"),
    ],
)
def test_mistakes_are_one_line_before_anything_starts(cli, broken, command, words, told):
    answer = cli(command, *broken.options, *words)
    assert answer.code == errors.USAGE
    assert told in answer.err.replace("\n", " ")
    if command != "preflight":
        assert told in answer.error
    assert "Traceback" not in answer.err
    assert not Path("runs").exists()


def test_the_message_lists_the_deployments_that_are(cli, broken):
    answer = cli("step", *broken.options, "--deploy", "nope")
    assert f"Deployment {broken.namespace}/{broken.name}" in answer.error


def test_preflight_tells_what_it_checked(cli, broken):
    answer = cli("preflight", *broken.options, "--json")
    assert answer.code == 0
    checks = {check["check"]: check for check in answer.json}
    assert {"trace", "workload", "appears", "nodes", "leftovers"} <= set(checks)
    assert all(check["ok"] for check in checks.values() if check["required"])
    assert "workload" in cli("preflight", *broken.options).out


def test_a_failed_preflight_still_prints_its_json(cli, broken):
    answer = cli("preflight", *broken.options, "--deploy", "nope", "--json")
    assert answer.code == errors.USAGE
    assert answer.json[-1]["ok"] is False


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--pre-start", "false"], "pre_start hook 'false' ended with exit code 1"),
        (["--policy", "builtins:isinstance"], "policy isinstance"),
    ],
)
def test_what_fails_while_it_runs_is_one_line_and_code_1(broken, words, told):
    done = as_user("step", *broken.options, *words, "--json")
    assert done.returncode == errors.FAILED
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("sim-arena: error: ")
    assert told in line
    assert find_run("runs").read_summary()["errors"] == 1


def test_a_server_that_is_not_there_is_one_line(broken):
    done = as_user("step", *broken.options, PREFECT_API_URL="http://127.0.0.1:9/api")
    assert done.returncode == errors.FAILED
    (line,) = done.stderr.splitlines()
    assert "127.0.0.1:9" in line
    assert "unset PREFECT_API_URL" in line


@pytest.mark.usefixtures("prefect_server")
def test_sigterm_stops_an_episode(broken):
    Path("stopping.py").write_text(
        "import signal\n"
        "def at_once(obs, deploy):\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    raise AssertionError('not stopped')\n"
    )
    done = as_user("episode", *broken.options, "--policy", "stopping:at_once")
    assert done.returncode == errors.TERMINATED
    assert (done.stdout, done.stderr) == ("", "sim-arena: stopped: by SIGTERM\n")


@pytest.mark.usefixtures("prefect_server")
def test_ctrl_c_stops_a_step(broken):
    # The signal comes from inside: one from outside could arrive just before a blocking call,
    # which it would then not interrupt. Tests that a shell runs in its background inherit that
    # the signal is ignored; a person's terminal does not ignore it.
    Path("stopping.py").write_text(
        "import signal\n"
        "def at_once(obs, deploy):\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    raise AssertionError('not stopped')\n"
    )
    done = as_user("episode", *broken.options, "--policy", "stopping:at_once")
    assert done.returncode == errors.INTERRUPTED
    assert (done.stdout, done.stderr) == ("", "sim-arena: stopped: by Ctrl-C\n")


def test_without_a_server_prefect_starts_one_and_stdout_holds_only_json(broken, tmp_path):
    environment = {name: "" for name in os.environ if name.startswith("PREFECT_")}
    done = subprocess.run(
        program("step", *broken.options, "--json"),
        env={name: value for name, value in os.environ.items() if name not in environment}
        | {"PYTHONPATH": str(ROOT), "PREFECT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["action"]["type"] == "reduce_cpu_small"


def test_the_repair_is_a_diff_in_colour_and_without(monkeypatch, capsys):
    ref = WorkloadRef("Deployment", "shop", "web")
    found = Repair(
        str(ref),
        "kubectl patch deployment web -n shop --patch-file",
        [
            Change(0, ref, "app", "requests.cpu", "20", "7500m"),
            Change(0, ref, None, "replicas", "3", "2"),
            Change(0, ref, "app", "limits.cpu", None, "8"),
        ],
        "",
    )
    text = repair_text(found)
    named = repair_text(replace(found, workload="Deployment shop/\x1b[2Jweb"))
    assert named.plain.startswith("--- Deployment shop/\\x1b[2Jweb before")
    assert text.plain.splitlines() == [
        "--- Deployment shop/web before",
        "+++ Deployment shop/web after",
        "-  replicas: 3",
        "+  replicas: 2",
        "  container app",
        "-    requests.cpu: 20",
        "+    requests.cpu: 7500m",
        "+    limits.cpu: 8",
    ]
    monkeypatch.setenv("FORCE_COLOR", "1")
    console().print(text)
    assert "\x1b[31m-" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    console().print(text)
    assert "\x1b[31m" not in capsys.readouterr().out
