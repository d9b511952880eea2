"""Reads and writes trace files: MessagePack, as SimKube writes it.

Nothing is lost on the way: the order of maps, unknown fields and every hash survive, and
SimKube's own files are written back byte for byte. Damaged or hostile input gives a
`TraceError`; what a length in the file claims is never believed before the bytes are there.
"""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any, cast

import msgpack

from traces.damage import locate_damage
from traces.document import Trace
from traces.errors import TraceError
from traces.upgrade import upgrade
from traces.validation import check_trace

__all__ = ["MAX_BYTES", "dumps", "load_trace", "loads", "save_trace", "trace_bytes"]

MAX_BYTES = 128 << 20
"""Larger files are refused unless the caller allows more. Decoded, a real trace takes some ten
times its size, and the worst that a file can be made to take is some eighty times."""


def load_trace(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Trace:
    """Read a trace file.

    Args:
        path: The file.
        max_bytes: Refuse a file with more bytes.

    Returns:
        The document. An unversioned file of early tools is upgraded, with a `TraceNotice`.

    Raises:
        TraceError: The file cannot be read, or is no trace; says where.
    """
    return loads(trace_bytes(path, max_bytes=max_bytes), source=str(path))


def trace_bytes(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a trace file, and leave it as it is; for `loads`, and for who needs the bytes too.

    Raises:
        TraceError: The file cannot be read, or has more bytes.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        problem = f"cannot read the trace: {error.strerror or error}; give the path of a trace file"
        raise TraceError(problem, source=str(path)) from error
    if len(data) > max_bytes:
        raise TraceError(
            f"the file is larger than {max_bytes >> 20} MiB; load it with a larger max_bytes",
            source=str(path),
        )
    return data


def loads(data: bytes, source: str = "<bytes>") -> Trace:
    """Read a trace from bytes.

    Args:
        data: A whole MessagePack document.
        source: The name that errors show.

    Returns:
        The document. An unversioned one of early tools is upgraded, with a `TraceNotice`.

    Raises:
        TraceError: The bytes are no trace; says where.
    """
    try:
        trace = upgrade(_decode(data), source)
        check_trace(trace)
    except TraceError as error:
        raise error.at(source=source) from error.__cause__
    return cast("Trace", trace)


def dumps(trace: Trace) -> bytes:
    """Return a trace as MessagePack; equal documents give equal bytes.

    Raises:
        TraceError: The document is not a valid trace; says where.
    """
    check_trace(trace)
    try:
        return cast("bytes", msgpack.packb(trace))
    except (ValueError, TypeError, OverflowError) as error:
        raise TraceError(f"the trace cannot be written as MessagePack: {error}") from error


def save_trace(trace: Trace, path: str | os.PathLike[str]) -> None:
    """Write a trace file atomically: readers see the old file or the whole new one.

    Raises:
        TraceError: The document is not a valid trace, or the file cannot be written.
    """
    target = Path(path)
    try:
        write_atomically(target, dumps(trace))
    except OSError as error:
        problem = f"cannot write the trace: {error.strerror or error}; choose another path"
        raise TraceError(problem, source=str(path)) from error
    except TraceError as error:
        raise error.at(source=str(path)) from error.__cause__


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under a temporary name beside its place, then move it there."""
    # Not a tempfile, whose permissions are private: a trace gets those of any new file.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


class _RefusedError(Exception):
    """MessagePack that no JSON could be; the place is looked up afterwards."""


def _decode(data: bytes) -> Any:
    # A pass that builds nothing comes first: it proves that every element that a header
    # claims is there, so that decoding cannot be made to reserve memory for one that is not.
    options = {"max_buffer_size": max(len(data), 1), "strict_map_key": False}
    try:
        skipper = msgpack.Unpacker(**options)
        skipper.feed(data)
        skipper.skip()
        whole = skipper.tell() == len(data)
    except (ValueError, msgpack.exceptions.UnpackException):
        whole = False
    if not whole:
        raise _damage(data)
    unpacker = msgpack.Unpacker(object_pairs_hook=_map, ext_hook=_no_extension, **options)
    unpacker.feed(data)
    try:
        return unpacker.unpack()
    except (_RefusedError, TypeError, ValueError, msgpack.exceptions.UnpackException) as error:
        raise _damage(data) from error


def _damage(data: bytes) -> TraceError:
    if data.lstrip()[:1] in (b"{", b"["):
        return TraceError("expected MessagePack, found what looks like JSON")
    if not data:
        return TraceError("the file is empty")
    return locate_damage(data) or TraceError("the MessagePack cannot be decoded")


def _map(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    try:
        result = dict(pairs)
    except TypeError:  # a list as key, as in pod_lifecycles; anything else fails again
        result = {tuple(key) if isinstance(key, list) else key: value for key, value in pairs}
    if len(result) != len(pairs):
        raise _RefusedError("a key stands twice in one map")
    return result


def _no_extension(code: int, _data: bytes) -> Any:
    raise _RefusedError(f"extension type {code}")
