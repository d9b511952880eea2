"""Whose turn it is on a real cluster: one episode at a time, as a global concurrency limit.

The lease on the cluster is what keeps runs apart, also those that know nothing of this server. With
the limit, whoever waits is known to the server: a flow run, or an episode of a sweep.

A server that lives as long as the run has no limit: nobody would release the slot of a run that was
killed, for such a server frees none, and each later run would wait for ever (Prefect 3.8 looks for
slots whose leases have expired in servers of their own only, `server/services/repossessor.py`).
"""

import logging
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import Lock
from typing import Any

from prefect.client.base import ServerType
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

__all__ = ["limit_name", "turn"]

_IN_PROCESS = "embedded"
_SLOT_S = 60  # for how long a run that was killed keeps its slot; a living one renews it
_LOOK_S = 1

_LOG = logging.getLogger("sim_arena.clusters")  # what is told there is seen: see `logs.py`
_locks: defaultdict[str, Lock] = defaultdict(Lock)


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
        if client.server_type == ServerType.EPHEMERAL:
            held: AbstractContextManager[Any] = _locks[name]
        else:
            _await_slot(client, name)
            held = concurrency(name, strict=True, lease_duration=_SLOT_S)
    with held:
        yield


def _await_slot(client: SyncPrefectClient, name: str) -> None:
    """Make the limit if there is none, and wait until it has a slot, saying so.

    Prefect would wait itself, but as long as it does a process cannot be ended by Ctrl-C.
    """
    told = False
    while (limit := _limit(client, name)).active_slots >= limit.limit:
        if not told:
            _LOG.warning(
                "waiting for a slot of Prefect's concurrency limit %s: other runs have all of "
                "them; if there are none, because the server was restarted in the midst of one, "
                "free it: prefect gcl update %s --active-slots 0",
                name,
                name,
            )
            told = True
        time.sleep(_LOOK_S)


def _limit(client: SyncPrefectClient, name: str) -> GlobalConcurrencyLimitResponse:
    with suppress(ObjectNotFound):
        return client.read_global_concurrency_limit_by_name(name)
    with suppress(ObjectAlreadyExists):  # somebody else has made it in the meantime
        client.upsert_global_concurrency_limit_by_name(name, 1)
    return client.read_global_concurrency_limit_by_name(name)
