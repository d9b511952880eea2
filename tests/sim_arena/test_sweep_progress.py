"""How far a sweep is and how long it takes: nothing is said that is not known."""

import pytest

from sim_arena.errors import PermanentError
from sim_arena.sweeps import ChunkReport, Plan, Progress, SweepSpec, TooManyFailedError
from sim_arena.sweeps.cases import Case
from sim_arena.sweeps.estimate import estimate

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


def test_a_real_cluster_s_windows_come_one_after_another_at_its_speed() -> None:
    asked = SweepSpec(clusters="kwok", seeds="0-9", speed=10, concurrency=4)
    assert estimate(Plan.of(asked, [CASE]), {}) == {"kwok": 10 * 10 * (60 / 10 + 5)}


def test_grids_that_nobody_can_play_are_refused() -> None:
    far = SweepSpec(seeds={"count": 10_000_000}, targets=range(1, 100))
    with pytest.raises(PermanentError, match="at most 10,000,000 episodes, found 990,000,000"):
        Plan.of(far, [CASE])
    assert len(Plan.of(far.model_copy(update={"sample": 5}), [CASE])) == 5
    absurd = SweepSpec(
        seeds={"count": 10_000_000}, targets=range(1, 10_000), nodes=["1x4cpu,8Gi"] * 10_000,
        rewards=["binary"] * 10_000, sample=5,
    )  # fmt: skip
    with pytest.raises(PermanentError, match="fewer combinations"):
        Plan.of(absurd, [CASE])
