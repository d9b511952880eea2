"""Puts a trace where SimKube's driver finds it."""

from pathlib import Path
from typing import IO

from results import ResultsError
from results.store import is_url, store_at
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.errors import PermanentError
from traces import Trace, dumps

__all__ = ["place", "shortened", "withdraw"]


def shortened(trace: Trace, duration: int) -> Trace:
    """A trace without the events after its window: the pods stay longer than the window does."""
    start = trace["events"][0]["ts"] if trace["events"] else 0
    events = [event for event in trace["events"] if event["ts"] < start + duration]
    return {**trace, "events": events}


def place(trace: Trace, name: str, settings: SimKubeSettings) -> str:
    """Write a trace for the driver, into a folder or an object store.

    Returns:
        its URL as the driver sees it.

    Raises:
        PermanentError: it cannot be written there.
    """
    data = dumps(trace)
    try:
        store_at(settings.trace_store).write(_file(name), lambda file: _write(file, data))
    except ResultsError as error:
        raise PermanentError(
            f"expected to write the trace to {settings.trace_store}, found: {error}; give another "
            "trace_store"
        ) from error
    return f"{_url(settings.driver_store or settings.trace_store)}/{_file(name)}"


def withdraw(name: str, store: str | None) -> str | None:
    """Remove the trace that was placed for a simulation; it is no error if there is none.

    Args:
        name: the simulation's name; no file with another name is ever removed.
        store: the place where the traces of its run were written.

    Returns:
        why it could not be removed; None if it is gone.
    """
    if store is None:
        return None
    try:
        store_at(store).delete(_file(name))
    except ResultsError as error:
        return f"expected to remove the trace {_file(name)} from {store}, found: {error}"
    return None


def _file(name: str) -> str:
    return f"{name}.sktrace"


def _write(file: IO[bytes], data: bytes) -> None:
    file.write(data)


def _url(place: str) -> str:
    """A place as a URL, which SimKube asks for, and without what is meant for this machine."""
    if is_url(place):
        return place.partition("?")[0].rstrip("/")
    return Path(place).absolute().as_uri()
