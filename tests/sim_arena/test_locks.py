"""What keeps two processes from playing one run."""

import fcntl
import os
from errno import EBADF
from pathlib import Path
from typing import IO

import pytest

from sim_arena import locks
from sim_arena.errors import PermanentError
from sim_arena.locks import is_locked, locked


def test_a_folder_is_one_s_for_as_long_as_the_block_runs(tmp_path: Path) -> None:
    with locked(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(PermanentError, match="played by somebody else"), locked(tmp_path):
            pass
    assert not is_locked(tmp_path)


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"cannot write in .*none"), locked(tmp_path / "none"):
        pass
    assert not is_locked(tmp_path / "none")


def test_a_lock_is_seen_over_nfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There an exclusive lock needs a file that is open for writing, a shared one for reading."""

    def flock_of_nfs(file: IO[bytes], how: int) -> None:
        missing = os.O_RDONLY if how & fcntl.LOCK_EX else os.O_WRONLY
        if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == missing:
            raise OSError(EBADF, os.strerror(EBADF))
        fcntl.flock(file, how)

    monkeypatch.setattr(locks, "flock", flock_of_nfs)
    with locked(tmp_path):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
