"""A sweep that is killed at any point goes on, with each episode exactly once."""

import random
from pathlib import Path

import pytest

from sim_arena.sweeps import SweepSpec, create, go_on, opened
from tests import kills
from tests.rows import both_tables
from traces.generator import write_demo

KILLS = 50
# What changes a file, or begins to: the process is killed just before one of these,
EVENTS = ("open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.symlink")
# or just after one of these.
CALLS = ("fsync", "replace", "mkdir", "unlink")


def killed(place: Path, asked: SweepSpec, after: int) -> bool:
    """Make a sweep, or go on with it, in a process of its own that is killed after so many events.

    One that was never made is made again, as its user would.
    """

    def play() -> None:
        if not (place / "run.json").exists():
            create(asked, place.parent, place.name)
        go_on(*opened(place))

    return kills.killed(play, after, str(place), EVENTS, CALLS)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fifty_kills_lose_and_repeat_nothing(tmp_path: Path) -> None:
    write_demo(tmp_path / "traces", seed=9, count=4)
    asked = SweepSpec(
        traces=str(tmp_path / "traces"), policies=("heuristic", "random"), seeds="0-1", chunk=2
    )
    whole, plan = create(asked, tmp_path / "whole", "same")
    go_on(whole, plan)
    wanted = both_tables(whole)
    dice = random.Random(20)  # noqa: S311 # where to kill is no secret
    times = sweeps = unmade = 0
    while times < KILLS:
        sweeps += 1
        place = tmp_path / f"killed-{sweeps}"
        while killed(place / "same", asked, dice.randint(1, dice.choice((10, 150)))):
            times += 1
            unmade += not (place / "same" / "run.json").exists()
        assert both_tables(place / "same") == wanted
        assert files_of(place / "same") == files_of(tmp_path / "whole" / "same")
    assert unmade > 3


def files_of(sweep: Path) -> set[str]:
    """The files that are there, those included that begin with a dot."""
    files = {str(path.relative_to(sweep)) for path in sweep.rglob("*") if path.is_file()}
    return {name for name in files if not name.endswith(".tmp")}
