"""Containers that use more than they may: OOM kills, back-off, throttling.

Source of the back-off: Kubernetes 1.36 `pkg/kubelet/kubelet.go` (10 s, doubled, 5 min at most).
"""

from typing import Any

import pytest

from sim_arena.engine import Parameters, Simulation, compile_trace
from sim_arena.engine.state import FAILED, RUNNING
from tests.engine.manifests import (
    Json,
    bare_pod,
    container,
    deployment,
    nodes,
    ref,
    template,
    trace,
)
from tests.engine.scenes import alive, fixed_delay, play, status
from traces import TraceError

GREEDY = template(container(limits={"memory": "100Mi"}), usage={"app": "memory=200Mi"})
HOUR = 3600


def started(pod: Json, *, until: float = 0, **given: int) -> Simulation:
    return play((0, [deployment(pod)]), nodes=nodes(1), until=until, duration=HOUR, **given)


def observed(simulation: Simulation) -> Any:
    return simulation.observe(ref())


def test_restarts_follow_the_back_off() -> None:
    simulation = started(GREEDY)
    # At once, then 10, 20, 40, 80, 160, 300, 300 s after each end.
    for restarts, second in enumerate((0, 10, 30, 70, 150, 310, 610, 910, 1210), start=1):
        if second:
            simulation.advance(second - 0.001)
            assert observed(simulation)["restarts"] == restarts - 1
        simulation.advance(second)
        seen = observed(simulation)
        assert seen["restarts"] == restarts
        assert seen["oom_killed"] == restarts + 1
        assert (seen["ready"], seen["pending"], seen["total"]) == (0, 0, 1)
        assert seen["containers"][0]["memory_usage"] is None
        assert {"OOMKilling", "BackOff"} <= set(seen["events"])


def test_usage_up_to_the_limit_is_allowed() -> None:
    simulation = started(
        template(container(limits={"memory": "200Mi"}), usage={"app": "memory=200Mi"})
    )
    seen = observed(simulation)
    assert (seen["ready"], seen["restarts"], seen["oom_killed"]) == (1, 0, 0)
    assert seen["containers"][0]["memory_usage"] == 200 << 20


def test_without_a_limit_nothing_is_killed() -> None:
    simulation = started(template(container("1", "1Mi"), usage={"app": "memory=2Gi,cpu=3"}))
    assert observed(simulation)["ready"] == 1


def test_one_crashing_container_keeps_the_pod_from_being_ready() -> None:
    greedy = container(name="greedy", limits={"memory": "1Mi"})
    pod = template(container(), greedy, usage={"greedy": "memory=2Mi"})
    seen = observed(started(pod, until=5))
    assert (seen["ready"], seen["restarts"]) == (0, 1)
    assert [one["restarts"] for one in seen["containers"]] == [0, 1]


def test_kwoks_annotations_give_each_container_the_full_value() -> None:
    pod = template(container(), container(name="other"), usage={"other": "cpu=300m"})
    pod["metadata"]["annotations"] |= {
        "kwok.x-k8s.io/usage-cpu": "200m",
        "kwok.x-k8s.io/usage-memory": "300Mi",
    }
    found = observed(started(pod))["containers"]
    assert [one["cpu_usage"] for one in found] == [200, 300]
    assert [one["memory_usage"] for one in found] == [300 << 20] * 2


def test_usage_that_nobody_names_is_kwoks() -> None:
    (found,) = observed(started(template()))["containers"]
    assert (found["cpu_usage"], found["memory_usage"]) == (1, 1 << 20)


def test_usage_that_cannot_be_read_is_refused() -> None:
    pod = template(usage={"app": "cpu=fast"})
    with pytest.raises(TraceError, match="web"):
        compile_trace(trace((0, [deployment(pod)])), nodes(1))


@pytest.mark.parametrize("probe", [True, False])
def test_a_throttled_container_fails_its_probe_after_ten_seconds(*, probe: bool) -> None:
    pod = template(container(limits={"cpu": "400m"}, probe=probe), usage={"app": "cpu=1"})
    simulation = started(pod, until=10.999, **fixed_delay())  # it starts after 1 s
    seen = observed(simulation)
    assert seen["ready"] == 1
    assert seen["throttled"] == pytest.approx(0.6)
    assert seen["containers"][0]["cpu_usage"] == 400
    simulation.advance(11)
    seen = observed(simulation)
    assert seen["ready"] == (0 if probe else 1)
    assert (seen["pending"], seen["total"]) == (0, 1)
    assert ("Unhealthy" in seen["events"]) == probe


def test_throttled_by_half_is_ready() -> None:
    pod = template(container(limits={"cpu": "500m"}, probe=True), usage={"app": "cpu=1"})
    seen = observed(started(pod, until=60))
    assert (seen["ready"], seen["throttled"]) == (1, 0.5)


@pytest.mark.parametrize(
    ("policy", "phase", "restarts"), [("Never", FAILED, 0), ("OnFailure", RUNNING, 2)]
)
def test_the_restart_policy_of_a_bare_pod(policy: str, phase: int, restarts: int) -> None:
    greedy = {**GREEDY, "spec": {**GREEDY["spec"], "restartPolicy": policy}}
    simulation = play((0, [bare_pod(greedy)]), nodes=nodes(1), until=10)
    (pod,) = alive(simulation)
    assert (int(pod["phase"]), int(pod["restarts"])) == (phase, restarts)
    assert simulation.observe(ref("Pod"))["failed"] == (phase == FAILED)


def test_a_pod_fails_when_its_last_container_is_down() -> None:
    two = [container(name="greedy", limits={"memory": "1Mi"}), container(name="calm")]
    never: Json = {"usage": {"greedy": "memory=2Mi"}, "restartPolicy": "Never"}
    half = template(*two, **never)
    (pod,) = alive(play((0, [bare_pod(half)]), nodes=nodes(1)))
    assert (int(pod["phase"]), int(pod["ready"])) == (RUNNING, 0)
    sidecar = [container(name="mesh", sidecar=True)]
    alone = template(two[0], initContainers=sidecar, **never)
    (pod,) = alive(play((0, [bare_pod(alone)]), nodes=nodes(1)))
    assert int(pod["phase"]) == FAILED  # sidecars don't keep a pod alive


def test_a_failed_pod_frees_its_node() -> None:
    greedy = template(
        container("3", limits={"memory": "1Mi"}), usage={"app": "memory=2Mi"}, restartPolicy="Never"
    )
    calm = bare_pod(template(container("3")), "calm")
    simulation = play((0, [bare_pod(greedy), calm]), nodes=nodes(1))
    assert status(simulation, "calm").ready == 1


def test_a_controllers_pods_always_restart() -> None:
    """The API server refuses another policy; without that the pods would come for ever."""
    greedy = {**GREEDY, "spec": {**GREEDY["spec"], "restartPolicy": "Never"}}
    simulation = started(greedy, until=10)
    assert observed(simulation)["restarts"] == 2
    assert any("restartPolicy Never" in warning for warning in simulation.warnings)


def test_requests_above_limits_are_named() -> None:
    pod = template(container("2", limits={"cpu": "1"}))
    program = compile_trace(trace((0, [deployment(pod)])), nodes(1), Parameters())
    assert any("requests more cpu than its limit" in warning for warning in program.warnings)
