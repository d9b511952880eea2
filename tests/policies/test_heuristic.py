from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import traces
from sim_arena import policies
from sim_arena.episode import EpisodeSpec, play_batch
from sim_arena.observation import ContainerObservation, Observation
from sim_arena.policies.heuristic import heuristic

DEMO = Path(traces.__file__).parent / "demo"
GIB = 1 << 30
CPU = "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: 0/3 "
PODS = "0/3 nodes are available: 3 Too many pods."
TAINT = "0/3 nodes are available: 3 node(s) had untolerated taint(s)."


def container(name: str = "app", **values: Any) -> ContainerObservation:
    unknown = dict.fromkeys(ContainerObservation.__annotations__)
    return ContainerObservation(**{**unknown, "name": name, **values})


def observed(*containers: ContainerObservation, **values: Any) -> Observation:
    known: dict[str, Any] = {
        "ready": 0,
        "pending": 3,
        "total": 3,
        "desired": 3,
        "nodes": 3,
        "largest_free_cpu": 16_000,
        "largest_free_memory": 32 * GIB,
        "allocatable_pods": 330,
        "requested_pods": 0,
        "containers": list(containers),
    }
    return Observation(**{**known, **values})


def test_a_request_that_does_not_fit_is_lowered_as_far_as_it_takes() -> None:
    obs = observed(
        container("proxy", cpu_request=500), container(cpu_request=20_000), reasons={CPU: 3}
    )
    assert heuristic(obs, "web") == {
        "type": "reduce_cpu_small",
        "deploy": "web",
        "container": "app",
        "step": "4500m",
    }


def test_memory_likewise() -> None:
    reasons = {CPU.replace("cpu", "memory"): 3}
    action = heuristic(observed(container(memory_request=40 * GIB), reasons=reasons), "web")
    assert (action["type"], action["step"]) == ("reduce_mem_small", "8Gi")


def test_a_missing_request_counts_as_the_limit() -> None:
    action = heuristic(observed(container(cpu_limit=17_000), reasons={CPU: 3}), "web")
    assert (action["type"], action["step"]) == ("reduce_cpu_small", "1")


def test_full_nodes_mean_too_many_replicas() -> None:
    full = {"ready": 6, "pending": 2, "total": 8, "desired": 8, "largest_free_cpu": 100}
    action = heuristic(observed(container(cpu_request=8000), reasons={CPU: 2}, **full), "web")
    assert action == {"type": "scale_down_replicas", "deploy": "web", "step": 2}


def test_pods_that_almost_fit_are_made_smaller() -> None:
    almost = {"ready": 3, "pending": 3, "total": 6, "desired": 6, "largest_free_cpu": 7_800}
    action = heuristic(observed(container(cpu_request=8_200), reasons={CPU: 3}, **almost), "web")
    assert (action["type"], action["step"]) == ("reduce_cpu_small", "200m")


@pytest.mark.parametrize("reasons", [{PODS: 2}, {CPU: 2}])
def test_without_slots_for_all_pods_those_beyond_are_removed(reasons: dict[str, int]) -> None:
    slots = {"allocatable_pods": 9, "requested_pods": 9, "ready": 7, "pending": 2, "total": 9}
    obs = observed(container(cpu_request=100), reasons=reasons, desired=9, **slots)
    assert heuristic(obs, "web") == {"type": "scale_down_replicas", "deploy": "web", "step": 2}


def test_a_stateful_set_that_has_not_made_all_of_its_pods() -> None:
    slots = {"allocatable_pods": 9, "requested_pods": 9, "ready": 7, "pending": 1, "total": 8}
    obs = observed(container(cpu_request=100), reasons={PODS: 1}, desired=11, **slots)
    assert heuristic(obs, "web")["step"] == 4


def test_an_absurd_request_is_lowered_by_what_one_action_may() -> None:
    obs = observed(container(cpu_request=10**9), reasons={CPU: 3})
    assert policies.decide(policies.load("heuristic"), obs, "web")["step"] == "256"


def test_the_last_replica_stays() -> None:
    obs = observed(container(cpu_request=100), reasons={PODS: 1}, desired=1, pending=1, total=1)
    assert heuristic(obs, "web")["type"] == "noop"


def test_a_container_killed_for_memory_gets_twice_the_limit() -> None:
    killed = container("app", memory_limit=GIB, oom_killed=4)
    obs = observed(container("proxy"), killed, pending=0, reasons={})
    assert heuristic(obs, "web") == {
        "type": "bump_mem_limit",
        "deploy": "web",
        "container": "app",
        "step": "1Gi",
    }


def test_without_a_limit_the_request_is_raised() -> None:
    obs = observed(container(oom_killed=1), pending=0, reasons={})
    assert heuristic(obs, "web")["type"] == "bump_mem_small"


def test_an_evicted_container_asks_for_what_it_uses() -> None:
    greedy = container("app", memory_request=GIB // 4, memory_usage=GIB)
    obs = observed(container("proxy"), greedy, pending=0, reasons={}, evicted=2)
    action = heuristic(obs, "web")
    assert action == {
        "type": "bump_mem_small", "deploy": "web", "container": "app", "step": "768Mi",
    }  # fmt: skip


def test_memory_that_is_used_is_not_asked_for_less() -> None:
    reasons = {CPU.replace("cpu", "memory"): 1}
    almost = {"pending": 1, "total": 4, "desired": 4, "largest_free_memory": GIB * 9 // 10}
    for usage, kind in ((GIB, "scale_down_replicas"), (GIB // 2, "reduce_mem_small")):
        used = container("app", memory_request=GIB, memory_usage=usage)
        assert heuristic(observed(used, reasons=reasons, **almost), "web")["type"] == kind


def test_a_throttled_container_gets_what_it_wants() -> None:
    squeezed = container("app", cpu_limit=200, throttled=0.8)
    action = heuristic(observed(container("proxy"), squeezed, pending=0, reasons={}), "web")
    assert (action["type"], action["container"]) == ("bump_cpu_limit", "app")
    assert 800 <= traces.quantities.parse_cpu(action["step"]) <= 820


@pytest.mark.parametrize("reasons", [None, {}, {TAINT: 3}, {"something else": 3}])
def test_what_no_resource_can_mend_is_left_alone(reasons: dict[str, int] | None) -> None:
    obs = observed(container(cpu_request=100), reasons=reasons)
    assert heuristic(obs, "web") == {"type": "noop", "deploy": "web"}


def test_a_healthy_workload_is_left_alone() -> None:
    obs = observed(container(cpu_request=100, throttled=0.0), ready=3, pending=0, reasons={})
    assert heuristic(obs, "web")["type"] == "noop"


@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_a_cluster_that_knows_little_is_enough(resource: str) -> None:
    reasons = {CPU.replace("cpu", resource): 3}
    obs = Observation(ready=0, pending=3, total=3, reasons=reasons)
    name = {"cpu": "reduce_cpu_small", "memory": "reduce_mem_small"}[resource]
    assert heuristic(obs, "web")["type"] == name


amounts = st.none() | st.integers(0, 2**44)
counts = st.integers(0, 50)


@st.composite
def any_container(draw: st.DrawFn) -> ContainerObservation:
    fields = ["cpu_request", "cpu_limit", "memory_request", "memory_limit"]
    known = {name: draw(amounts) for name in fields}
    kills, share = draw(st.none() | counts), draw(st.none() | st.floats(0, 1))
    return container(draw(st.sampled_from("abc")), oom_killed=kills, throttled=share, **known)


@settings(max_examples=500)
@given(
    st.lists(any_container(), max_size=3) | st.none(),
    st.dictionaries(st.sampled_from([CPU, PODS, TAINT, CPU.replace("cpu", "memory")]), counts),
    st.fixed_dictionaries(
        dict.fromkeys(("ready", "pending", "total"), counts),
        optional={
            "desired": st.none() | counts,
            "nodes": st.none() | counts,
            "allocatable_pods": amounts,
            "requested_pods": amounts,
            "largest_free_cpu": amounts,
            "largest_free_memory": amounts,
        },
    ),
)
def test_every_answer_is_an_action(
    containers: list[ContainerObservation] | None, reasons: dict[str, int], known: dict[str, Any]
) -> None:
    obs = Observation(**{**known, "reasons": reasons, "containers": containers})
    action = policies.decide(policies.load("heuristic"), obs, "web")
    assert action["deploy"] == "web"


def solved(policy: str, tmp_path: Path) -> int:
    specs = [
        EpisodeSpec(
            trace=str(DEMO / entry.file),
            deploy=entry.name,
            namespace=entry.namespace,
            target=entry.target,
            duration=entry.duration,
            nodes=entry.nodes,
            max_steps=entry.max_steps,
            policy=policy,
            runs_dir=str(tmp_path),
        )
        for entry in traces.load_manifest(DEMO)
    ]
    assert len(specs) == 100
    results = play_batch(specs, save_traces=False)
    assert [result.error for result in results] == [None] * 100
    return sum(result.success for result in results)


@pytest.mark.parametrize(
    ("policy", "least", "most"),
    [
        ("noop", 0, 0),
        ("heuristic", 85, 100),
        ("bump_cpu", 0, 50),
        ("bump_mem", 0, 50),
        ("scale_replicas", 0, 50),
        ("random", 1, 84),
    ],
)
def test_the_demo_traces(policy: str, least: int, most: int, tmp_path: Path) -> None:
    assert least <= solved(policy, tmp_path) <= most
