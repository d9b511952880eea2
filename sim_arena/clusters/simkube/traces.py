"""Puts a trace where SimKube's driver finds it."""

from pathlib import Path
from typing import IO

from results import ResultsError
from results.store import is_url, store_at
from sim_arena.clusters.kube.ownership import prefix_of
from sim_arena.clusters.kube.timeline import timeline
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.errors import PermanentError
from traces import Trace, dumps, events_within

__all__ = ["STORE_KEY", "duration_for", "place", "shortened", "withdraw", "withdraw_all"]


STORE_KEY = "trace-store"
"""Under which the lease of a run says where its traces are."""


def shortened(trace: Trace, duration: int) -> Trace:
    """A trace without the events after its window: the pods stay longer than the window does."""
    return {**trace, "events": [*events_within(trace, duration)]}


def duration_for(trace: Trace, stay_s: float, speed: float) -> float:
    """The duration with which a driver keeps the pods for long enough, in seconds of the trace.

    The driver divides each pause by the speed and truncates it to whole seconds, so that it may be
    through with the events long before they are due.

    Args:
        trace: the trace.
        stay_s: real seconds from the first event for which the pods are to be there.
        speed: divides the pauses.
    """
    [*steps] = timeline(trace, speed=speed)
    if not steps:
        return stay_s * speed
    last = trace["events"][-1]["ts"] - trace["events"][0]["ts"]
    return float(last + max(0.0, stay_s - steps[-1].due) * speed)


def place(trace: Trace, run_id: str, name: str, settings: SimKubeSettings) -> str:
    """Write a trace for the driver, into a folder or an object store.

    Args:
        trace: the trace.
        run_id: the run, which the file's name tells.
        name: the simulation's name.
        settings: where to write it, and where the driver finds it.

    Returns:
        its URL as the driver sees it.

    Raises:
        PermanentError: it cannot be written there.
    """
    data, file_name = dumps(trace), _file(run_id, name)
    try:
        store_at(settings.trace_store).write(file_name, lambda file: _write(file, data))
    except ResultsError as error:
        raise PermanentError(
            f"expected to write the trace to {settings.trace_store}, found: {error}; give another "
            "trace_store"
        ) from error
    return f"{_url(settings.driver_store or settings.trace_store)}/{file_name}"


def withdraw(run_id: str, name: str, store: str | None) -> str | None:
    """Remove the trace that was placed for a simulation; it is no error if there is none.

    Args:
        run_id: the simulation's run.
        name: the simulation's name; no file with another name is ever removed.
        store: the place where the traces of its run were written.

    Returns:
        why it could not be removed; None if it is gone.
    """
    if store is None:
        return None
    file_name = _file(run_id, name)
    try:
        store_at(store).delete(file_name)
    except ResultsError as error:
        return f"expected to remove the trace {file_name} from {store}, found: {error}"
    return None


def withdraw_all(run_id: str, store: str | None) -> list[str]:
    """Remove all traces of a run, also one whose simulation was never made.

    Args:
        run_id: the run; no file whose name tells another is ever removed.
        store: the place where the run wrote its traces; None if it has none.

    Returns:
        the names of the files that were removed.

    Raises:
        PermanentError: the place cannot be read or changed.
    """
    if store is None:
        return []
    place = store_at(store)
    try:
        mine = [name for name in place.list() if name.startswith(f"{prefix_of(run_id)}.")]
        for name in mine:
            place.delete(name)
    except ResultsError as error:
        raise PermanentError(
            f"expected to remove the run's traces from {store}, found: {error}"
        ) from error
    return mine


def _file(run_id: str, name: str) -> str:
    return f"{prefix_of(run_id)}.{name}.sktrace"


def _write(file: IO[bytes], data: bytes) -> None:
    file.write(data)


def _url(place: str) -> str:
    """A place as a URL, which SimKube asks for, and without what is meant for this machine."""
    if is_url(place):
        return place.partition("?")[0].rstrip("/")
    return Path(place).absolute().as_uri()
