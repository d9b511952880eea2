"""Scenarios: the same from the same seed, valid, and of all the kinds that are switched on."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sim_arena.engine import Parameters, compile_trace
from tests.fidelity.comparison import unmodelled_in
from tests.fidelity.recording import Recording
from tests.fidelity.report import wilson
from tests.fidelity.scenarios import make_scenario
from tests.fidelity.store import RECORDINGS, read, recording_of, recording_row, write
from tests.fidelity.switches import Switches
from traces import dumps, loads

SEEDS = st.integers(0, 1 << 40)


@given(SEEDS)
def test_a_seed_gives_one_scenario(seed: int) -> None:
    scenario = make_scenario(seed)
    assert scenario == make_scenario(seed)
    assert loads(dumps(scenario.trace)) == scenario.trace


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    recording = Recording(make_scenario(7), (), None, 1.5, 1_700_000_000)
    path = tmp_path / "one.parquet"
    write([recording_row(recording, {"kubernetes": "1", "kwok": "2"})], RECORDINGS, path)
    assert list(map(recording_of, read([path]))) == [recording]


@given(SEEDS)
def test_the_engine_models_all_of_what_is_switched_on(seed: int) -> None:
    scenario = make_scenario(seed, Switches().off(["CronJob"]))
    parameters = Parameters(1 << 12, scenario.speed, scenario.replay, *scenario.delays)
    warnings = compile_trace(scenario.trace, scenario.nodes, parameters).warnings
    assert list(unmodelled_in(scenario, warnings)) == []


@given(SEEDS)
def test_scenarios_are_of_the_sizes_that_are_meant(seed: int) -> None:
    scenario = make_scenario(seed)
    assert 1 <= len(scenario.nodes) <= 50
    assert 1 <= len(scenario.trace["events"]) <= 8
    times = [event["ts"] for event in scenario.trace["events"]]
    assert times == sorted(set(times))


def test_what_is_switched_off_does_not_come_up() -> None:
    switches = Switches().off(["Pod", "taints", "prefer-no-schedule"])
    scenarios = [make_scenario(seed, switches) for seed in range(50)]
    assert not any("Pod" in scenario.kinds for scenario in scenarios)
    assert not any(node.taints for scenario in scenarios for node in scenario.nodes)


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_wilsons_interval_holds_the_share(successes: int, failures: int) -> None:
    trials = successes + failures
    low, high = wilson(successes, trials)
    assert 0 <= low <= high <= 1
    if trials:
        assert low <= successes / trials + 1e-12
        assert high >= successes / trials - 1e-12
