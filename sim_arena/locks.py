"""One process at a time plays a run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import IO

from sim_arena.errors import BusyError, PermanentError

if sys.platform != "win32":
    from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock

__all__ = ["is_locked", "locked"]

_NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run's folder for as long as the block runs.

    The system releases the lock with the process, however that ends.

    Raises:
        BusyError: somebody else holds it
        PermanentError: the folder cannot be written to
    """
    with _opened(folder) as file:
        # Somebody who only looks (`is_locked`) holds the lock for an instant: try again.
        if not any(_take(file, pause) for pause in (0.0, 0.05, 0.2)):
            raise BusyError(
                f"{folder} is being played by somebody else: wait for it, or use another run id"
            )
        yield


def is_locked(folder: Path) -> bool:
    """Say whether somebody plays the run in this folder."""
    try:
        with (folder / _NAME).open("rb") as file:
            # A shared lock is enough to see an exclusive one. Over NFS, and where the folder is
            # somebody else's, who can only read gets no other.
            return not _take(file, shared=True)
    except FileNotFoundError:  # nobody ever played it
        return False


def _opened(folder: Path) -> IO[bytes]:
    try:
        return (folder / _NAME).open("ab")
    except OSError as error:
        raise PermanentError(
            f"cannot write in {folder}: {error.strerror or error}; check that it is there, and its "
            "permissions"
        ) from error


def _take(file: IO[bytes], pause: float = 0.0, *, shared: bool = False) -> bool:
    """Take the lock, after a pause in seconds; it is given back when the file is closed."""
    if sys.platform == "win32":  # a second player of a run is not noticed there
        return True
    sleep(pause)
    try:
        flock(file, (LOCK_SH if shared else LOCK_EX) | LOCK_NB)
    except BlockingIOError:
        return False
    return True
