"""SimKube's driver is asked for every pod: while it does not answer, none say anything."""

from typing import Any

import pytest

from sim_arena.clusters.simkube.cluster import require_webhook
from sim_arena.errors import TransientError
from sim_arena.records import complete

AWAY = (
    'Internal error occurred: failed calling webhook "mutatepods.simkube.io": failed to call '
    "webhook: connection refused"
)


def seen(total: int, *, reasons: dict[str, int], events: list[str]) -> Any:
    counts = {"ready": total, "pending": 0, "total": total, "desired": 8}
    return complete({**counts, "reasons": reasons, "events": events})  # type: ignore[typeddict-item] # what is looked at


@pytest.mark.parametrize(
    ("reasons", "events"),
    [({AWAY: 8}, []), ({}, [f"FailedCreate: {AWAY}"])],
    ids=["a ReplicaSet's condition", "the events of any other kind"],
)
def test_pods_that_the_driver_did_not_let_in_are_no_observation(
    reasons: dict[str, int], events: list[str]
) -> None:
    with pytest.raises(TransientError, match="driver to let pods in"):
        require_webhook(seen(0, reasons=reasons, events=events))


def test_a_driver_that_answered_later_and_a_quota_are_one() -> None:
    require_webhook(seen(8, reasons={}, events=[f"FailedCreate: {AWAY}"]))
    require_webhook(seen(2, reasons={"forbidden: exceeded quota": 6}, events=[]))
