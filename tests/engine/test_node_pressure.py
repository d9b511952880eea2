"""Nodes short of memory or CPU: eviction, the kernel's OOM killer, shares of CPU time.

Sources: Kubernetes 1.36 `pkg/kubelet/eviction/` and `pkg/kubelet/qos/policy.go`.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_arena.engine import Simulation
from sim_arena.engine.state import EVICTED, FAILED, RUNNING
from tests.engine.manifests import (
    Json,
    bare_pod,
    container,
    daemon_set,
    deployment,
    node,
    nodes,
    ref,
    template,
)
from tests.engine.scenes import alive, play, status
from tests.engine.strategies import fixed

MI = 1 << 20
SMALL = [node("n0", memory=1000 * MI)]


def pod(name: str, usage: str, *made: Any, limits: Json | None = None, **spec: Any) -> Json:
    return bare_pod(template(container(*made, limits=limits), usage={"app": usage}, **spec), name)


def phases(simulation: Simulation) -> dict[str, tuple[int, int]]:
    """Phase and message of bare pods, by name."""
    refs = simulation.program.workloads
    return {
        refs[one["workload"]].name: (int(one["phase"]), int(one["message"]))
        for one in alive(simulation)
    }


def evicted(simulation: Simulation) -> set[str]:
    found = phases(simulation)
    return {name for name, what in found.items() if what == (FAILED, EVICTED)}


def test_below_100_mebibytes_a_pod_is_evicted_every_ten_seconds() -> None:
    four = [pod(name, f"memory=ramp(0, {size}Mi, 15s)") for name, size in
            (("a", 250), ("b", 240), ("c", 230), ("d", 220))]  # fmt: skip
    simulation = play((0, four), nodes=SMALL, until=19.9, duration=600)
    assert not evicted(simulation)  # 940 MiB are used from 15 s on
    simulation.advance(20)
    assert evicted(simulation) == {"a"}  # 690 are left
    simulation.advance(200)
    assert evicted(simulation) == {"a"}
    seen = simulation.observe(ref("Pod", "a"))
    assert (seen["ready"], seen["failed"], seen["evicted"]) == (0, 1, 1)
    assert seen["events"] == ["Evicted"]
    assert status(simulation, "a").evicted == 1


def test_exactly_100_mebibytes_are_enough() -> None:
    simulation = play((0, [pod("a", "memory=constant(900Mi)")]), nodes=SMALL, until=100)
    assert not evicted(simulation)


@pytest.mark.parametrize(
    ("others", "first"),
    [
        # Usage above the request goes first, whatever the priority and however little it is.
        ([("a", "400Mi", "600Mi", 0), ("b", "400Mi", "390Mi", 10)], "b"),
        # Then lower priority.
        ([("a", "450Mi", "100Mi", 10), ("b", "301Mi", "300Mi", 0)], "b"),
        # Then what is used above the request.
        ([("a", "390Mi", "100Mi", 0), ("b", "400Mi", "100Mi", 0)], "b"),
    ],
)
def test_who_is_evicted_first(others: list[tuple[str, str, str, int]], first: str) -> None:
    rival = ("c", "150Mi", "150Mi", 0)
    pods = [
        pod(name, f"memory=constant({used})", None, asked, nodeName="n0", priority=priority)
        for name, used, asked, priority in [*others, rival]
    ]  # the node is named: what they request need not fit
    simulation = play((0, pods), nodes=SMALL, until=10)
    assert evicted(simulation) == {first}


def test_system_critical_pods_are_spared() -> None:
    critical = pod("a", "memory=constant(950Mi)", priorityClassName="system-cluster-critical")
    simulation = play((0, [critical]), nodes=SMALL, until=300)
    assert not evicted(simulation)


def test_a_node_under_pressure_takes_no_pods_until_five_minutes_after() -> None:
    hog = pod("hog", "memory=ramp(0, 950Mi, 5s)")
    late = pod("late", "memory=constant(10Mi)")
    simulation = play((0, [hog]), (30, [late]), nodes=SMALL, until=30, duration=600)
    assert evicted(simulation) == {"hog"}
    (text,) = status(simulation, "late").reasons
    assert text.startswith("0/1 nodes are available: 1 node(s) had untolerated taint(s).")
    simulation.advance(309.9)
    assert status(simulation, "late").pending == 1
    simulation.advance(310)
    assert status(simulation, "late").ready == 1


@pytest.mark.parametrize("tolerated", [True, False])
def test_a_pod_may_tolerate_the_taint(*, tolerated: bool) -> None:
    toleration = {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}
    late = pod("late", "memory=constant(10Mi)", tolerations=[toleration] if tolerated else [])
    hog = pod("hog", "memory=ramp(0, 950Mi, 5s)")
    simulation = play((0, [hog]), (30, [late]), nodes=SMALL, until=30)
    assert status(simulation, "late").ready == tolerated


def test_controllers_make_another_pod_for_an_evicted_one() -> None:
    big = template(usage={"app": "memory=ramp(0, 950Mi, 5s)"})
    two = [node(name, memory=1000 * MI) for name in ("n0", "n1")]
    simulation = play((0, [deployment(big)]), nodes=two, until=10, duration=600)
    seen = simulation.observe(ref())
    assert (seen["ready"], seen["failed"], seen["total"], seen["evicted"]) == (1, 1, 2, 1)
    simulation.advance(60)
    seen = simulation.observe(ref())  # both nodes have had it, and bear the taint
    assert (seen["ready"], seen["pending"], seen["failed"], seen["evicted"]) == (0, 1, 2, 2)


def test_a_daemon_sets_pods_tolerate_the_taint_and_come_back() -> None:
    big = template(usage={"app": "memory=ramp(0, 950Mi, 5s)"})
    simulation = play((0, [daemon_set(big)]), nodes=SMALL, until=200)
    assert simulation.observe(ref("DaemonSet"))["evicted"] > 3


def test_a_guaranteed_pod_outlives_the_others_when_the_kernel_kills() -> None:
    whole = {"cpu": "100m", "memory": "500Mi"}
    pods = [
        pod("guaranteed", "memory=constant(480Mi)", "100m", "500Mi", limits=whole),
        pod("burstable", "memory=spike(10Mi, 300Mi, 1s, 30s)", None, "250Mi"),
        pod("best-effort", "memory=spike(10Mi, 290Mi, 1s, 30s)"),
    ]
    simulation = play((0, pods), nodes=SMALL, until=1)
    kills = {one.name: one.oom_killed for one in simulation.status()}
    # The second kill, when it has begun again at once, makes it wait.
    assert kills == {"guaranteed": 0, "burstable": 0, "best-effort": 2}
    assert status(simulation, "best-effort").restarts == 1


def test_among_burstable_pods_the_share_of_the_node_beyond_the_request_decides() -> None:
    pods = [
        pod("modest", "memory=spike(10Mi, 500Mi, 1s, 30s)", None, "100Mi"),
        pod("asking", "memory=spike(10Mi, 600Mi, 1s, 30s)", None, "590Mi"),
    ]
    simulation = play((0, pods), nodes=SMALL, until=1)
    kills = {one.name: one.oom_killed for one in simulation.status()}
    assert kills == {"modest": 2, "asking": 0}


def throttled(simulation: Simulation, name: str) -> tuple[int, float]:
    (found,) = simulation.observe(ref("Pod", name))["containers"]
    return found["cpu_usage"], found["throttled"]


def test_cpu_is_shared_by_the_weight_of_requests() -> None:
    pods = [pod(name, "cpu=constant(4)", request) for name, request in (("a", "1"), ("b", "3"))]
    simulation = play((0, pods), nodes=nodes(1), until=1)
    assert throttled(simulation, "a") == (1000, pytest.approx(0.75))
    assert throttled(simulation, "b") == (3000, pytest.approx(0.25))


def test_what_one_does_not_want_goes_to_the_others() -> None:
    pods = [pod("a", "cpu=constant(500m)", "2"), pod("b", "cpu=constant(9)", "1")]
    simulation = play((0, pods), nodes=nodes(1), until=1)
    assert throttled(simulation, "a") == (500, 0.0)
    assert throttled(simulation, "b")[0] == 3500


def test_all_best_effort_pods_together_weigh_as_one_that_requests_nothing() -> None:
    idle = [pod(name, "cpu=constant(4)") for name in ("x", "y")]
    simulation = play((0, [pod("a", "cpu=constant(4)", "1"), *idle]), nodes=nodes(1), until=1)
    assert [throttled(simulation, name)[0] for name in ("a", "x", "y")] == [3992, 3, 3]


def test_a_probe_fails_where_the_node_gives_too_little() -> None:
    probed = template(container("100m", probe=True), usage={"app": "cpu=constant(4)"})
    pods = [bare_pod(probed, "a"), pod("b", "cpu=constant(4)", "3")]
    simulation = play((0, pods), nodes=nodes(1), until=12)
    assert [status(simulation, name).ready for name in ("a", "b")] == [0, 1]


demands = st.lists(
    st.tuples(
        st.sampled_from([None, "0", "1m", "100m", "700m", "3"]),
        st.integers(0, 9000),
        st.sampled_from([None, "200m", "5"]),
    ),
    min_size=1,
    max_size=8,
)


@fixed
@given(demands)
def test_no_more_is_given_than_there_is_nor_less_than_could_be(
    some: list[tuple[str | None, int, str | None]],
) -> None:
    """Nobody gets more than he wants and may have; what is left over, nobody wants."""
    pods = [
        pod(f"p{i}", f"cpu=constant({wanted}m)", request, nodeName="n0",
            limits={"cpu": limit} if limit else None)
        for i, (request, wanted, limit) in enumerate(some)
    ]  # fmt: skip
    simulation = play((0, pods), nodes=nodes(1), until=1)
    records = simulation.state.containers[: len(some)]
    wishes = [min(wanted, {None: 9000, "200m": 200, "5": 5000}[limit]) for _, wanted, limit in some]
    given = [int(one["given"]) for one in records]
    assert all(0 <= got <= wish for got, wish in zip(given, wishes, strict=True))
    assert sum(given) <= 4000
    assert sum(given) >= min(4000, sum(wishes)) - len(some)  # shares are rounded down


def test_constant_usage_alone_is_not_watched_and_the_result_says_so() -> None:
    pods = [pod(name, "memory=600Mi") for name in "ab"]
    simulation = play((0, pods), nodes=SMALL, until=60)
    assert all(what[0] == RUNNING for what in phases(simulation).values())
    (text,) = [text for text in simulation.warnings if "n0" in text]
    assert "constant(" in text
