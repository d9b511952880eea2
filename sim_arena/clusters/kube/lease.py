"""The lease on which runs queue: two on one cluster would compete for its nodes.

A run has it from before its first object until after its last one, so that who comes next finds the
cluster empty.

It is a `coordination.k8s.io/v1` Lease in a namespace of ours. Its annotations say what its holder
is doing, so that another process can go on with it: how far the replay is, and whether its window
is over.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from sim_arena.clusters.kube.api import Api, Json, RefusedError
from sim_arena.clusters.kube.ownership import HOME, PREPARED_LABEL, RUN_ANNOTATION
from sim_arena.errors import ClusterError, PermanentError, TransientError

__all__ = ["LEASE", "LEASE_S", "Holder", "Keeper", "Lease", "await_cluster"]

LEASE = "runs"
"""The name of the lease on which runs queue, whichever way they replay."""

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


def await_cluster(used_by: Callable[[], str | None], deadline_s: float) -> None:
    """Wait until nobody else uses a cluster, and say for whom.

    Args:
        used_by: says who uses it; None if nobody does.
        deadline_s: seconds to wait at most.

    Raises:
        TransientError: somebody still used it at the deadline.
    """
    deadline = time.monotonic() + deadline_s
    told: str | None = None
    while (user := used_by()) is not None:
        if told != user:
            told = user
            _LOG.warning("waiting for %s, which has the cluster", told)
        if time.monotonic() > deadline:
            raise TransientError(
                f"expected the cluster to become free within {deadline_s:g} s, found it used by "
                f"{told}: wait for it, or end it"
            )
        time.sleep(_LOOK_S)


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

    def living(self) -> Holder | None:
        """Who has the lease and was heard of lately; None if nobody."""
        holder = self.holder()
        return holder if holder is not None and holder.alive else None

    def held(self, run_id: str) -> Holder:
        """Who has the lease, which has to be the run.

        Raises:
            TransientError: another run has it, or none: what is seen now is not this run's.
        """
        return _required(self.holder(), run_id)

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

        def other() -> str | None:
            while True:
                found = self._api.get(_KIND, HOME, self.name)
                user = _another(_holder(found), run_id)
                if user is not None or self._write(found, run_id, progress):
                    return user

        await_cluster(other, deadline_s)

    def renew(self, run_id: str, progress: Mapping[str, str] | None = None) -> None:
        """Show that the holder lives, and write how far it is.

        Raises:
            TransientError: the run does not have the lease any more.
        """
        while True:
            found = self._api.get(_KIND, HOME, self.name)
            holder = _holder(found)
            had = _required(holder, run_id, f": it was not heard of for {LEASE_S} s")
            if self._write(found, run_id, had.progress if progress is None else progress):
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
        try:
            yield keeper
        finally:
            keeper.end()

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
                # The uid too: a lease that was deleted meanwhile would be made anew by the write.
                for field in ("resourceVersion", "uid"):
                    wanted["metadata"][field] = found["metadata"][field]
                if _holds(found, run_id):
                    wanted["spec"]["acquireTime"] = found["spec"].get("acquireTime", now)
                self._api.request("put", self._api.path(_KIND, HOME, self.name), wanted)
        except RefusedError as error:
            if error.status == _CONFLICT:
                return False
            if error.status == 404:
                raise PermanentError(
                    f"expected the namespace {HOME!r} for the lease of runs, found none: "
                    "`sim-arena cluster prepare` makes it"
                ) from error
            raise
        return True


class Keeper:
    """Renews a lease from another thread until it is told to end, and remembers if that failed.

    Args:
        lease: the lease.
        run_id: the run that has it.
    """

    def __init__(self, lease: Lease, run_id: str) -> None:
        self._lease = lease
        self._run_id = run_id
        self._ended = threading.Event()
        self._lost: ClusterError | None = None
        threading.Thread(target=self._run, name="lease", daemon=True).start()

    @property
    def lives(self) -> bool:
        """Whether it still renews the lease."""
        return self._lost is None and not self._ended.is_set()

    def end(self) -> None:
        """Renew no more."""
        self._ended.set()

    def check(self) -> None:
        """Raise if the lease is lost.

        Raises:
            TransientError: another run has it.
        """
        if self._lost is not None:
            raise self._lost

    def _run(self) -> None:
        while not self._ended.wait(_RENEW_S):
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


def _required(holder: Holder | None, run_id: str, why: str = "") -> Holder:
    if holder is None or holder.run_id != run_id:
        who = "nobody" if holder is None else f"run {holder.run_id}"
        raise TransientError(
            f"expected run {run_id} to have the cluster, found that {who} has it{why}"
        )
    return holder


def _another(holder: Holder | None, run_id: str) -> str | None:
    """The run other than one's own that has a lease, and lives."""
    if holder is None or not holder.alive or holder.run_id == run_id:
        return None
    return f"run {holder.run_id}"


def _alive(renewed: str, seconds: int) -> bool:
    try:
        when = dt.datetime.fromisoformat(renewed)
    except ValueError:
        return False
    return dt.datetime.now(dt.UTC) - when < dt.timedelta(seconds=seconds)


def _holds(found: Json, run_id: str) -> bool:
    return bool(found["spec"].get("holderIdentity") == run_id)
