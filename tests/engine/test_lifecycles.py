"""When pods start and end.

Sources: KWOK `pkg/utils/lifecycle/lifecycle.go` (delays); SimKube 2.7 `sk-driver/src/mutation.rs`
(running times, the counter of pods per spec).
"""

import pytest

from sim_arena.engine import Simulation
from sim_arena.engine.state import RUNNING, SUCCEEDED
from tests.engine.manifests import (
    Json,
    bare_pod,
    container,
    deployment,
    finished,
    nodes,
    ref,
    replica_set,
    template,
)
from tests.engine.scenes import alive, play, status


def started_at(*, seed: int = 0, speed: float = 1.0, **delays: int) -> list[float]:
    """When five pods start, in seconds; all are bound at once."""
    simulation = play(
        (0, [deployment(template(), 5)]), nodes=nodes(1), seed=seed, speed=speed, **delays
    )
    return [int(pod["started"]) / 1e9 for pod in alive(simulation)]


@pytest.mark.parametrize(
    ("delay", "jitter", "seconds"),
    [
        (0, 0, 0.0),
        (2000, 0, 0.0),  # KWOK takes the jitter as the upper bound, so this is no delay
        (2000, 500, 0.5),
        (2000, 2000, 2.0),
    ],
)
def test_a_jitter_that_is_not_larger_is_the_delay(delay: int, jitter: int, seconds: float) -> None:
    pull = started_at(image_pull_delay=delay, image_pull_jitter=jitter)
    start = started_at(pod_startup_delay=delay, pod_startup_jitter=jitter)
    assert pull == start == [seconds] * 5


def test_delays_are_drawn_between_the_delay_and_the_jitter() -> None:
    drawn = [
        second
        for seed in range(20)
        for second in started_at(seed=seed, image_pull_delay=1000, image_pull_jitter=3000)
    ]
    assert 1 <= min(drawn) < 1.2
    assert 2.8 < max(drawn) < 3
    assert len(set(drawn)) > 90


def test_both_delays_add_up() -> None:
    assert (
        started_at(
            image_pull_delay=2000,
            image_pull_jitter=2000,
            pod_startup_delay=1000,
            pod_startup_jitter=500,
        )
        == [2.5] * 5
    )


def test_the_speed_does_not_touch_delays() -> None:
    assert started_at(speed=4.0, image_pull_delay=2000, image_pull_jitter=2000) == [2.0] * 5


def test_a_delay_of_days_does_not_overflow() -> None:
    hours = 48 * 3600 * 1000
    drawn = started_at(image_pull_delay=0, image_pull_jitter=hours)
    assert drawn == [0.0] * 5  # none has started within the window
    simulation = play(
        (0, [deployment(template(), 5)]), nodes=nodes(1), duration=50 * 3600,
        image_pull_jitter=hours,
    )  # fmt: skip
    assert status(simulation).ready == 5
    assert max(int(pod["started"]) for pod in alive(simulation)) > 12 * 3600 * 10**9


def phases(simulation: Simulation, name: str = "web") -> list[int]:
    names = [one.name for one in simulation.program.workloads]
    return [int(p["phase"]) for p in alive(simulation) if names[int(p["workload"])] == name]


def test_pods_complete_and_are_replaced() -> None:
    simulation = play(
        (0, [deployment(template())]), nodes=nodes(1), until=4.9, duration=100,
        lifecycles={ref(): finished(5, 20)},
    )  # fmt: skip
    assert phases(simulation) == [RUNNING]
    simulation.advance(5)
    assert phases(simulation) == [SUCCEEDED, RUNNING]
    assert status(simulation)[3:6] == (1, 0, 2)
    simulation.advance(24.9)
    assert phases(simulation) == [SUCCEEDED, RUNNING]
    simulation.advance(25)  # the second runs for 20 s, the third for 5 s again
    assert phases(simulation) == [SUCCEEDED] * 2 + [RUNNING]
    simulation.advance(30)
    assert phases(simulation) == [SUCCEEDED] * 3 + [RUNNING]


def test_the_time_runs_from_running_and_the_speed_divides_it() -> None:
    simulation = play(
        (0, [bare_pod(template())]), nodes=nodes(1), until=4.9, duration=100, speed=2.0,
        lifecycles={ref("Pod"): finished(5)}, pod_startup_delay=3000, pod_startup_jitter=3000,
    )  # fmt: skip
    assert phases(simulation) == [RUNNING]  # since 3 s; 5 s at double speed are 2 s, truncated
    simulation.advance(5)
    assert phases(simulation) == [SUCCEEDED]


def test_an_entry_without_an_end_never_completes() -> None:
    simulation = play(
        (0, [bare_pod(template())]), nodes=nodes(1), duration=5000,
        lifecycles={ref("Pod"): [{"Running": 1_700_000_000}]},
    )  # fmt: skip
    assert phases(simulation) == [RUNNING]


@pytest.mark.parametrize("same", [True, False])
def test_owners_with_equal_specs_share_a_counter(*, same: bool) -> None:
    one, other = template(container("1")), template(container("1" if same else "2"))
    simulation = play(
        (0, [deployment(one, name="a"), deployment(other, name="b")]), nodes=nodes(1, cpu=9000),
        until=6, duration=100,
        lifecycles={ref(name="a"): finished(5, 90), ref(name="b"): finished(5, 90)},
    )  # fmt: skip
    assert phases(simulation, "a") == [SUCCEEDED, RUNNING]
    assert phases(simulation, "b") == ([RUNNING] if same else [SUCCEEDED, RUNNING])


def test_a_finished_pod_frees_its_node() -> None:
    pods = [bare_pod(template(container("3")), name) for name in ("web", "next")]
    simulation = play(
        (0, pods), nodes=nodes(1), until=4.9, duration=100, lifecycles={ref("Pod"): finished(5)}
    )
    assert status(simulation, "next").pending == 1
    simulation.advance(5)
    assert status(simulation, "next").ready == 1


def test_pods_that_end_at_once_do_not_stop_the_time() -> None:
    simulation = play(
        (0, [deployment(template(), 2)]), nodes=nodes(1), duration=30,
        lifecycles={ref(): finished(0)},
    )  # fmt: skip
    assert int(simulation.state.clock[0]["pods"]) == 2 * 31
    assert any("less than 1 s" in warning for warning in simulation.warnings)


def test_simkube_gives_a_replica_sets_pods_no_lifecycle() -> None:
    """Its path to their template is one level short."""
    made = (0, [replica_set(template())])
    given: Json = {
        "nodes": nodes(1),
        "duration": 60,
        "lifecycles": {ref("ReplicaSet"): finished(5)},
    }
    assert SUCCEEDED in phases(play(made, replay="plain", **given))
    assert phases(play(made, replay="simkube", **given)) == [RUNNING]


def test_the_speed_divides_pauses_and_truncates_them() -> None:
    events = [(at, [deployment(template(), name=f"w{at}")]) for at in (0, 3, 6, 20)]
    simulation = play(*events, nodes=nodes(1), speed=2.0)
    times = simulation.program.arrays.applications["time"] // 10**9
    assert times.tolist() == [0, 1, 2, 9]
    assert simulation.program.duration_s == 9 + 60


def test_events_at_the_end_of_the_window_are_dropped() -> None:
    events = [(at, [deployment(template(), name=f"w{at}")]) for at in (0, 9, 10)]
    program = play(*events, nodes=nodes(1), duration=10).program
    assert [one.name for one in program.workloads] == ["w0", "w9"]
    assert program.duration_s == 10
    longer = play(*events, nodes=nodes(1), duration=500, speed=2.0).program
    assert longer.duration_s == 4 + 0 + 245
