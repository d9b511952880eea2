"""When a CronJob starts Jobs, and which of them it keeps.

Source: Kubernetes 1.36 `pkg/controller/cronjob/`. The trace begins at 22:13:20 UTC.
"""

from typing import Any

import pytest

from sim_arena.engine import Simulation, compile_trace
from tests.engine.manifests import (
    Json,
    container,
    cron_job,
    finished,
    namespace,
    nodes,
    ref,
    template,
    trace,
)
from tests.engine.scenes import alive, play, status

POD = template(container("1"))
OOM = template(container("1", limits={"memory": "64Mi"}), usage={"app": "memory=1Gi"})
FIRST = 40  # seconds until the first full minute


def start(*events: Any, entries: Any = None, duration: int = 1000) -> Simulation:
    lifecycles = None if entries is None else {ref("CronJob"): finished(*entries)}
    return play(*events, until=0, nodes=nodes(3, cpu=16_000), duration=duration,
                lifecycles=lifecycles)  # fmt: skip


def counts(simulation: Simulation, *seconds: float) -> list[tuple[int, int]]:
    found = []
    for second in seconds:
        simulation.advance(second)
        seen = status(simulation)
        found.append((seen.ready, seen.total))
    return found


def test_it_acts_a_moment_after_the_full_minute() -> None:
    one = start((0, [cron_job(POD)]))
    assert counts(one, 40, 40.09, 40.1, 100.1) == [(0, 0), (0, 0), (1, 1), (2, 2)]


def test_three_complete_jobs_and_one_failed_one_are_kept() -> None:
    one = start((0, [cron_job(POD)]), entries=[10])
    assert [total for _, total in counts(one, 229, 239, 289, 299)] == [4, 3, 4, 3]
    once = {"backoffLimit": 0}
    one = start((0, [cron_job(OOM, of_job=once)]))
    assert [total for _, total in counts(one, 60, 120, 999)] == [1, 1, 1]


def test_limits_of_the_history_can_be_set() -> None:
    one = start((0, [cron_job(POD, successfulJobsHistoryLimit=0)]), entries=[10])
    assert counts(one, 45, 52) == [(1, 1), (0, 0)]


def test_jobs_may_run_side_by_side_or_not() -> None:
    allowed = start((0, [cron_job(POD)]), entries=[150])
    assert [ready for ready, _ in counts(allowed, 165)] == [3]
    forbidden = start((0, [cron_job(POD, concurrencyPolicy="Forbid")]), entries=[70])
    # The one that was missed starts when the one before is seen to have ended.
    assert counts(forbidden, 101, 111, 112) == [(1, 1), (0, 1), (1, 2)]
    replaced = start((0, [cron_job(POD, concurrencyPolicy="Replace")]), entries=[150])
    assert counts(replaced, 99, 101, 161) == [(1, 1), (1, 1), (1, 1)]
    assert int(replaced.state.clock["pods"][0]) == 3


def test_a_missed_time_is_too_late_after_the_deadline() -> None:
    spec: Json = {"concurrencyPolicy": "Forbid", "startingDeadlineSeconds": 5}
    one = start((0, [cron_job(POD, **spec)]), entries=[70])
    assert counts(one, 112, 160, 161) == [(0, 1), (0, 1), (1, 2)]


def test_suspended_it_starts_nothing_and_then_the_last_missed_only() -> None:
    suspended, going = (cron_job(POD, suspend=suspend) for suspend in (True, False))
    one = start((0, [suspended]), (300, [going]))
    assert counts(one, 299, 300, 341) == [(0, 0), (1, 1), (2, 2)]


def test_a_changed_schedule_waits_for_its_next_time() -> None:
    often, seldom = cron_job(POD), cron_job(POD, "*/5 * * * *")
    one = start((0, [often]), (50, [seldom]))
    # 22:15, and then 22:20.
    assert [total for _, total in counts(one, 45, 101, 161, 399, 401)] == [1, 2, 2, 2, 3]


def test_a_job_keeps_the_template_that_it_was_started_with() -> None:
    one = start((0, [cron_job(POD)]), (50, [cron_job(template(container("2")))]))
    one.advance(101)
    assert sorted(int(pod["template"]) for pod in alive(one)) == [0, 1]


def test_deleted_it_takes_jobs_and_pods_along() -> None:
    one = start((0, [cron_job(POD)]), (50, [], [cron_job(POD)]))
    assert counts(one, 49, 50, 300) == [(1, 1), (0, 0), (0, 0)]
    one = start((0, [cron_job(POD)]), (50, [], [namespace()]))
    assert counts(one, 49, 50, 300) == [(1, 1), (0, 0), (0, 0)]


def test_created_anew_it_begins_anew() -> None:
    one = start((0, [cron_job(POD)]), (50, [], [cron_job(POD)]), (80, [cron_job(POD)]))
    assert counts(one, 99, 101) == [(0, 0), (1, 1)]


def test_a_time_to_live_takes_a_job_away() -> None:
    one = start((0, [cron_job(POD, of_job={"ttlSecondsAfterFinished": 5})]), entries=[10])
    assert counts(one, 52, 57) == [(0, 1), (0, 0)]


def test_time_zones_move_the_schedule() -> None:
    """22:13 UTC is 03:43 in Kolkata."""
    one = start((0, [cron_job(POD, "44 3 * * *", timeZone="Asia/Kolkata")]))
    assert counts(one, 41) == [(1, 1)]


def test_two_jobs_of_one_minute_would_have_one_name() -> None:
    one = start((0, [cron_job(POD, "@every 25s")]))
    assert [total for _, total in counts(one, 26, 51, 76, 101)] == [1, 2, 2, 3]


@pytest.mark.parametrize("schedule", ["* * * *", "TZ=UTC * * * * *", "60 * * * *", "@never"])
def test_what_the_api_server_would_refuse_is_named(schedule: str) -> None:
    program = compile_trace(trace((0, [cron_job(POD, schedule)])), nodes(1))
    assert "the API server would refuse it" in program.warnings[0]
    assert int(program.arrays.header["jobs"][0]) == 0
    unknown = cron_job(POD, timeZone="Nowhere/Land")
    assert "Nowhere/Land" in compile_trace(trace((0, [unknown])), nodes(1)).warnings[0]


def test_what_there_is_too_much_of_is_named() -> None:
    program = compile_trace(trace((0, [cron_job(POD, "@every 1s")]), (90_000, [cron_job(POD)])),
                            nodes(1))  # fmt: skip
    assert any("at most 20,000 Jobs" in warning for warning in program.warnings)
