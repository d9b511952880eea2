"""How long a sweep will take: what is played to find out."""

from pathlib import Path

import pytest

from sim_arena.policies.loading import REGISTRY
from sim_arena.sweeps import SweepSpec, plan_of
from sim_arena.sweeps import estimate as estimating
from sim_arena.sweeps.estimate import estimate
from traces.generator import write_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("traces")
    write_demo(out, seed=4, count=3)
    return out


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only where something takes some."""

    class Clock:
        seconds = 0.0

    monkeypatch.setattr(estimating, "perf_counter", lambda: Clock.seconds)
    return Clock


@pytest.fixture
def slow(monkeypatch, clock):
    """A policy that takes a second to decide, of a clock that is passed in."""

    def policy(obs, deploy):  # noqa: ARG001 # a policy's arguments
        clock.seconds += 1.0
        return {"type": "noop"}

    monkeypatch.setitem(REGISTRY, "slow", policy)


def asked(traces, **more):
    return plan_of(SweepSpec(traces=str(traces), **more))


@pytest.mark.usefixtures("slow")
def test_few_of_slow_episodes_are_played(demo, clock):
    plan, files = asked(demo, policies=("slow",), seeds=range(1000), chunk=100, max_steps=2)
    found = estimate(plan, files)
    low, high = found.seconds["embedded"]
    assert low <= len(plan) <= high  # each takes a second, for its last step decides nothing
    assert clock.seconds <= 5


def test_no_more_is_played_than_the_sweep_has(demo):
    plan, files = asked(demo, seeds=range(2), chunk=2, max_steps=2)
    assert estimate(plan, files).played <= len(plan)


def test_all_workers_at_work_are_the_least_and_a_single_one_the_most(demo, clock, monkeypatch):
    plan, files = asked(demo, seeds=range(100), chunk=10)

    def played(sweep, plan, given, seconds):
        clock.seconds += len(given) * 0.25
        return real(sweep, plan, given, seconds)

    real = estimating.played_together
    monkeypatch.setattr(estimating, "played_together", played)
    low, high = estimate(plan, files, workers=4).seconds["embedded"]
    assert high == pytest.approx(len(plan) * 0.25)
    assert low == pytest.approx(high / 4)
