"""Whose turn it is on a real cluster: one episode at a time, as a global concurrency limit.

The lease on the cluster is what keeps runs apart, also those that know nothing of this server. With
the limit, whoever waits is known to the server: a flow run, or an episode of a sweep.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

__all__ = ["limit_name", "turn"]

_IN_PROCESS = "embedded"
_SLOT_S = 60  # for how long a run that was killed keeps its slot; a living one renews it


def limit_name(place: str) -> str:
    """Return the limit's name for a cluster with its context, whichever way it is replayed on."""
    _, _, context = place.partition(":")
    return "sim-arena-cluster" + re.sub(r"[^A-Za-z0-9_.-]+", "-", f":{context}" if context else "")


@contextmanager
def turn(place: str) -> Iterator[None]:
    """Wait for one's turn on a cluster; nobody waits for the embedded one.

    The limit is made where there is none; one that somebody has set to another number stays.

    Args:
        place: the cluster, with its context: `kwok`, `kwok:staging`
    """
    if place == _IN_PROCESS:
        yield
        return
    name = limit_name(place)
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            with suppress(ObjectAlreadyExists):  # somebody else has made it in the meantime
                client.upsert_global_concurrency_limit_by_name(name, 1)
    with concurrency(name, strict=True, lease_duration=_SLOT_S):
        yield
