"""A sweep that is killed at any point goes on, with each episode exactly once."""

import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from results import load_episodes, load_steps, rows_of
from sim_arena.sweeps import SweepSpec, create, go_on, opened
from traces.generator import write_demo

KILLS = 50
# What changes a file, or begins to: the process is killed just before one of these.
EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.symlink")


def killed(place: Path, after: int) -> bool:
    """Go on with a sweep in a process of its own, which is killed after so many events."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return True
        assert os.WEXITSTATUS(status) == 0
        return False
    left = after

    def count(event: str, arguments: Any) -> None:
        nonlocal left
        if event in EVENTS and str(place) in str(arguments[0]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        sys.addaudithook(count)
        go_on(*opened(place))
        code = 0
    finally:
        os._exit(code)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fifty_kills_lose_and_repeat_nothing(tmp_path: Path) -> None:
    write_demo(tmp_path / "traces", seed=9, count=4)
    asked = SweepSpec(
        traces=str(tmp_path / "traces"), policies=("heuristic", "random"), seeds="0-1", chunk=2
    )
    whole, plan = create(asked, tmp_path / "whole", "same")
    go_on(whole, plan)
    wanted = [rows_of(load(whole, form="arrow")) for load in (load_steps, load_episodes)]
    dice = random.Random(20)  # noqa: S311 # where to kill is no secret
    kills = sweeps = 0
    while kills < KILLS:
        sweeps += 1
        place = tmp_path / f"killed-{sweeps}"
        create(asked, place, "same")
        while killed(place / "same", dice.randint(1, 60)):
            kills += 1
        for load, rows in zip((load_steps, load_episodes), wanted, strict=True):
            found = rows_of(load(place / "same", form="arrow"))
            assert timeless(found) == timeless(rows)


def timeless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    clock = {"started_at", "wall_seconds"}
    return [{key: value for key, value in row.items() if key not in clock} for row in rows]
