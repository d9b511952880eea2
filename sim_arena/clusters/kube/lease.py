"""The lease on which runs queue: two on one cluster would compete for its nodes.

It is a `coordination.k8s.io/v1` Lease in a namespace of ours. Its annotations say what its holder
is doing, so that another process can go on with it: how far the replay is, and whether its window
is over.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from sim_arena.clusters.kube.api import Api, Json, RefusedError
from sim_arena.clusters.kube.ownership import HOME, PREPARED_LABEL, RUN_ANNOTATION
from sim_arena.errors import ClusterError, PermanentError, TransientError

__all__ = ["LEASE_S", "Holder", "Lease"]

LEASE_S = 60
"""Seconds after which a holder that did not renew the lease has lost it."""

_LOG = logging.getLogger(__name__)
_KIND: Json = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
_PROGRESS = "sim-arena.io/"
_LOOK_S = 1.0
_RENEW_S = LEASE_S / 4
_CONFLICT = 409


class Holder(NamedTuple):
    """Who has the lease.

    Attributes:
        run_id: the run's id.
        alive: whether the lease was renewed lately enough.
        renewed: when it was renewed last, as the lease says.
        progress: what the holder wrote of its work.
    """

    run_id: str
    alive: bool
    renewed: str
    progress: Mapping[str, str]


class Lease:
    """One lease, by its name.

    Args:
        api: the API server.
        name: the lease's name.
    """

    def __init__(self, api: Api, name: str) -> None:
        self._api = api
        self.name = name

    def holder(self) -> Holder | None:
        """Who has the lease; None if nobody has."""
        return _holder(self._api.get(_KIND, HOME, self.name))

    def acquire(self, run_id: str, progress: Mapping[str, str], deadline_s: float) -> None:
        """Take the lease; while another run has it, wait and say for whom.

        Args:
            run_id: the run that wants it; if it has it already, that is no other.
            progress: what to write of its work.
            deadline_s: seconds to wait at most.

        Raises:
            TransientError: another run still had it at the deadline.
            PermanentError: the namespace of the lease is missing.
        """
        deadline = time.monotonic() + deadline_s
        told: str | None = None
        while True:
            found = self._api.get(_KIND, HOME, self.name)
            holder = _holder(found)
            if holder is None or not holder.alive or holder.run_id == run_id:
                if self._write(found, run_id, progress):
                    return
                continue
            if told != holder.run_id:
                told = holder.run_id
                _LOG.warning("waiting for run %s, which has the cluster", told)
            if time.monotonic() > deadline:
                raise TransientError(
                    f"expected the cluster to become free within {deadline_s:g} s, found it used "
                    f"by run {told}: wait for it, or end it"
                )
            time.sleep(_LOOK_S)

    def renew(self, run_id: str, progress: Mapping[str, str] | None = None) -> None:
        """Show that the holder lives, and write how far it is.

        Raises:
            TransientError: the run does not have the lease any more.
        """
        while True:
            found = self._api.get(_KIND, HOME, self.name)
            holder = _holder(found)
            if holder is None or holder.run_id != run_id:
                who = "nobody" if holder is None else f"run {holder.run_id}"
                raise TransientError(
                    f"expected run {run_id} to have the cluster, found that {who} has it: it was "
                    f"not heard of for {LEASE_S} s"
                )
            if self._write(found, run_id, holder.progress if progress is None else progress):
                return

    def release(self, run_id: str) -> None:
        """Give the lease back, if the run has it."""
        while True:
            found = self._api.get(_KIND, HOME, self.name)
            holder = _holder(found)
            if found is None or holder is None or holder.run_id != run_id:
                return
            options = {"preconditions": {"resourceVersion": found["metadata"]["resourceVersion"]}}
            try:
                self._api.request("delete", self._api.path(_KIND, HOME, self.name), options)
            except RefusedError as error:
                if error.status == _CONFLICT:
                    continue
                if error.status != 404:
                    raise
            return

    @contextmanager
    def kept(self, run_id: str) -> Iterator["Keeper"]:
        """Renew the lease from another thread within the block."""
        keeper = Keeper(self, run_id)
        keeper.thread.start()
        try:
            yield keeper
        finally:
            keeper.ended.set()

    def _write(self, found: Json | None, run_id: str, progress: Mapping[str, str]) -> bool:
        """Write the lease as it should be; False if somebody else wrote it in between."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        annotations = {_PROGRESS + key: value for key, value in progress.items()}
        wanted: Json = {
            **_KIND,
            "metadata": {
                "name": self.name,
                "namespace": HOME,
                "labels": {PREPARED_LABEL: "true"},
                "annotations": annotations | {RUN_ANNOTATION: run_id},
            },
            "spec": {
                "holderIdentity": run_id,
                "leaseDurationSeconds": LEASE_S,
                "renewTime": now,
                "acquireTime": now,
            },
        }
        try:
            if found is None:
                self._api.create(wanted)
            else:
                wanted["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
                if _holds(found, run_id):
                    wanted["spec"]["acquireTime"] = found["spec"].get("acquireTime", now)
                self._api.request("put", self._api.path(_KIND, HOME, self.name), wanted)
        except RefusedError as error:
            if error.status == _CONFLICT:
                return False
            if error.status == 404 and found is not None:
                return False
            if error.status == 404:
                raise PermanentError(
                    f"expected the namespace {HOME!r} for the lease of runs, found none: "
                    "`sim-arena cluster prepare` makes it"
                ) from error
            raise
        return True


class Keeper:
    """Renews a lease until it is told to end, and remembers if that failed."""

    def __init__(self, lease: Lease, run_id: str) -> None:
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._lease = lease
        self._run_id = run_id
        self._lost: ClusterError | None = None

    def check(self) -> None:
        """Raise if the lease is lost.

        Raises:
            TransientError: another run has it.
        """
        if self._lost is not None:
            raise self._lost

    def _run(self) -> None:
        while not self.ended.wait(_RENEW_S):
            try:
                self._lease.renew(self._run_id)
            except ClusterError as error:
                self._lost = error
                return


def _holder(found: Json | None) -> Holder | None:
    if found is None or not found["spec"].get("holderIdentity"):
        return None
    annotations = found["metadata"].get("annotations") or {}
    spec = found["spec"]
    renewed = str(spec.get("renewTime") or "")
    return Holder(
        run_id=str(spec["holderIdentity"]),
        alive=_alive(renewed, int(spec.get("leaseDurationSeconds") or LEASE_S)),
        renewed=renewed,
        progress={
            key.removeprefix(_PROGRESS): value
            for key, value in annotations.items()
            if key.startswith(_PROGRESS) and key != RUN_ANNOTATION
        },
    )


def _alive(renewed: str, seconds: int) -> bool:
    try:
        when = dt.datetime.fromisoformat(renewed)
    except ValueError:
        return False
    return dt.datetime.now(dt.UTC) - when < dt.timedelta(seconds=seconds)


def _holds(found: Json, run_id: str) -> bool:
    return bool(found["spec"].get("holderIdentity") == run_id)
