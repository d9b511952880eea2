"""What the Job controller does, and when.

Source: Kubernetes 1.36 `pkg/controller/job/job_controller.go`. The times are those of a control
plane whose own work takes no time: what a pod does is seen a second later.
"""

from typing import Any

import pytest

from sim_arena.engine import Simulation
from sim_arena.engine.state import FAILED, RUNNING, SUCCEEDED
from tests.engine.manifests import (
    Json,
    bare_pod,
    container,
    finished,
    job,
    namespace,
    node,
    nodes,
    ref,
    template,
)
from tests.engine.scenes import alive, play, status

POD = template(container("1"))
OOM = template(container("1", limits={"memory": "64Mi"}), usage={"app": "memory=1Gi"})
ROOMY: dict[str, Any] = {"nodes": nodes(3, cpu=16_000), "duration": 3000}


def jobs(*entries: int | None) -> dict[Any, list[Any]]:
    """Lifecycle data of the Job's pods: seconds, None for ever."""
    runs = [{"Running": 0} if one is None else finished(one)[0] for one in entries]
    return {ref("Job"): runs}


def counts(simulation: Simulation, *seconds: float) -> list[tuple[int, int]]:
    """Ready pods and all pods at some times."""
    found = []
    for second in seconds:
        simulation.advance(second)
        seen = status(simulation)
        found.append((seen.ready, seen.total))
    return found


def start(*events: Any, **more: Any) -> Simulation:
    return play(*events, until=0, **{**ROOMY, **more})


def phases(simulation: Simulation, phase: int) -> int:
    return sum(int(pod["phase"] == phase) for pod in alive(simulation))


def made(simulation: Simulation) -> int:
    return int(simulation.state.clock[0]["pods"])


def test_as_many_at_a_time_as_asked_for_until_there_are_enough() -> None:
    one = start((0, [job(POD, completions=5, parallelism=2)]), lifecycles=jobs(2))
    # Over after 2 s, seen a second later.
    assert counts(one, 0, 2, 3, 5, 6, 8, 9) == [
        (2, 2), (0, 2), (2, 4), (0, 4), (1, 5), (0, 5), (0, 5),
    ]  # fmt: skip


def test_a_pod_without_lifecycle_data_runs_for_ever() -> None:
    one = start((0, [job(POD)]))
    assert counts(one, 0, 2999) == [(1, 1), (1, 1)]


def test_what_is_still_seen_of_a_pod_does_not_hold_the_next_look_up() -> None:
    """The look that follows a pod's start finds its end too, if that is over by then."""
    one = start((0, [job(POD, completions=2)]), lifecycles=jobs(1))
    assert counts(one, 1, 1.9, 2) == [(0, 1), (0, 1), (1, 2)]


@pytest.mark.parametrize(("spec", "at_once"), [
    ({}, 1), ({"parallelism": 3}, 3), ({"completions": 3}, 1),
    ({"completions": 2, "parallelism": 5}, 2), ({"completions": 0}, 0), ({"parallelism": 0}, 0),
])  # fmt: skip
def test_how_many_pods_there_are_at_first(spec: Json, at_once: int) -> None:
    assert status(start((0, [job(POD, **spec)]))).total == at_once


def test_a_work_queue_is_over_when_one_has_succeeded_and_the_others_have_ended() -> None:
    one = start((0, [job(POD, parallelism=3)]), lifecycles=jobs(2, 9, 20))
    assert counts(one, 5, 12, 30) == [(2, 3), (1, 3), (0, 3)]


def test_lower_parallelism_deletes_pods_and_a_higher_one_makes_some() -> None:
    specs = [job(POD, parallelism=n, completions=9) for n in (5, 2, 4)]
    one = start((0, specs[:1]), (10, specs[1:2]), (20, specs[2:]))
    assert counts(one, 9, 10, 20) == [(5, 5), (2, 2), (4, 4)]


def test_the_pods_that_wait_are_deleted_first() -> None:
    specs = [job(template(container("3")), parallelism=n, completions=9) for n in (3, 1)]
    one = start((0, specs[:1]), (10, specs[1:]), nodes=nodes(1, cpu=4000))
    assert counts(one, 9, 10) == [(1, 3), (1, 1)]


def test_suspending_deletes_the_pods_and_the_deadline_starts_anew() -> None:
    suspended, going = (
        job(POD, suspend=suspend, activeDeadlineSeconds=30) for suspend in (True, False)
    )
    one = start((0, [suspended]), (10, [going]), (20, [suspended]), (100, [going]))
    assert counts(one, 9, 10, 20, 99, 100, 129, 130) == [
        (0, 0), (1, 1), (0, 0), (0, 0), (1, 1), (1, 1), (0, 0),
    ]  # fmt: skip


def test_the_deadline_ends_it() -> None:
    one = start((0, [job(POD, parallelism=2, activeDeadlineSeconds=7)]))
    assert counts(one, 6.9, 7, 60) == [(2, 2), (0, 0), (0, 0)]


def test_failed_pods_stay_and_others_come_after_a_back_off_that_doubles() -> None:
    one = start((0, [job(OOM, backoffLimit=3)]))
    # 10 s after the first failure, then 20 s and 40 s.
    assert counts(one, 0, 9.9, 10, 29.9, 30, 69.9, 70, 2999) == [
        (0, 1), (0, 1), (0, 2), (0, 2), (0, 3), (0, 3), (0, 4), (0, 4),
    ]  # fmt: skip
    assert phases(one, FAILED) == 4


def test_without_patience_one_failure_ends_it_and_takes_the_others_along() -> None:
    mixed = template(container("1", limits={"memory": "64Mi"}), usage={"app": "memory=1Gi"})
    one = start((0, [job(mixed, parallelism=1, completions=3, backoffLimit=0)]))
    assert counts(one, 100) == [(0, 1)]


def test_restarts_in_place_count_against_the_limit() -> None:
    restarting = {**OOM, "spec": {**OOM["spec"], "restartPolicy": "OnFailure"}}
    one = start((0, [job(restarting, backoffLimit=2)]))
    # The first restart is at once, the second after 10 s; a second later it is seen.
    assert counts(one, 10.9, 11) == [(0, 1), (0, 0)]


def test_an_indexed_job_makes_a_pod_for_each_index() -> None:
    spec = {"completionMode": "Indexed", "completions": 4, "parallelism": 2}
    one = start((0, [job(POD, **spec)]), lifecycles=jobs(3, 10))
    assert sorted(int(pod["ordinal"]) for pod in alive(one)) == [0, 1]
    one.advance(5)  # each index counts its own pods: both were the first of theirs
    assert sorted(int(pod["ordinal"]) for pod in alive(one)) == [0, 1, 2, 3]
    one.advance(60)
    assert phases(one, SUCCEEDED) == 4


def test_an_index_that_fails_too_often_fails_alone() -> None:
    spec = {"completionMode": "Indexed", "completions": 2, "backoffLimitPerIndex": 1}
    one = start((0, [job(OOM, parallelism=2, **spec)]))
    # Each index is tried again after 10 s; then all have failed.
    assert counts(one, 9, 10, 500) == [(0, 2), (0, 4), (0, 4)]


def test_too_many_failed_indexes_end_it() -> None:
    spec: Json = {
        "completionMode": "Indexed", "completions": 9, "backoffLimitPerIndex": 0,
        "maxFailedIndexes": 1, "parallelism": 1,
    }  # fmt: skip
    one = start((0, [job(OOM, **spec)]))
    one.advance(500)
    assert made(one) == 2


def test_fewer_completions_delete_the_pods_beyond_them() -> None:
    specs = [job(POD, completionMode="Indexed", completions=n, parallelism=n) for n in (4, 2)]
    one = start((0, specs[:1]), (10, specs[1:]))
    one.advance(20)
    assert sorted(int(pod["ordinal"]) for pod in alive(one)) == [0, 1]


def rule(action: str, operator: str, *values: int, name: str | None = None) -> Json:
    codes = {"operator": operator, "values": [*values], "containerName": name}
    return {"action": action, "onExitCodes": codes}


@pytest.mark.parametrize(("rules", "pods"), [
    ([], 7),  # the usual limit of 6
    ([rule("FailJob", "In", 137)], 1),
    ([rule("FailJob", "NotIn", 137)], 7),
    ([rule("FailJob", "In", 137, name="other")], 7),
    ([rule("Count", "In", 1, 137), rule("FailJob", "In", 137)], 7),
    ([rule("FailJob", "In", 137, name="app")], 1),
])  # fmt: skip
def test_what_a_failure_means_can_be_said(rules: list[Json], pods: int) -> None:
    one = start((0, [job(OOM, podFailurePolicy={"rules": rules})]))
    one.advance(2999)
    assert made(one) == pods


def test_ignored_failures_never_end_it() -> None:
    policy = {"rules": [rule("Ignore", "In", 137)]}
    one = start((0, [job(OOM, backoffLimit=0, podFailurePolicy=policy)]))
    one.advance(2999)
    assert made(one) > 5


def test_a_success_policy_ends_it_early() -> None:
    spec: Json = {
        "completionMode": "Indexed", "completions": 4, "parallelism": 4,
        "successPolicy": {"rules": [{"succeededCount": 1}]},
    }  # fmt: skip
    one = start(
        (
            0,
            [job(POD, **spec)],
        ),
        nodes=nodes(1, cpu=2000),
        lifecycles=jobs(5),
    )
    assert counts(one, 4, 6) == [(2, 4), (0, 2)]


@pytest.mark.parametrize(("rules", "pods"), [
    ([{"succeededIndexes": "0"}], 1),
    ([{"succeededIndexes": "1-2"}], 3),
    ([{"succeededIndexes": "0,3"}], 4),
    ([{"succeededIndexes": "1-4", "succeededCount": 1}], 2),
    ([{"succeededIndexes": "4"}, {"succeededCount": 2}], 2),
    ([{"succeededIndexes": "9"}], 5),  # no index of the Job: the rule is passed over
    ([{"succeededIndexes": "2-1"}], 5),
])  # fmt: skip
def test_a_success_policy_may_name_indexes(rules: list[Json], pods: int) -> None:
    """One pod after the other, each for five seconds."""
    spec: Json = {"completionMode": "Indexed", "completions": 5, "parallelism": 1}
    one = start((0, [job(POD, successPolicy={"rules": rules}, **spec)]), lifecycles=jobs(5))
    one.advance(300)
    assert made(one) == pods
    assert not one.warnings


EVICTED = template(usage={"app": "memory=constant(1Gi)"})


@pytest.mark.parametrize(("conditions", "ends"), [
    ([{"type": "DisruptionTarget"}], True),
    ([{"type": "DisruptionTarget", "status": "False"}], False),
    ([{"type": "Ready", "status": "False"}], True),
    ([{"type": "ConfigIssue"}], False),
])  # fmt: skip
def test_a_failure_policy_may_name_conditions(conditions: list[Json], *, ends: bool) -> None:
    """The pod is evicted from a node of 1 GiB; the next one waits for its taint to go."""
    rules = [{"action": "FailJob", "onPodConditions": conditions}]
    one = start((0, [job(EVICTED, podFailurePolicy={"rules": rules})]),
                nodes=[node(memory=1 << 30)])  # fmt: skip
    one.advance(100)
    seen = status(one)
    assert (seen.evicted, seen.pending) == (1, 0 if ends else 1)


def test_evictions_can_be_ignored_and_kills_counted() -> None:
    ignore = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    policy = {"rules": [ignore, rule("FailJob", "In", 137)]}
    evicted = start((0, [job(EVICTED, backoffLimit=0, podFailurePolicy=policy)]),
                    nodes=[node(memory=1 << 30)])  # fmt: skip
    evicted.advance(1000)
    assert made(evicted) > 2
    killed = start((0, [job(OOM, podFailurePolicy=policy)]))
    killed.advance(1000)
    assert made(killed) == 1


def test_it_goes_with_its_pods_some_time_after_its_end() -> None:
    one = start((0, [job(POD, ttlSecondsAfterFinished=5)]), lifecycles=jobs(2))
    assert counts(one, 7.9, 8) == [(0, 1), (0, 0)]


def test_the_pods_of_a_deleted_job_run_on() -> None:
    one = start((0, [job(POD, completions=9, parallelism=2)]), (3, [], [job(POD)]),
                lifecycles=jobs(10))  # fmt: skip
    assert counts(one, 3, 9, 100) == [(2, 2), (2, 2), (0, 2)]
    assert int(one.state.nodes["cpu"].sum()) == 0


def test_another_job_of_the_name_counts_its_own_pods_only() -> None:
    first = job(POD, parallelism=2, completions=2)
    one = start((0, [first]), (3, [], [first]), (5, [job(POD, completions=1)]))
    assert counts(one, 5, 100) == [(3, 3), (3, 3)]


def test_a_deleted_namespace_takes_the_pods_along() -> None:
    one = start((0, [job(POD), bare_pod(POD, "other")]), (3, [], [namespace()]))
    one.advance(10)
    assert not alive(one)


def test_pods_evicted_for_more_important_ones_are_made_again() -> None:
    """KWOK takes a deleted pod away at once, before the controller could count it as failed."""
    urgent = bare_pod(template(container("3"), priority=1000), "urgent")
    one = start((0, [job(template(container("3")), backoffLimit=0)]), (5, [urgent]),
                nodes=[node(cpu=4000)])  # fmt: skip
    one.advance(30)
    assert status(one, "urgent").ready == 1
    assert status(one)[3:6] == (0, 1, 1)


def test_edits_keep_what_is_not_theirs() -> None:
    one = start((0, [job(POD, completions=3)]))
    fewer = one.program.edit_replicas(ref("Job"), 5)
    assert fewer is one.program
    larger = one.program.edit_container(ref("Job"), "cpu", "change_request", 500)
    assert int(larger.arrays.containers["cpu_request"][0]) == 1500


def test_more_than_five_hundred_pods_are_made_in_several_steps() -> None:
    one = start((0, [job(template(), parallelism=700, completions=700)]), nodes=nodes(10, 64_000))
    assert [total for _, total in counts(one, 0, 1)] == [500, 700]
    assert phases(one, RUNNING) == 700
