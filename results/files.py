"""Files that are either there as a whole or not at all."""

import json
import os
from collections.abc import Callable
from errno import ENOTDIR
from pathlib import Path
from secrets import token_hex
from typing import Any

from results.errors import ResultsError

__all__ = ["make_folders", "read_json", "sync_folder", "write_atomically", "write_json"]


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Have `write` fill a temporary file beside `path`, then put it in place of `path`.

    The temporary name starts with a dot and ends in `.tmp`, so that neither pyarrow nor a glob
    for `*.parquet` takes it for data. After a crash either the old file is there or the new one.

    Raises:
        ResultsError: The file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{token_hex(4)}.tmp")
    try:
        make_folders(path.parent)
        try:
            write(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise ResultsError(
            f"cannot write {path}: {_reason(error)}; check the folder's permissions and its space"
        ) from error


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document atomically, indented for people."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: _write_text(temporary, text))


def read_json(path: Path) -> Any:
    """Read a JSON document.

    Raises:
        ResultsError: The file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {_reason(error)}") from error
    except ValueError as error:
        raise ResultsError(f"{path} is damaged: expected JSON, {error}") from error


def make_folders(folder: Path) -> None:
    """Make a folder and those that it is in, where they are missing, to survive a power cut.

    Raises:
        OSError: one of them cannot be made
    """
    if folder.is_dir():
        return
    if folder.exists():
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(folder))
    make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make names added to or removed from the folder survive a power cut, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders; its renames are journaled
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
