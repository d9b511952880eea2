"""`step.jsonl`: one line a step, on the disk before the next step starts."""

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from results.columns import Row
from results.errors import ResultsError, ResultsNotice
from results.versions import upgrade_row

__all__ = ["append_line", "iter_lines"]

_BLOCK = 65_536


def append_line(path: Path, row: Row) -> None:
    """Append one row and wait until it is on the disk.

    A torn last line, left by a crash, is cut off first: its step was never recorded.

    Raises:
        ResultsError: The file cannot be written.
    """
    line = json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    try:
        with path.open("ab+") as file:
            _cut_torn_line(file)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror or error}") from error


def iter_lines(path: Path) -> Iterator[Row]:
    """Yield the rows of a journal, upgraded to this version of the schema.

    A last line that a crash has torn is left out, with a `ResultsNotice`. No file is no step.

    Raises:
        ResultsError: The file cannot be read, or a line before the last is damaged.
    """
    damaged: str | None = None
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if damaged is not None:
                    raise ResultsError(
                        f"{damaged}; only the last line may be torn: restore the file, "
                        "or delete that line"
                    )
                row, problem = _parse(line)
                if row is None:
                    damaged = f"{path}, line {number}: {problem}"
                else:
                    yield upgrade_row(row, source=f"{path}, line {number}")
    except FileNotFoundError:  # made by the first step
        return
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror or error}") from error
    if damaged is not None:
        warnings.warn(
            f"{damaged}; left out: the run was stopped while it wrote that step, or writes it now",
            ResultsNotice,
            stacklevel=2,
        )


def _parse(line: bytes) -> tuple[Row | None, str]:
    if not line.endswith(b"\n"):
        return None, "the line has no end"
    try:
        row = json.loads(line)
    except ValueError as error:
        return None, f"expected JSON, {error}"
    if not isinstance(row, dict):
        return None, f"expected an object, found {type(row).__name__}"
    return row, ""


def _cut_torn_line(file: BinaryIO) -> None:
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return
    start = _start_of_last_line(file, size)
    file.seek(start)
    row, problem = _parse(file.read())
    if row is not None:
        return
    file.truncate(start)
    warnings.warn(
        f"{file.name}: cut off a torn last line of {size - start} bytes ({problem}); "
        "the run was stopped while it wrote that step",
        ResultsNotice,
        stacklevel=3,
    )


def _start_of_last_line(file: BinaryIO, size: int) -> int:
    """Return the offset of the last line, reading backwards in blocks."""
    end = size - 1  # the line's own line feed, if it has one
    while end > 0:
        start = max(0, end - _BLOCK)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
