"""Who writes a sweep: one at a time, and all who play its chunks do it in that one's name.

The writer's claim is the file `writers/TOKEN.json` in the sweep. Whoever begins removes those that
others left behind, and who writes a part of the data set looks first whether the claim that it is
written for is still there: a worker that outlives its sweep writes nothing beside a resumed one.

On this machine the system's lock says who may begin. Object stores have no locks, and not all of
them can make a file only if there is none. But they show at once what was written: each leaves
its claim, then looks. Of any two the one that looks last sees the other, so never do both see
themselves alone. Whoever sees somebody that writes already gives up; of those that only want to,
the one with the smallest token stays until the others are gone.
"""

import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from threading import Event, Thread
from typing import Any

from results import ResultsError, Store, Sweep
from results.store import LocalStore, read_document, write_document
from sim_arena.errors import PermanentError
from sim_arena.locks import is_locked, locked

__all__ = ["Pace", "Writer", "holding", "is_written", "writing"]

_FOLDER = "writers"
_CLAIM = re.compile(rf"{_FOLDER}/[0-9a-f]{{16}}\.json")


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a writer gives a sign of life in an object store, and what follows without one.

    Args:
        beat: seconds between two signs
        again: seconds until one that failed is tried again
        stale: the writer stops when its last sign is as old as this
        dead: others begin when it is as old as this; their clocks may differ by the difference
        look: seconds between two looks at others who want to begin too
        looks: how often, until they count as there to stay
    """

    beat: float = 20.0
    again: float = 5.0
    stale: timedelta = timedelta(seconds=70)
    dead: timedelta = timedelta(seconds=120)
    look: float = 0.25
    looks: int = 40


class Writer:
    """The right to write a sweep. It can be had again from its token, on any machine."""

    def __init__(self, store: Store, token: str, run: str | None = None) -> None:
        self.store = store
        self.token = token
        self.run = run
        self.problem: str | None = None  # why it is none any more, if it is known here

    @property
    def name(self) -> str:
        """The name of the claim in the store."""
        return f"{_FOLDER}/{self.token}.json"

    def check(self) -> None:
        """Look whether this is the writer still.

        Raises:
            PermanentError: it is not
            ResultsError: the store cannot be read
        """
        if self.problem is not None:
            raise PermanentError(self.problem)
        try:
            # A shared folder's client may remember what was there, but asks again to open it.
            with self.store.open(self.name):
                return
        except ResultsError:
            if self.store.exists(self.name):
                raise
        raise PermanentError(
            f"expected to be the writer of {self.store.url}, found "
            f"{_told(_others(self.store, self)) or 'nobody'}: nothing was written. It has ended, "
            "or somebody else plays it since; resume it if it has not ended"
        )


def writing(sweep: Sweep, run: str | None = None) -> AbstractContextManager[Writer]:
    """Be the only one who writes a sweep for as long as the block runs; see `holding`."""
    return holding(sweep.store, run=run)


def is_written(sweep: Sweep, besides: str | None = None) -> bool:
    """Say whether somebody writes a sweep.

    Args:
        sweep: the sweep
        besides: a run that does not count, because it is known to have ended

    Raises:
        ResultsError: the store cannot be read
    """
    if isinstance(sweep.store, LocalStore):
        return is_locked(sweep.store.root)
    now = datetime.now(UTC)
    found = [one for one in _others(sweep.store) if _alive(one, Pace(), now)]
    return any(besides is None or one["run"] != besides for one in found)


@contextmanager
def holding(
    store: Store,
    pace: Pace = Pace(),  # it never changes
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    run: str | None = None,
) -> Iterator[Writer]:
    """Be the only one who writes a sweep's folder for as long as the block runs.

    Args:
        store: the sweep's folder, which need not have anything in it
        pace: of signs of life in an object store
        now: the clock
        run: the flow run whose claim it is, for `is_written`

    Yields:
        the right to write, for those who play the chunks

    Raises:
        PermanentError: somebody else is, or `writers/` holds what is no claim
        ResultsError: the store cannot be read or written
    """
    writer = Writer(store, token_hex(8), run)
    if isinstance(store, LocalStore):
        with locked(store.root):
            _delete_claims(store)
            try:
                _sign(writer, now(), begun=True)
                yield writer
            finally:
                store.delete(writer.name)
        return
    try:
        _begin(writer, pace, now)
        with _signing(writer, pace, now):
            yield writer
    finally:
        store.delete(writer.name)


def _delete_claims(store: LocalStore) -> None:
    """Delete the claims that others left behind.

    Raises:
        PermanentError: there are other files among them, which no writer has made
    """
    names = store.list(_FOLDER)
    for name in names:
        if not _CLAIM.fullmatch(name):
            raise PermanentError(
                f"expected nothing but the claims of writers in {store.url}/{_FOLDER}, found "
                f"{name.removeprefix(f'{_FOLDER}/')}, which is none: use another run id"
            )
    for name in names:
        store.delete(name)


def _begin(writer: Writer, pace: Pace, now: Callable[[], datetime]) -> None:
    """Become the writer in an object store.

    Raises:
        PermanentError: somebody else is, or this process stood still for so long that others may
            have taken it for gone
    """
    first = now()
    _sign(writer, first, begun=False)
    pause = Event()
    for look in range(pace.looks):
        pause.wait(pace.look if look else 0)
        found = _others(writer.store, writer)
        alive = [one for one in found if _alive(one, pace, now())]
        if not alive:
            break
        if any(one["begun"] or one["token"] < writer.token for one in alive):
            raise PermanentError(
                f"{writer.store.url} is being written by {_told(alive)}: wait for it; if it is "
                f"gone, {pace.dead.total_seconds():.0f} seconds after its last sign of life"
            )
    else:
        raise PermanentError(f"{writer.store.url} is wanted by {_told(alive)} too: try again")
    for one in found:
        writer.store.delete(Writer(writer.store, one["token"]).name)
    _sign(writer, now(), begun=True)
    if now() - first >= pace.stale:  # that sign may have come back from the dead, beside another's
        raise PermanentError(
            f"{writer.store.url} took {(now() - first).total_seconds():.0f} seconds to begin with, "
            "so that somebody else may have begun: try again"
        )


@contextmanager
def _signing(writer: Writer, pace: Pace, now: Callable[[], datetime]) -> Iterator[None]:
    """Give signs of life for as long as the block runs, or until they come too late."""
    ended = Event()

    def keep_signing() -> None:
        last, pause = now(), pace.beat
        failure: ResultsError | None = None
        while not ended.wait(pause):
            late = now() - last
            if late >= pace.stale:
                writer.problem = (
                    f"{writer.store.url} had no sign of life of this sweep for "
                    f"{late.total_seconds():.0f} seconds, so that somebody else may go on with "
                    f"it: {failure or 'this process stood still'}. Resume it"
                )
                with suppress(ResultsError):  # the end tries again, and tells
                    writer.store.delete(writer.name)
                return
            at = now()
            try:
                writer.check()  # what somebody else removed must not come back
                _sign(writer, at, begun=True)
            except PermanentError as error:
                writer.problem = str(error)
                return
            except ResultsError as error:
                failure, pause = error, pace.again
            else:
                if now() - last < pace.stale:
                    last, pause, failure = at, pace.beat, None
                else:  # it came too late itself, and may have come back: gone at once
                    pause = 0.0

    thread = Thread(target=keep_signing, name="sweep-writer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _sign(writer: Writer, at: datetime, *, begun: bool) -> None:
    who = {"host": socket.gethostname(), "pid": os.getpid(), "run": writer.run}
    me = {"token": writer.token, **who}
    # It always has the same length: who reads it just then asks for its size first.
    state = {"begun": int(begun), "at": at.isoformat(timespec="microseconds")}
    write_document(writer.store, writer.name, me | state)


def _alive(claim: dict[str, Any], pace: Pace, now: datetime) -> bool:
    return now - datetime.fromisoformat(claim["at"]) < pace.dead


def _others(store: Store, writer: Writer | None = None) -> list[dict[str, Any]]:
    """Return the claims of others, whether they are alive or not."""
    found: list[dict[str, Any]] = []
    for name in store.list(_FOLDER):
        if writer is not None and name == writer.name:
            continue
        try:
            found.append(read_document(store, name))
        except ResultsError:  # it has gone since, or was replaced while it was read
            if store.exists(name):
                found.append(read_document(store, name))
    return found


def _told(claims: list[dict[str, Any]]) -> str:
    return " and ".join(f"process {one['pid']} on {one['host']}" for one in claims)
