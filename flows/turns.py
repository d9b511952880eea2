"""Whose turn it is on a real cluster: one flow run at a time, as a global concurrency limit.

The lease on the cluster is what keeps runs apart, also those that know nothing of this server. With
the limit, a flow run that waits is one that the server knows of.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound

from sim_arena.spec import EpisodeSpec

__all__ = ["limit_name", "turn"]

_IN_PROCESS = "embedded"
_SLOT_S = 60  # for how long a flow run that was killed keeps its slot; a living one renews it


def limit_name(place: str) -> str:
    """Return the limit's name for a cluster with its context."""
    return "sim-arena-" + re.sub(r"[^A-Za-z0-9_.-]+", "-", place)


@contextmanager
def turn(spec: EpisodeSpec) -> Iterator[None]:
    """Wait for this flow run's turn on its cluster; nobody waits for the embedded one.

    The limit is made where there is none; one that somebody has set to another number stays.
    """
    if spec.cluster == _IN_PROCESS:
        yield
        return
    name = limit_name(spec.place)
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            client.upsert_global_concurrency_limit_by_name(name, 1)
    with concurrency(name, strict=True, lease_duration=_SLOT_S):
        yield
