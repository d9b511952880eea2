"""A sweep's folder: made once, opened again anywhere, written by one at a time."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from secrets import token_hex
from tempfile import gettempdir
from threading import Event, Thread
from typing import Any

from results import ResultsError, Sweep
from results.store import LocalStore, read_document, write_document
from sim_arena.errors import PermanentError
from sim_arena.locks import locked
from sim_arena.records import COLUMNS, EPISODE_COLUMNS
from sim_arena.sweeps.asked import SweepSpec
from sim_arena.sweeps.cases import digest_of, found
from sim_arena.sweeps.plan import Plan

__all__ = ["create", "input_file", "opened", "plan_of", "writing"]

_PACKAGES = ("sim-arena", "numpy", "numba", "pyarrow", "prefect")
_WRITER = "writer.json"
_BEAT = 20.0  # seconds between two signs of life in an object store
_DEAD = timedelta(seconds=120)  # after which a writer without one counts as gone


def plan_of(asked: SweepSpec) -> tuple[Plan, dict[str, bytes]]:
    """Return what a sweep will play, with the files that it reads by their names in `inputs/`.

    Raises:
        TraceError, SimArenaError: a trace or its workload cannot be found, or there is nothing
    """
    cases, files = [], {}
    for case, data in found(asked):
        cases.append(case)
        files[f"{case.sha256}.sktrace"] = data
    for nodes in {*asked.nodes, *(case.nodes for case in cases)}:
        manifests = _manifests(nodes)
        if manifests is not None:
            files[f"{digest_of(nodes.encode())}.nodes.yaml"] = manifests
    return Plan.of(asked, cases), files


def create(
    asked: SweepSpec, runs: str | Path = "runs", run_id: str | None = None
) -> tuple[Sweep, Plan]:
    """Plan a sweep and make its folder, with all that is needed to play any of its rows again.

    Args:
        asked: what to play
        runs: the folder of all runs, or its URL
        run_id: the sweep's id; a new one if None

    Raises:
        TraceError, SimArenaError: as for `plan_of`
        ResultsError: the folder cannot be made
    """
    plan, files = plan_of(asked)
    parameters = {"asked": asked.model_dump(mode="json"), "made_with": made_with()}
    sweep = Sweep.create(
        runs, run_id, columns=COLUMNS, episode_columns=EPISODE_COLUMNS, parameters=parameters
    )
    for name, data in files.items():
        sweep.add_input(name, data)
    sweep.write_plan(plan.document())
    return sweep, plan


def opened(place: str | Path) -> tuple[Sweep, Plan]:
    """Open a sweep and its plan.

    Raises:
        ResultsError: there is no such sweep, or its creation was interrupted
    """
    sweep = Sweep.open(place)
    try:
        document = sweep.read_plan()
    except ResultsError as error:
        raise ResultsError(f"{error}; its creation was interrupted: delete it, start anew") from (
            error
        )
    return sweep, Plan.from_document(document)


def input_file(sweep: Sweep, name: str) -> str:
    """Return a local path of a file that the sweep reads; fetched once a machine if need be."""
    if isinstance(sweep.store, LocalStore):
        return str(sweep.store.root / "inputs" / name)
    path = Path(gettempdir()) / f"sim-arena-{os.getuid()}" / sweep.id / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_name(f"{name}.{token_hex(4)}")
        part.write_bytes(sweep.read_input(name))
        part.replace(path)
    return str(path)


@contextmanager
def writing(sweep: Sweep) -> Iterator[None]:
    """Be the only one who writes a sweep for as long as the block runs.

    Raises:
        PermanentError: somebody else does
    """
    if isinstance(sweep.store, LocalStore):
        with locked(sweep.store.root):
            yield
        return
    with _signing(sweep):
        yield


def made_with() -> dict[str, Any]:
    """Return the versions that decide what a sweep's episodes give."""
    versions: dict[str, Any] = {"python": sys.version.split()[0]}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions | {"git": _revision()}


def _revision() -> str | None:
    """Return the commit of the checkout that this runs from, `-dirty` if it was edited."""
    here = str(Path(__file__).parent)
    command = ["git", "-C", here, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 # no input of others
    except (OSError, subprocess.SubprocessError):  # installed from a wheel, or without git
        return None
    return done.stdout.strip() or None


def _manifests(nodes: str) -> bytes | None:
    """Return the manifests that nodes are given by, as one document; None for a short form."""
    path = Path(nodes)
    if path.is_file():
        return path.read_bytes()
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml"})
        return b"\n---\n".join(file.read_bytes() for file in files)
    return None


@contextmanager
def _signing(sweep: Sweep) -> Iterator[None]:
    """Hold an object store's sweep by a file with signs of life.

    Two who begin in the same second may both get it: object stores have no locks. They would
    write equal files, so that nothing is lost or doubled.
    """
    if sweep.store.exists(_WRITER):
        other = read_document(sweep.store, _WRITER)
        if datetime.now(UTC) - datetime.fromisoformat(other["at"]) < _DEAD:
            raise PermanentError(
                f"{sweep.store.url} is being written by process {other['pid']} on "
                f"{other['host']}: wait for it; if it is gone, two minutes after its end"
            )
    me = {"host": socket.gethostname(), "pid": os.getpid(), "token": token_hex(8)}
    ended = Event()

    def sign() -> None:
        write_document(sweep.store, _WRITER, {**me, "at": datetime.now(UTC).isoformat()})

    def keep_signing() -> None:
        while not ended.wait(_BEAT):
            sign()

    sign()
    thread = Thread(target=keep_signing, name="sweep-writer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        sweep.store.delete(_WRITER)
