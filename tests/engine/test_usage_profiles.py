"""Usage that varies: its notation, what it comes to at a moment, and kills along the way."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_arena.engine import Simulation, compile_trace
from sim_arena.engine.compiler.usage import usage_of
from sim_arena.engine.state import FAILED
from sim_arena.engine.usage import _on_line
from tests.engine.manifests import bare_pod, container, deployment, nodes, ref, template, trace
from tests.engine.scenes import alive, fixed_delay, play
from tests.engine.strategies import fixed
from traces import TraceError

MI = 1 << 20
HOUR = 3600


def web(usage: str, replicas: int = 1, count: int = 1, **made: Any) -> Simulation:
    """A Deployment whose container `app` uses that, on nodes of 4 CPU and 8 GiB."""
    given = {name: made.pop(name) for name in ("pod_startup_delay", "pod_startup_jitter")
             if name in made}  # fmt: skip
    pod = template(container(**made), usage={"app": usage})
    return play(
        (0, [deployment(pod, replicas)]), nodes=nodes(count), until=0, duration=4 * HOUR, **given
    )


def seen(simulation: Simulation, second: float) -> Any:
    simulation.advance(second)
    return simulation.observe(ref())


def memory(simulation: Simulation, second: float) -> int | None:
    (found,) = seen(simulation, second)["containers"]
    usage: int | None = found["memory_usage"]
    return usage


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("300Mi", {0: 300, 50: 300}),
        ("constant(300Mi)", {0: 300, 50: 300}),
        ("ramp(100Mi, 400Mi, 1m)", {0: 100, 20: 200, 59: 395, 60: 400, HOUR: 400}),
        ("ramp(400Mi, 100Mi, 60s)", {0: 400, 20: 300, 60: 100}),
        ("diurnal(0, 1000Mi, 24h)", {0: 0, HOUR: 17, HOUR * 3 // 2: 42, 2 * HOUR: 67}),
        ("diurnal(0, 1000Mi, 2h, 0s)", {0: 1000, HOUR // 2: 500, HOUR: 0, 2 * HOUR: 1000}),
        ("diurnal(0, 1000Mi, 2h, 30m)", {0: 500, HOUR // 2: 1000, HOUR * 3 // 2: 0}),
        ("spike(10Mi, 90Mi, 5s, 10s)", {0: 10, 4: 10, 5: 90, 14: 90, 15: 10, 99: 10}),
        ("spike(10Mi, 90Mi, 5s, 10s, 1m)", {4: 10, 5: 90, 15: 10, 64: 10, 65: 90, 75: 10}),
        ("series(10s, 100Mi, 300Mi, 200Mi)", {0: 100, 5: 200, 10: 300, 15: 250, 20: 200, 99: 200}),
        ("100Mi + ramp(0, 60Mi, 1m) + 5Mi", {0: 105, 30: 135, 60: 165}),
    ],
)
def test_a_profile_over_time(profile: str, expected: dict[int, int]) -> None:
    simulation = web(f"memory={profile}")
    for second, size in expected.items():
        assert memory(simulation, second) == size * MI, second


def test_a_ramp_begins_with_the_container_and_the_rest_with_the_trace() -> None:
    simulation = web("cpu=ramp(0, 1, 100s), memory=spike(0, 1Mi, 10s, 90s)", **fixed_delay(10))
    (found,) = seen(simulation, 30)["containers"]
    assert (found["cpu_usage"], found["memory_usage"]) == (200, MI)


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_a_shared_load_is_divided_among_the_ready_pods(replicas: int) -> None:
    simulation = web("cpu=shared(1200m), memory=10Mi + shared(ramp(0, 60Mi, 1m))", replicas)
    (found,) = seen(simulation, 60)["containers"]
    assert found["cpu_usage"] == 1200 // replicas
    assert found["memory_usage"] == (10 + 60 // replicas) * MI


def test_a_shared_load_spreads_over_more_replicas_when_there_are() -> None:
    pod = template(usage={"app": "cpu=shared(1200m)"})
    events = [(0, [deployment(pod, 2)]), (5, [deployment(pod, 4)])]
    simulation = play(*events, nodes=nodes(1), until=4)
    for second, usage in ((4, 600), (6, 300)):
        (found,) = seen(simulation, second)["containers"]
        assert found["cpu_usage"] == usage


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("memory=ramp(100Mi)", r"expected ramp\(FROM, TO, TIME\), such as .* found ramp\(100Mi\)"),
        ("memory=ramp(0, 1Mi, 5)", "'5' is no time such as 90s"),
        ("memory=ramp(0, 1Mi, 0s)", "0s is not between 1s and ten years"),
        ("memory=ramp(0, much, 5s)", "expected a Kubernetes quantity"),
        (
            "memory=saw(0, 1Mi)",
            "one of constant, ramp, diurnal, spike, series, shared, found 'saw'",
        ),
        ("memory=spike(0, 1Mi, 5s, 9s, 9s)", "EVERY has to be longer than FOR"),
        ("memory=diurnal(0, 1Mi, 5s)", "5s is not between 24s"),
        ("memory=series(5s)", "a step and at least one value"),
        ("memory=constant(1Mi, 2Mi)", "1 arguments are needed, not 2"),
        ("memory=ramp(0, 1Mi, 5s", r"expected '\)', found the end"),
        ("memory=1Mi 2Mi", "expected ',' or the end, found '2Mi'"),
        ("memory=1Mi,memory=2Mi", "expected memory once"),
        ("disk=1Mi", "expected 'cpu=200m, memory=300Mi'"),
        ("memory", "expected 'cpu=200m, memory=300Mi'"),
        ("", "expected 'cpu=200m, memory=300Mi'"),
        ("cpu=9000000000", "less than a million CPU"),
        ("memory=shared(", "expected a Kubernetes quantity"),
        ("memory=-1Mi", "at least 0"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_was_expected(text: str, complaint: str) -> None:
    with pytest.raises(TraceError, match=complaint) as caught:
        compile_trace(trace((0, [deployment(template(usage={"app": text}))])), nodes(1))
    assert "annotation usage.sim-arena.io/app" in str(caught.value)


@fixed
@given(st.text("cpumeory=,()+ 0123456789Mstdrahd", max_size=40))
def test_nothing_but_a_trace_error_comes_of_any_text(text: str) -> None:
    try:
        usage = usage_of({"usage.sim-arena.io/app": text}, "app", regular=True)
    except TraceError:
        return
    assert usage.cpu.most >= 0
    assert usage.memory.most >= 0


def test_usage_of_a_container_that_is_not_there_is_named() -> None:
    program = compile_trace(trace((0, [deployment(template(usage={"ap": "cpu=1"}))])), nodes(1))
    assert any("usage.sim-arena.io/ap names no container" in text for text in program.warnings)


def test_a_sidecar_can_be_given_usage() -> None:
    side = container(name="mesh", sidecar=True, limits={"memory": "100Mi"})
    pod = template(initContainers=[side], usage={"mesh": "memory=ramp(0, 200Mi, 20s)"})
    simulation = play((0, [deployment(pod)]), nodes=nodes(1), until=12)
    found = {one["name"]: one for one in simulation.observe(ref())["containers"]}
    assert (found["mesh"]["oom_killed"], found["app"]["oom_killed"]) == (1, 0)


points = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 1 << 50)), min_size=1, max_size=9)


@fixed
@given(points.map(sorted), st.integers(-5, 1 << 21))
def test_a_line_through_points(some: list[tuple[int, int]], x: int) -> None:
    """By fractions, and by the rule: the last of the points that are not behind x."""
    numbers = [number for point in some for number in point]
    before = [i for i, (at, _) in enumerate(some) if at <= x]
    if not before or before[-1] == len(some) - 1:
        expected = some[-1][1]
    else:
        (left, low), (right, high) = some[before[-1] : before[-1] + 2]
        expected = int(low + Fraction(high - low) * (x - left) // (right - left))
    plain = getattr(_on_line, "py_func", _on_line)
    assert plain(numbers, 0, len(some), x) == expected


def test_a_ramp_is_killed_when_it_passes_the_limit_and_begins_anew() -> None:
    simulation = web("memory=ramp(0, 200Mi, 200s)", limits={"memory": "100Mi"})
    before = seen(simulation, 100)
    assert (before["oom_killed"], before["containers"][0]["last_terminations"]) == (0, [])
    after = seen(simulation, 101)
    assert (after["oom_killed"], after["restarts"], after["ready"]) == (1, 1, 1)
    assert after["containers"][0]["memory_usage"] == 0
    assert after["containers"][0]["last_terminations"] == ["OOMKilled"]
    assert "OOMKilling" in after["events"]
    # The second time it waits for 10 s, as it had not run for ten minutes.
    assert seen(simulation, 202)["ready"] == 0
    assert seen(simulation, 211.999)["restarts"] == 1
    assert (seen(simulation, 212)["restarts"], seen(simulation, 212)["ready"]) == (2, 1)


@pytest.mark.parametrize(("limit", "restarts"), [(599, 1), (600, 2)])
def test_the_back_off_is_forgotten_after_more_than_ten_minutes(limit: int, restarts: int) -> None:
    simulation = web("memory=ramp(0, 4000Mi, 4000s)", limits={"memory": f"{limit}Mi"})
    second_kill = 2 * (limit + 1)
    assert seen(simulation, second_kill)["oom_killed"] == 2
    assert seen(simulation, second_kill)["restarts"] == restarts


def test_with_policy_never_the_pod_fails_with_its_last_container() -> None:
    two = [container(name=name, limits={"memory": "10Mi"}) for name in ("a", "b")]
    usage = {"a": "memory=ramp(0, 20Mi, 20s)", "b": "memory=ramp(0, 20Mi, 40s)"}
    pod = bare_pod(template(*two, usage=usage, restartPolicy="Never"))
    simulation = play((0, [pod]), nodes=nodes(1), until=12)
    assert (simulation.observe(ref("Pod"))["failed"], alive(simulation)[0]["ready"]) == (0, 0)
    simulation.advance(21)
    assert alive(simulation)[0]["phase"] == FAILED


def test_a_probe_fails_while_a_spike_throttles_and_recovers_ten_seconds_after() -> None:
    made = {"limits": {"cpu": "400m"}, "probe": True}
    simulation = web("cpu=spike(100m, 1, 20s, 30s)", **made)
    assert seen(simulation, 20)["throttled"] == pytest.approx(0.6)
    assert seen(simulation, 29)["ready"] == 1
    assert seen(simulation, 30)["ready"] == 0
    assert "Unhealthy" in seen(simulation, 30)["events"]
    assert seen(simulation, 59)["ready"] == 0
    assert (seen(simulation, 60)["ready"], seen(simulation, 60)["throttled"]) == (1, 0.0)


def test_a_load_that_one_replica_cannot_bear_takes_it_out_of_service() -> None:
    """Unready pods get no requests: the load comes and goes with readiness."""
    made = {"limits": {"cpu": "400m"}, "probe": True}
    assert seen(web("cpu=shared(1)", 2, **made), 300)["ready"] == 2
    simulation = web("cpu=shared(1)", 1, **made)
    ready = [seen(simulation, second)["ready"] for second in (9, 15, 25)]
    assert ready == [1, 0, 1]
