"""A CronJob's schedule means what it means to Kubernetes' own parser."""

import json

import pytest

from sim_arena.engine.compiler.schedules import ScheduleError, times
from tests.engine.schedules import ANSWERS, FIXED, questions

CASES = json.loads(ANSWERS.read_text())


def test_the_answers_are_those_to_the_questions() -> None:
    assert [{name: case[name] for name in one} for case, one in zip(CASES, questions(), strict=True)
            ] == questions()  # fmt: skip
    refused = [case for case in CASES if "error" in case]
    assert len(refused) >= 20
    assert sum(bool(case.get("times")) for case in CASES) >= 100
    assert {case["schedule"] for case in CASES} >= {*FIXED}


@pytest.mark.parametrize("zone", sorted({case["zone"] for case in CASES}))
def test_schedules_come_due_when_kubernetes_says(zone: str) -> None:
    for case in CASES:
        if case["zone"] == zone:
            try:
                found = times(case["schedule"], zone, case["after"], case["until"])
            except ScheduleError:
                assert "error" in case, case
            else:
                assert found == case["times"], case


def test_an_unknown_time_zone_is_refused() -> None:
    for zone in ("Nowhere/Land", "../etc/passwd", "Europe"):
        with pytest.raises(ScheduleError, match="unknown time zone"):
            times("* * * * *", zone, 0, 60)
