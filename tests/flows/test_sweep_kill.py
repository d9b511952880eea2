"""The whole flow `sweep`, killed at random points, goes on with each episode exactly once."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

from sim_arena.sweeps import SweepSpec, create, go_on
from tests.rows import both_tables
from traces.generator import write_demo

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_server")]

KILLS = 3
POLICIES = ("heuristic", "random")
ROOT = Path(__file__).parents[2]


def start(runs: Path, *words: str) -> "subprocess.Popen[str]":
    """Start `sim-arena sweep` as the leader of a process group."""
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "sweep", "--runs-dir", str(runs), *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def written(folder: Path) -> int:
    """How many of the data set's files are there."""
    return sum(1 for table in ("steps", "episodes") for _ in folder.glob(f"{table}/*/*.parquet"))


def killed(process: "subprocess.Popen[str]", folder: Path, more: int) -> bool:
    """Kill a sweep's whole process group when it has written so many files more."""
    never, enough = Event(), written(folder) + more
    while process.poll() is None:
        if written(folder) >= enough:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return process.returncode == -signal.SIGKILL
        never.wait(0.002)
    pytest.fail(f"it ended by itself: {process.communicate()}")


def test_three_kills_of_the_flow_lose_and_repeat_nothing(tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    write_demo(traces, seed=9, count=4)
    asked = SweepSpec(traces=str(traces), policies=POLICIES, seeds="0-4", chunk=1)
    whole, plan = create(asked, tmp_path / "whole", "same")
    go_on(whole, plan)

    dice = random.Random(6)  # noqa: S311 # where to kill is no secret
    runs = tmp_path / "killed"
    given = [word for policy in POLICIES for word in ("--policy", policy)]
    given += ["--trace", str(traces), "--seeds", "0-4", "--chunk", "1", "--run-id", "same"]
    sweep = start(runs, *given)
    for _ in range(KILLS):
        assert killed(sweep, runs / "same", dice.randint(1, 20))
        assert not (runs / "same" / "summary.json").exists()
        sweep = start(runs, "--resume", "same", "--json")
    out, errors = sweep.communicate(timeout=900)
    assert sweep.returncode == 0, errors
    assert '"episodes": 40' in out
    assert both_tables(runs / "same") == both_tables(whole)
