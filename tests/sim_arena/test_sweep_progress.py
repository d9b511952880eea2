"""How far a sweep is and how long it takes: nothing is said that is not known."""

from pathlib import Path

import pytest

from sim_arena.errors import PermanentError
from sim_arena.sweeps import (
    ChunkReport,
    Plan,
    Progress,
    SweepSpec,
    TooManyFailedError,
    UnplayedError,
    plan_of,
)
from sim_arena.sweeps.cases import Case
from sim_arena.sweeps.estimate import estimate
from traces.generator import write_demo

CASE = Case("t", "0" * 64, "shop", "web", target=3, duration=60, nodes="1x4cpu,8Gi", max_steps=10)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def play(progress: Progress, clock: Clock, episodes: int, seconds: float, failed: int = 0) -> str:
    clock.now += seconds
    progress.add(ChunkReport(0, episodes, episodes, 0, failed, 0))
    return progress.line()


def test_the_remaining_time_is_that_of_the_last_chunks() -> None:
    clock = Clock()
    progress = Progress(1000, clock=clock)
    assert progress.line() == "0 of 1,000 episodes, remaining time not known yet"
    assert play(progress, clock, 100, 10) == "100 of 1,000 episodes, 10 a second, about 2 min left"
    for _ in range(20):
        line = play(progress, clock, 40, 1)
    assert line == "900 of 1,000 episodes, 40 a second, about 2 s left"
    assert play(progress, clock, 100, 1).endswith(", done")


def test_what_was_played_before_says_nothing_of_the_speed() -> None:
    clock = Clock()
    progress = Progress(1000, done=900, clock=clock)
    assert progress.remaining is None
    assert play(progress, clock, 10, 10).endswith("1 a second, about 2 min left")


def test_one_cluster_s_speed_says_nothing_of_the_next_one_s() -> None:
    clock = Clock()
    progress = Progress(110, ends=[100, 110], clock=clock)
    assert play(progress, clock, 50, 1).endswith("50 a second, remaining time not known yet")
    assert play(progress, clock, 50, 1).endswith(
        "100 of 110 episodes, remaining time not known yet"
    )
    assert play(progress, clock, 1, 60).endswith("0.017 a second, about 9 min left")


def test_more_failures_than_may_be_stop_it() -> None:
    progress = Progress(100, 0.02)
    play(progress, Clock(), 10, 1, failed=2)
    with pytest.raises(TooManyFailedError, match="3 of 20 episodes failed, more than the 2"):
        play(progress, Clock(), 10, 1, failed=1)


def test_what_could_not_be_played_counts_as_failed_and_is_never_done() -> None:
    clock = Clock()
    progress = Progress(100, 0.3, clock=clock)
    assert play(progress, clock, 60, 1).startswith("60 of 100 episodes")
    progress.lose(20, "MemoryError: none left")
    assert progress.line() == (
        "60 of 100 episodes, 20 could not be played, 60 a second, about 0 s left"
    )
    assert (progress.share, progress.remaining) == (0.6, pytest.approx(20 / 60))
    play(progress, clock, 20, 1)
    assert progress.line().endswith(", ended")
    with pytest.raises(UnplayedError, match=r"20 of 100 .* MemoryError: none left; .* resume"):
        progress.require_all()
    with pytest.raises(TooManyFailedError, match=r"31 of 111 .* 31 of them could not be played: x"):
        progress.lose(11, "x")


def test_pieces_of_the_chunks_are_played_to_estimate_the_rest(tmp_path: Path) -> None:
    write_demo(tmp_path, seed=4, count=3)
    asked = SweepSpec(traces=str(tmp_path), policies=("noop", "nobody"), seeds="0-99", chunk=50)
    plan, files = plan_of(asked)
    found = estimate(plan, files)
    low, high = found.seconds["embedded"]
    assert 0 < low <= high
    assert 20 <= found.played <= len(plan)
    assert all("nobody" in error for error in found.errors)
    assert found.errors


def test_a_real_cluster_s_windows_come_one_after_another_at_its_speed() -> None:
    asked = SweepSpec(clusters="kwok", seeds="0-9", speed=10, concurrency=4)
    found = estimate(Plan.of(asked, [CASE]), {})
    assert (found.seconds, found.played) == ({"kwok": (10 * 11.0, 10 * 10 * 11.0)}, 0)


def test_grids_that_nobody_can_play_are_refused() -> None:
    far = SweepSpec(seeds={"count": 10_000_000}, targets=range(1, 100))
    with pytest.raises(PermanentError, match="at most 10,000,000 episodes, found 990,000,000"):
        Plan.of(far, [CASE])
    assert len(Plan.of(far.model_copy(update={"sample": 5}), [CASE])) == 5
    absurd = SweepSpec(
        seeds={"count": 10_000_000}, targets=range(1, 10_000), sample=5,
        nodes=[f"1x{cpu}cpu,8Gi" for cpu in range(1, 10_000)],
        step_sizes=[{"cpu": f"{cpu}m"} for cpu in range(1, 10_000)],
    )  # fmt: skip
    with pytest.raises(PermanentError, match="fewer combinations"):
        Plan.of(absurd, [CASE])
