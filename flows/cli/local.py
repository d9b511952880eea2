"""Prefect on this machine: quiet, private, and patient with a slow start."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from flows.cli import output
from flows.cli.errors import TerminatedError
from sim_arena.errors import SimArenaError

__all__ = ["ServerError", "prepare", "reachable", "stoppable", "tagged"]

_DEFAULTS = {
    # Without a server Prefect starts one for the run; it need not call home.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # A new database and a busy machine need more than the 20 s that it waits.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}


class ServerError(SimArenaError):
    """The Prefect server could not be reached."""


class _Told(logging.Handler):
    """Tells what a cluster warns of, as whom it waits for, where Prefect's log is not shown."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            output.warn([record.getMessage()])


def prepare(*, verbose: bool) -> None:
    """Set what Prefect reads at its import. What the user has set stays.

    With PREFECT_API_URL set the run goes to that server, else to one that lives as long as the
    run.
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    if not verbose and "PREFECT_LOGGING_LEVEL" not in os.environ:
        # Progress and errors are told by the command; the server gets the log all the same.
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
        logging.raiseExceptions = False  # a log that an interrupted run cannot send is no news
        logging.getLogger("sim_arena.clusters").addHandler(_Told())


@contextmanager
def reachable() -> Iterator[None]:
    """Turn a server that cannot be reached into one line.

    Raises:
        ServerError: Prefect got no answer, or one that is none.
        TerminatedError: Because SIGTERM ended both.
    """
    try:
        yield
    except Exception as error:
        if not _is_unreachable(error):
            raise
        if _came_of_sigterm(error):
            raise TerminatedError(alone=True) from error
        server = os.environ.get("PREFECT_API_URL", "the server that Prefect starts for the run")
        raise ServerError(
            f"Prefect cannot work with {server}: {error}; start it (prefect server start), or "
            "unset PREFECT_API_URL to play without one"
        ) from error


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does, with what there is to say.

    While a flow runs, Prefect ends it first.

    Raises:
        TerminatedError: It came.
    """

    def stop(_signal: int, _frame: object) -> None:
        raise TerminatedError

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def tagged() -> Iterator[None]:
    """Give runs the tag that the deployments' have: lists in the UI and alerts go by it."""
    from prefect import tags

    with tags("sim-arena"):
        yield


def _came_of_sigterm(error: BaseException | None) -> bool:
    from prefect.exceptions import TerminationSignal

    while error is not None:
        if isinstance(error, TerminationSignal):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_unreachable(error: Exception) -> bool:
    from httpx import HTTPError

    if isinstance(error, RuntimeError):  # all that Prefect says of what it could not connect to
        return "API" in str(error) and ("reach" in str(error) or "connect" in str(error))
    return isinstance(error, HTTPError)
