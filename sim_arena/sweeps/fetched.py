"""What a sweep in an object store needs on this machine: files to read, folders to fill."""

import os
import stat
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from tempfile import gettempdir

from results import ResultsError, Sweep, store_at
from results.store import LocalStore, read_bytes
from sim_arena.errors import PermanentError
from sim_arena.sweeps.cases import digest_of

__all__ = ["input_file", "played_folder"]


def input_file(sweep: Sweep, name: str) -> str:
    """Return a local path of a file that the sweep reads; fetched if need be.

    Raises:
        ResultsError: it is missing, or is not what was planned
        PermanentError: there is no place for it
    """
    if isinstance(sweep.store, LocalStore):
        return str(sweep.store.root / "inputs" / name)
    key = (sweep.store.url, sweep.started_at, name)
    path = _fetched(*key)
    if not path.exists():  # somebody has tidied up
        _fetched.cache_clear()
        path = _fetched(*key)
    return str(path)


def played_folder(sweep: Sweep) -> Path:
    """Return where the episodes on real clusters have their own folders."""
    if isinstance(sweep.store, LocalStore):
        return sweep.store.root / "played"
    this = digest_of(f"{sweep.store.url} {sweep.started_at}".encode())
    return _own_folder() / "played" / f"{sweep.id}-{this[:16]}"


@lru_cache(maxsize=10_000)
def _fetched(url: str, started_at: str, name: str) -> Path:  # noqa: ARG001 # another sweep may have this one's URL later
    """Fetch a file once a process; it is named by what is in it."""
    data = read_bytes(store_at(url), f"inputs/{name}")
    digest = digest_of(data)
    stem, _, kind = name.partition(".")
    if kind == "sktrace" and stem != digest:
        raise ResultsError(f"{url}/inputs/{name} is damaged: it is not the trace that was planned")
    path = _own_folder() / "inputs" / f"{digest}.{kind}"
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(exist_ok=True, mode=0o700)
        part = path.with_name(f"{path.name}.{token_hex(4)}")
        part.write_bytes(data)
        part.replace(path)
    return path


def _own_folder() -> Path:
    """Return a folder for temporary files that nobody else can write to.

    Raises:
        PermanentError: somebody else can
    """
    folder = Path(gettempdir()) / f"sim-arena-{os.getuid()}"
    folder.mkdir(exist_ok=True, mode=0o700)
    found = folder.lstat()
    others = stat.S_IMODE(found.st_mode) & 0o022
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or others:
        raise PermanentError(
            f"expected {folder} as a folder that only the user {os.getuid()} can write to, found "
            f"{stat.filemode(found.st_mode)} of the user {found.st_uid}: remove it, or set TMPDIR"
        )
    return folder
