"""Where a sweep's files lie: a folder on this machine, or an object store.

A path names a folder; a URL such as `s3://bucket/runs` a place that pyarrow or fsspec knows.
Both write whole files only: either the old one is there or the new one.
"""

import json
import mmap
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from results.errors import ResultsError
from results.files import sync_folder, write_atomically

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

__all__ = [
    "LocalStore",
    "RemoteStore",
    "Store",
    "is_url",
    "place_in",
    "read_bytes",
    "read_document",
    "store_at",
    "write_bytes",
    "write_document",
]

Fill = Callable[[IO[bytes]], None]

# Where pyarrow writes an object, it is there when it was closed, as a whole. (Where it does not,
# an object store that only fsspec knows included, it is moved there when it is complete.)
_OBJECTS = {"s3", "gcs", "abfs"}


class Store(Protocol):
    """A tree of files. Names are relative, with slashes."""

    @property
    def url(self) -> str:
        """The path or URL that `store_at` takes."""

    def at(self, name: str) -> "Store":
        """Return the store of a folder in this one."""

    def write(self, name: str, fill: Fill) -> None:
        """Write a file, as a whole or not at all; one that is there is replaced."""

    def open(self, name: str) -> Any:
        """Open a file for reading; the result is a context manager."""

    def exists(self, name: str) -> bool:
        """Say whether there is a file of that name."""

    def list(self, folder: str = "") -> list[str]:
        """Return the names of the files below a folder, sorted; none if there is no folder."""

    def delete(self, name: str) -> None:
        """Delete a file or a folder with all that is in it; it is no error if it is missing."""


def is_url(place: str | Path) -> bool:
    """Say whether a place is a URL, and not a path."""
    return isinstance(place, str) and "://" in place


def store_at(place: str | Path) -> Store:
    """Return the store at a path or URL. Nothing is made or looked at.

    Raises:
        ResultsError: the URL's kind is not known here
    """
    if not is_url(place):
        return LocalStore(Path(place))
    parts = urlsplit(str(place))
    if parts.scheme != "file":
        return RemoteStore(str(place))
    if parts.netloc not in {"", "localhost"}:
        raise ResultsError(f"expected a file:// URL of this machine, found {place}")
    return LocalStore(Path(url2pathname(parts.path)))


def place_in(runs: str | Path, run_id: str) -> str:
    """Return the path or URL of a run in a folder of runs; a URL keeps its parameters.

    Raises:
        ResultsError: a URL that names no place
    """
    if not is_url(runs):
        return str(Path(runs) / run_id)
    place, question, query = str(runs).partition("?")
    if not place.partition("://")[2].strip("/"):
        raise ResultsError(f"expected a URL such as s3://bucket/runs, found {runs}")
    return f"{place.rstrip('/')}/{run_id}{question}{query}"


class LocalStore:
    """A folder on this machine, or one that looks like it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def url(self) -> str:
        """The path."""
        return str(self.root)

    def at(self, name: str) -> "LocalStore":
        """Return the store of a folder in this one."""
        return LocalStore(self.root / name)

    def write(self, name: str, fill: Fill) -> None:
        """Write a file, as a whole or not at all.

        Raises:
            ResultsError: it cannot be written
        """

        def write(path: Path) -> None:
            with path.open("wb") as file:
                fill(file)

        write_atomically(self.root / name, write)

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading.

        Raises:
            ResultsError: there is none, or it cannot be read
        """
        with _told(self.root / name, "read"):
            return (self.root / name).open("rb")

    def exists(self, name: str) -> bool:
        """Say whether there is a file of that name."""
        return (self.root / name).is_file()

    def list(self, folder: str = "") -> "list[str]":
        """Return the names of the files below a folder; files being written are none."""
        paths = (self.root / folder).rglob("*")
        names = [path for path in paths if path.is_file() and not path.name.startswith(".")]
        return sorted(path.relative_to(self.root).as_posix() for path in names)

    def delete_unfinished(self) -> None:
        """Delete the files that somebody began to write, and was killed."""
        for path in self.root.rglob(".*.tmp"):
            with _told(path, "delete"):
                path.unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        """Delete a file or a folder, so that it does not come back after a power cut.

        A folder below the root that is then empty goes, too: in an object store there is none.
        """
        path = self.root / name
        with _told(path, "delete"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            sync_folder(path.parent)
        if path.parent != self.root:
            with suppress(OSError):  # it is not empty
                path.parent.rmdir()


class RemoteStore:
    """An object store, by its URL.

    `s3://`, `gs://` and `hdfs://` are read by pyarrow; their settings are parameters of the URL
    (`s3://bucket/runs?endpoint_override=127.0.0.1:9000&scheme=http`) or in the environment, where
    keys belong. Any other kind is asked of fsspec.
    """

    def __init__(self, url: str) -> None:
        place, _, self._query = url.partition("?")
        self._place = place.rstrip("/")
        self._fs, self._base = _filesystem(f"{self._place}{self._suffix}")

    @property
    def url(self) -> str:
        """The URL."""
        return self._place + self._suffix

    @property
    def _suffix(self) -> str:
        return f"?{self._query}" if self._query else ""

    def at(self, name: str) -> "RemoteStore":
        """Return the store of a folder in this one."""
        return RemoteStore(place_in(self.url, name))

    def write(self, name: str, fill: Fill) -> None:
        """Write an object. It is complete here before the store gets anything of it.

        Raises:
            ResultsError: it cannot be written
        """
        path = self._path(name)
        with TemporaryFile() as whole:
            fill(whole)
            whole.flush()
            data = mmap.mmap(whole.fileno(), 0, access=mmap.ACCESS_READ) if whole.tell() else b""
            with _told(path, "write"):
                if self._fs.type_name in _OBJECTS:
                    self._put(path, data)
                else:
                    self._put_and_move(path, data)

    def _put(self, path: str, data: "bytes | mmap.mmap") -> None:
        """Hand an object over in one call, so that closing it never ends a part of it."""
        with self._fs.open_output_stream(path) as file:
            file.write(data)

    def _put_and_move(self, path: str, data: "bytes | mmap.mmap") -> None:
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/.{name}.{token_hex(4)}.tmp"
        self._fs.create_dir(folder, recursive=True)
        try:
            self._put(temporary, data)
            self._fs.move(temporary, path)
        except BaseException:
            with suppress(OSError):  # what went wrong first is told
                self._fs.delete_file(temporary)
            raise

    def open(self, name: str) -> Any:
        """Open an object for reading.

        Raises:
            ResultsError: there is none, or it cannot be read
        """
        with _told(self._path(name), "read"):
            return self._fs.open_input_file(self._path(name))

    def exists(self, name: str) -> bool:
        """Say whether there is an object of that name."""
        from pyarrow.fs import FileType  # noqa: PLC0415 # heavy: only a URL needs it

        with _told(self._path(name), "look at"):
            return bool(self._fs.get_file_info(self._path(name)).type == FileType.File)

    def list(self, folder: str = "") -> "list[str]":
        """Return the names of the objects below a folder; those being written are none."""
        from pyarrow.fs import FileSelector, FileType  # noqa: PLC0415 # heavy: likewise

        path = self._path(folder).rstrip("/")
        selector = FileSelector(path, recursive=True, allow_not_found=True)
        with _told(path, "list"):
            found = self._fs.get_file_info(selector)
        files = [
            info.path.lstrip("/")
            for info in found
            if info.type == FileType.File and not info.base_name.startswith(".")
        ]
        return sorted(path.removeprefix(f"{self._base.strip('/')}/") for path in files)

    def delete(self, name: str) -> None:
        """Delete an object, or all those below a folder."""
        from pyarrow.fs import FileType  # noqa: PLC0415 # heavy: likewise

        path = self._path(name)
        with _told(path, "delete"):
            kind = self._fs.get_file_info(path).type
            if kind == FileType.File:
                self._fs.delete_file(path)
            elif kind == FileType.Directory:
                self._fs.delete_dir(path)

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}" if name else self._base


def read_document(store: Store, name: str) -> Any:
    """Read a JSON document.

    Raises:
        ResultsError: it is missing or damaged
    """
    try:
        return json.loads(read_bytes(store, name))
    except ValueError as error:
        raise ResultsError(f"{store.url}/{name} is damaged: expected JSON, {error}") from error


def read_bytes(store: Store, name: str) -> bytes:
    """Read a whole file.

    Raises:
        ResultsError: it is missing, or cannot be read
    """
    with store.open(name) as file, _told(f"{store.url}/{name}", "read"):
        return cast("bytes", file.read())


def write_document(store: Store, name: str, document: Any) -> None:
    """Write a JSON document, indented for people.

    Raises:
        ResultsError: it cannot be written
    """
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(store, name, text.encode())


def write_bytes(store: Store, name: str, data: Any) -> None:
    """Write a whole file of some bytes, or of what has a buffer of them.

    Raises:
        ResultsError: it cannot be written
    """

    def fill(file: IO[bytes]) -> None:
        file.write(data)

    store.write(name, fill)


def _filesystem(url: str) -> "tuple[FileSystem, str]":
    import fsspec  # noqa: PLC0415 # only a URL needs it
    import pyarrow as pa  # noqa: PLC0415 # heavy: likewise
    from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem  # noqa: PLC0415 # likewise

    try:
        return cast("tuple[FileSystem, str]", FileSystem.from_uri(url))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as unknown:
        try:
            other, base = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError, OSError) as error:
            raise ResultsError(
                f"expected a path or the URL of a store, such as s3://bucket/runs, found {url}: "
                f"{unknown}; {error}"
            ) from error
        return PyFileSystem(FSSpecHandler(other)), base
    except OSError as error:
        raise ResultsError(f"cannot reach {url}: {error}") from error


@contextmanager
def _told(path: Path | str, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResultsError(f"cannot {what} {path}: {error.strerror or error}") from error
