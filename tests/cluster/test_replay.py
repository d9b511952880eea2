"""Traces on the real control plane: what SimKube, KWOK and Kubernetes make of them."""

import json
import re
from pathlib import Path

import pytest

from tests.cluster.conftest import StartReplay
from tests.cluster.manifests import bare_pod, job, make_trace, workload
from tests.cluster.replay import Options, snapshots, timeline
from tests.cluster.webhook import Delays
from traces import load_trace

SHARED_TRACES = Path(__file__).parents[3] / "shared" / "traces"
INSUFFICIENT_CPU = (
    "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: "
    "0/3 nodes are available: 3 No preemption victims found for incoming pod."
)


def counts(snapshot: dict[str, object]) -> list[tuple[str, int, int, int]]:
    workloads = json.loads(json.dumps(snapshot["workloads"]))
    return [(w["name"], w["ready"], w["pending"], w["total"]) for w in workloads]


@pytest.mark.cluster
def test_what_does_not_fit_stays_pending_with_the_schedulers_reason(replay: StartReplay) -> None:
    trace = make_trace((0, [workload("Deployment", "web", "7", replicas=8)], []))
    with replay(trace) as running:
        shown = snapshots(running, [20.0])
    assert shown == {
        "at": [
            {
                "t": 20,
                "workloads": [
                    {
                        "kind": "Deployment",
                        "namespace": "test-ns",
                        "name": "web",
                        "ready": 6,
                        "pending": 2,
                        "total": 8,
                        "reasons": {INSUFFICIENT_CPU: 2},
                    }
                ],
            }
        ]
    }


@pytest.mark.cluster
def test_updates_scalings_and_deletions_show_when_they_are_due(replay: StartReplay) -> None:
    web = workload("Deployment", "web", "1", replicas=2)
    more = workload("Deployment", "web", "1", replicas=5)
    large = workload("Deployment", "web", "20", replicas=5)
    trace = make_trace((0, [web], []), (10, [more], []), (20, [large], []), (30, [], [large]))
    with replay(trace) as running:
        shown = [counts(at) for at in snapshots(running, [9, 10, 20, 30])["at"]]
    # The rollout to pods that fit nowhere stops at maxUnavailable 1 (of 5, 25 %) and maxSurge 2.
    assert shown == [
        [("web", 2, 0, 2)],
        [("web", 5, 0, 5)],
        [("web", 4, 3, 7)],
        [("web", 0, 0, 0)],
    ]


@pytest.mark.cluster
def test_every_kind_of_workload_settles(replay: StartReplay) -> None:
    trace = make_trace(
        (
            0,
            [
                workload("StatefulSet", "ordered", "9", replicas=4, serviceName="ordered"),
                workload("DaemonSet", "everywhere", "2"),
                job("twice", parallelism=2, completions=2),
                bare_pod("alone"),
            ],
            [],
        )
    )
    with replay(trace) as running:
        (shown,) = snapshots(running, [0])["at"]
    assert counts(shown) == [
        ("ordered", 3, 1, 4),
        ("everywhere", 3, 0, 3),
        ("twice", 2, 0, 2),
        ("alone", 1, 0, 1),
    ]


@pytest.mark.cluster
def test_pods_end_when_their_lifecycle_says(replay: StartReplay) -> None:
    trace = make_trace(
        (0, [job("work", parallelism=1, completions=2)], []),
        lifecycles={("batch/v1.Job", "test-ns/work"): [{"Finished": [100, 130]}]},
    )
    with replay(trace, speed=10.0) as running:
        first, last = (counts(at) for at in snapshots(running, [0, 60])["at"])
    assert first == [("work", 1, 0, 1)]
    assert last == [("work", 0, 0, 2)]


@pytest.mark.cluster
def test_a_start_delay_is_waited_for(replay: StartReplay) -> None:
    trace = make_trace((0, [bare_pod("slow")], []))
    with replay(trace, delays=Delays(500, 500, 500, 500)) as running:
        (shown,) = snapshots(running, [0])["at"]
        (pod,) = running.state.pods
    assert counts(shown) == [("slow", 1, 0, 1)]
    assert pod["metadata"]["annotations"]["simkube.io/kwok-stage-ready-delay"] == "500ms"


@pytest.mark.cluster
def test_a_replica_set_ends_the_run_because_simkube_rewrites_the_wrong_place(
    replay: StartReplay,
) -> None:
    trace = make_trace((0, [workload("ReplicaSet", "set", replicas=2)], []))
    with replay(trace) as running:
        shown = snapshots(running, [0])
    # The server names whichever of the two it comes to first.
    assert re.search(r"\.spec\.(metadata|spec): field not declared in schema", shown["error"])


@pytest.mark.cluster
def test_without_the_rewriting_objects_are_applied_as_they_are(replay: StartReplay) -> None:
    trace = make_trace((0, [workload("ReplicaSet", "set", "20", replicas=2)], []))
    with replay(trace, rewrite=False) as running:
        (shown,) = snapshots(running, [0])["at"]
        (pod, _) = running.state.pods
    assert counts(shown) == [("set", 0, 2, 2)]
    assert pod["metadata"]["namespace"] == "test-ns"
    assert "nodeSelector" not in pod["spec"]


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("name", "healthy"), [("bare-pods.sktrace", 1), ("dsb-scaling.sktrace", 27)]
)
def test_a_recorded_trace_plays_to_its_end(replay: StartReplay, name: str, healthy: int) -> None:
    path = SHARED_TRACES / name
    if not path.exists():
        pytest.skip(f"no {path}: recorded traces are not part of the repository")
    with replay(load_trace(path), speed=20.0) as running:
        shown = snapshots(running, [])
    ready = [workload["ready"] for workload in shown["at"][0]["workloads"]]
    assert "error" not in shown
    assert sum(map(bool, ready)) == healthy


def test_duration_drops_events_and_speed_divides_pauses_in_whole_seconds() -> None:
    trace = make_trace(*((when, [], []) for when in (0, 5, 10, 19)))
    assert [step.due for step in timeline(trace, Options())] == [0, 5, 10, 19]
    assert [step.due for step in timeline(trace, Options(duration=10))] == [0, 5]
    assert [step.due for step in timeline(trace, Options(speed=3.0))] == [0, 1, 2, 5]
