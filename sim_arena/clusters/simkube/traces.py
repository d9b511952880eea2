"""Puts a trace where SimKube's driver finds it."""

from pathlib import Path

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
    """Write a trace for the driver.

    Returns:
        its URL as the driver sees it.

    Raises:
        PermanentError: it cannot be written there.
    """
    import fsspec  # noqa: PLC0415 - not needed before

    target = _target(name, settings)
    try:
        with fsspec.open(target, "wb", auto_mkdir=True) as file:
            file.write(dumps(trace))
    except (OSError, ValueError, ImportError) as error:
        raise PermanentError(
            f"expected to write the trace to {target}, found: {error}; give another trace_store"
        ) from error
    return f"{_url(settings.driver_store or settings.trace_store)}/{name}.sktrace"


def withdraw(name: str, settings: SimKubeSettings) -> None:
    """Remove a trace that was placed for the driver; it is no error if there is none."""
    import fsspec  # noqa: PLC0415 - not needed before

    system, path = fsspec.core.url_to_fs(_target(name, settings))
    if system.exists(path):
        system.rm(path)


def _target(name: str, settings: SimKubeSettings) -> str:
    return f"{settings.trace_store.rstrip('/')}/{name}.sktrace"


def _url(place: str) -> str:
    """A place as a URL: SimKube takes nothing else."""
    if "://" in place:
        return place.rstrip("/")
    return Path(place).absolute().as_uri()
