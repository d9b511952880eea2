"""Stores write whole files or none, whatever they are."""

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from results import ResultsError, Store, store_at
from results.files import write_json
from results.store import LocalStore, place_in, read_bytes
from tests import kills

if TYPE_CHECKING:
    from collections.abc import Callable


class PlainFileSystem(LocalFileSystem):  # type: ignore[misc] # fsspec has no types
    """What fsspec knows and pyarrow does not."""

    protocol = "plain"


fsspec.register_implementation("plain", PlainFileSystem, clobber=True)

LARGE = os.urandom(12 << 20)  # more than a part of an upload


def put(store: Store, data: bytes) -> None:
    def fill(file: IO[bytes]) -> None:
        file.write(data)

    store.write("a/b", fill)


@pytest.fixture(params=["folder", "file", "memory", "local", "plain", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind; `local` is a folder as pyarrow has it and `plain` one as fsspec has it."""
    places: dict[str, Callable[[], str]] = {
        "folder": lambda: str(tmp_path / "runs"),
        "file": (tmp_path / "my runs").as_uri,
        "memory": lambda: f"memory://{uuid4().hex}/runs",
        "local": lambda: f"local://{tmp_path}/runs",
        "plain": lambda: f"plain://{tmp_path}/runs",
        "s3": lambda: place_in(request.getfixturevalue("s3"), uuid4().hex),
    }
    return store_at(places[request.param]())


def test_what_is_written_is_there_as_a_whole(store: Store) -> None:
    for data in (b"old", b"", b"new", LARGE):
        put(store, data)
        assert read_bytes(store, "a/b") == data
    assert store.list() == ["a/b"]
    assert store.at("a").list() == ["b"]
    store.delete("a")
    assert store.list() == []


def test_what_fails_halfway_leaves_what_was_there(store: Store) -> None:
    put(store, b"old")

    def fail(file: IO[bytes]) -> None:
        file.write(LARGE)
        raise RuntimeError("halfway")

    for name in ("a/b", "a/c"):
        with pytest.raises(RuntimeError, match="halfway"):
            store.write(name, fail)
    assert store.list() == ["a/b"]
    assert read_bytes(store, "a/b") == b"old"


class FullFileSystem(LocalFileSystem):  # type: ignore[misc] # fsspec has no types
    """A disk that is full after a megabyte."""

    protocol = "full"

    def _open(self, path: str, mode: str = "rb", **given: Any) -> Any:
        file = super()._open(path, mode, **given)
        if "w" in mode:
            write = file.f.write

            def some(data: Any) -> int:
                write(bytes(data)[: 1 << 20])
                file.f.flush()
                raise OSError(28, "No space left on device")

            file.write = some
        return file


def test_a_store_that_fails_halfway_keeps_what_was_there(tmp_path: Path) -> None:
    fsspec.register_implementation("full", FullFileSystem, clobber=True)
    put(store_at(tmp_path), b"old")
    with pytest.raises(ResultsError, match="cannot write"):
        put(store_at(f"full://{tmp_path}"), LARGE)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b"]
    assert (tmp_path / "a" / "b").read_bytes() == b"old"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_writer_that_is_killed_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    for place in (str(tmp_path / "x"), f"plain://{tmp_path}/x", f"file://{tmp_path}/x"):
        put(store_at(tmp_path / "x"), b"old")
        times = 0
        while killed(place, times + 1):
            times += 1
            assert (tmp_path / "x" / "a" / "b").read_bytes() in {b"old", LARGE}
            assert store_at(place).list() == ["a/b"]
        assert times > 1
        assert (tmp_path / "x" / "a" / "b").read_bytes() == LARGE


def killed(place: str, after: int) -> bool:
    """Write in a process that is killed before the so manyeth change below the place."""
    events = ("open", "os.rename", "os.mkdir", "os.remove", "shutil.move")
    return kills.killed(lambda: put(store_at(place), LARGE), after, "/x", events)


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    found = store_at((tmp_path / "a b").as_uri())
    assert isinstance(found, LocalStore)
    assert found.root == tmp_path / "a b"
    with pytest.raises(ResultsError, match="of this machine"):
        store_at("file://elsewhere/runs")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files and folders that were synced, in order."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("asks /proc what was synced")
    found: list[str] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        found.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return found


def test_every_new_folder_survives_a_power_cut(tmp_path: Path, synced: list[str]) -> None:
    write_json(tmp_path / "a" / "b" / "c" / "d.json", {})
    folders = [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    assert synced[:3] == [str(folder) for folder in folders]
    assert synced[-1] == str(tmp_path / "a" / "b" / "c")
    assert len(synced) == 5


def test_what_was_deleted_stays_so_after_a_power_cut(tmp_path: Path, synced: list[str]) -> None:
    store = store_at(tmp_path)
    put(store, b"old")
    synced.clear()
    store.delete("a/b")
    store.delete("a")
    assert synced == [str(tmp_path / "a"), str(tmp_path)]
