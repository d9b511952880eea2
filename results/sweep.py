"""A sweep's folder, `runs/<id>/`, and the files in it.

    run.json        the id, when it started, what it was asked for, the columns, the versions
    plan.json       what is played, in order: enough to play any row again
    inputs/         the trace files, each named by its SHA-256
    steps/          the steps table: steps/chunk=0/steps.parquet
    episodes/       the episodes table: episodes/chunk=0/episodes.parquet
    summary.json    the sweep in figures; one that has it, and all of its chunks, has ended

A chunk's steps are written before its episodes, each as one whole file: a chunk that has both
is finished, and one that was under way is played and written again. `results.parts` says what
else there may be. The folder may be in an object store.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from results.columns import STEP_COLUMNS, Column, check_columns
from results.dataset import read_part
from results.episodes import EPISODE_COLUMNS
from results.errors import ResultsError
from results.latest import point_latest
from results.parts import (
    PLAN,
    TABLES,
    TableName,
    chunks_of,
    is_part,
    missing_chunks,
    part_name,
    parts_in,
)
from results.run import ROOM_FOR_EPISODES, checked_id, column_from, make_folder, new_run_id
from results.store import (
    LocalStore,
    Store,
    read_bytes,
    read_document,
    store_at,
    write_bytes,
    write_document,
)
from results.versions import SCHEMA_VERSION

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Sweep"]

_RUN, _SUMMARY = "run.json", "summary.json"
_INPUT = re.compile(r"inputs/[0-9a-f]{64}\.(sktrace|nodes\.yaml)")


@dataclass(frozen=True, slots=True)
class Sweep:
    """One sweep's folder. It holds no open file and may be opened anew anywhere."""

    store: Store
    id: str
    started_at: str
    columns: tuple[Column, ...]
    episode_columns: tuple[Column, ...]
    parameters: dict[str, Any]

    @classmethod
    def create(  # noqa: PLR0913 # each by its name
        cls,
        runs: str | Path = "runs",
        run_id: str | None = None,
        *,
        columns: Iterable[Column] = STEP_COLUMNS,
        episode_columns: Iterable[Column] = EPISODE_COLUMNS,
        parameters: Mapping[str, Any] | None = None,
        plan: Mapping[str, Any] | None = None,
        inputs: Mapping[str, bytes] | None = None,
    ) -> "Sweep":
        """Make a sweep's folder.

        It is a sweep once all of it is there: one whose creation was interrupted is made again.

        Args:
            runs: The folder of all runs, or its URL.
            run_id: The sweep's id; a new one if not given.
            columns: The columns of its steps.
            episode_columns: The columns of its episodes.
            parameters: What it was asked for, as JSON values; kept in `run.json`.
            plan: What is to be played.
            inputs: The files that it reads, by the names of `add_input`.

        Raises:
            ResultsError: The id is taken or is no name for a folder, somebody else's files are
                where the sweep's would be, or nothing can be written.
        """
        name = new_run_id() if run_id is None else checked_id(run_id, ROOM_FOR_EPISODES)
        store = store_at(runs).at(name)
        if store.exists(_RUN) or store.list("steps") or store.list("episodes"):
            raise ResultsError(f"{store.url} exists already; give the sweep another id")
        left = _left_inputs(store)
        _require_own_plan(store)
        if isinstance(store, LocalStore):
            make_folder(store.root, exist_ok=True)
        for one in left:
            store.delete(one)
        sweep = cls(
            store,
            name,
            datetime.now(UTC).isoformat(timespec="microseconds"),
            check_columns(columns),
            check_columns(episode_columns),
            json.loads(json.dumps(dict(parameters or {}), default=str)),
        )
        for digest, data in (inputs or {}).items():
            sweep.add_input(digest, data)
        if plan is not None:
            sweep.write_plan(plan)
        write_document(store, _RUN, sweep._document())
        return sweep

    @classmethod
    def open(cls, place: str | Path) -> "Sweep":
        """Open a sweep by its folder or URL.

        Raises:
            ResultsError: There is none, or its `run.json` is damaged.
        """
        store = store_at(place)
        if isinstance(store, LocalStore):
            store = LocalStore(store.root.resolve() if store.root.is_symlink() else store.root)
        if not store.exists(_RUN):
            if store.list("inputs") or store.exists(PLAN):
                raise ResultsError(
                    f"{place} has no {_RUN}: its creation was interrupted; nothing of it was "
                    "played, so make it again, under the same id or another"
                )
            raise ResultsError(f"{place} is no run: expected a folder with a {_RUN} in it")
        document = read_document(store, _RUN)
        if not isinstance(document, dict) or document.get("kind") != "sweep":
            raise ResultsError(f"{place} is no sweep, but a run of one episode")
        try:
            return cls(
                store,
                document["run_id"],
                document["started_at"],
                tuple(column_from(entry) for entry in document["columns"]),
                tuple(column_from(entry) for entry in document["episode_columns"]),
                document["parameters"],
            )
        except (KeyError, TypeError) as error:
            raise ResultsError(
                f"{place}/{_RUN} is damaged: expected run_id, started_at, columns, "
                "episode_columns and parameters"
            ) from error

    @property
    def path(self) -> Path | None:
        """The folder, if it is on this machine."""
        return self.store.root if isinstance(self.store, LocalStore) else None

    def point_latest(self) -> None:
        """Let `runs/latest` point to this sweep; an object store has no such name."""
        if self.path is not None:
            point_latest(self.path.parent, self.path.name)  # a copy has the id of the original

    def record(self, name: str, value: Any) -> None:
        """Keep a further parameter in `run.json`, as JSON values.

        Raises:
            ResultsError: It cannot be written.
        """
        known = {**self._document(), "parameters": {**self.parameters, name: value}}
        write_document(self.store, _RUN, known)

    # ---- the plan and the inputs ----------------------------------------------------------

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Write what is to be played."""
        write_document(self.store, PLAN, plan)

    def read_plan(self) -> dict[str, Any]:
        """Return what is to be played.

        Raises:
            ResultsError: It is missing or damaged.
        """
        return cast("dict[str, Any]", read_document(self.store, PLAN))

    def add_input(self, digest: str, data: bytes) -> None:
        """Keep a file that the sweep reads, under its SHA-256."""
        write_bytes(self.store, f"inputs/{digest}", data)

    def read_input(self, digest: str) -> bytes:
        """Return a file that the sweep reads.

        Raises:
            ResultsError: It is missing.
        """
        return read_bytes(self.store, f"inputs/{digest}")

    # ---- the data set ---------------------------------------------------------------------

    def write_chunk(
        self,
        chunk: int,
        steps: "pa.Table",
        episodes: "pa.Table",
        check: Callable[[], None] = lambda: None,
    ) -> int:
        """Write a chunk: its steps, then its episodes, which finish it.

        One that is there is unfinished meanwhile. Where two processes play a chunk, because one of
        them was given up too early, the one whose steps are there finishes it: so steps of one
        play do not stand beside episodes of another.

        Args:
            chunk: The chunk's number, from 0.
            steps: Its steps, ordered by episode and step.
            episodes: Its episodes, in order.
            check: Called right before each file is written or deleted; if it raises, it is not.

        Returns:
            The size of both files in bytes.

        Raises:
            ResultsError: A file cannot be written, or another process writes the chunk as well.
        """
        import pyarrow as pa  # noqa: PLC0415 # heavy: only who writes or reads Parquet pays

        before = part_name("episodes", chunk)
        if self.store.exists(before):
            check()
            self.store.delete(before)
        own = self.write_part("steps", chunk, steps, check)

        def still_own() -> None:
            check()
            if own != pa.py_buffer(read_bytes(self.store, part_name("steps", chunk))):
                raise ResultsError(
                    f"{self.store.url}: another process plays chunk {chunk} too, and has written "
                    "its steps: it finishes the chunk"
                )

        return int(own.size + self.write_part("episodes", chunk, episodes, still_own).size)

    def write_part(
        self,
        table: TableName,
        chunk: int,
        rows: "pa.Table",
        check: Callable[[], None] = lambda: None,
    ) -> "pa.Buffer":
        """Write one table of a chunk, and return what is in its file."""
        import pyarrow as pa  # noqa: PLC0415 # heavy: only who writes or reads Parquet pays
        from pyarrow import parquet  # noqa: PLC0415 # likewise

        buffer = pa.BufferOutputStream()
        parquet.write_table(rows, buffer, compression="zstd")
        data = buffer.getvalue()
        check()
        write_bytes(self.store, part_name(table, chunk), data)
        return data

    def finished_chunks(self) -> set[int]:
        """Return the numbers of the chunks that are finished: both of their tables are there."""
        return {chunk for part in parts_in(self.store) for chunk in part}

    def missing_chunks(self) -> list[int]:
        """Return the numbers of the chunks that are not finished, in order.

        Of a sweep without a plan it is not known what is missing: none.
        """
        return missing_chunks(self.store)

    def parts(self, table: TableName) -> list[str]:
        """Return the names of a table's files, in the order of their chunks.

        Files of a chunk that is under way, and those that have been joined and could not be
        deleted, are not among them.
        """
        return [part_name(table, part.start, part.stop - 1) for part in parts_in(self.store)]

    def read(
        self, table: TableName, names: Iterable[str] | None = None, where: Any = None
    ) -> Iterator["pa.Table"]:
        """Yield a table's files one after another, as tables of this schema version.

        Args:
            table: `steps` or `episodes`.
            names: The columns that are wanted; all if not given.
            where: A filter, as an expression of `pyarrow.compute`.

        Raises:
            ResultsError: A file is missing or damaged, or has no such column.
        """
        wanted = None if names is None else list(names)
        for name in self.parts(table):
            yield self.read_part(name, wanted, where)

    def read_part(
        self, name: str, names: Sequence[str] | None = None, where: Any = None
    ) -> "pa.Table":
        """Return one file of the data set, by its name; the rest is as for `read`."""
        with self.store.open(name) as file:
            return read_part(file, f"{self.store.url}/{name}", names, where)

    def damaged(self) -> Iterator[str]:
        """Yield the names of the data set's files that cannot be read.

        Such a file is cut off, or none of ours; what was changed within it may not show.
        """
        for table in TABLES:
            for name in self.parts(table):
                try:
                    self.read_part(name, ("episode",))
                except ResultsError:
                    yield name

    def give_up_chunks(
        self, chunks: Iterable[int], check: Callable[[], None] = lambda: None
    ) -> None:
        """Let finished chunks be missing again, to be played anew; the sweep has not ended then.

        What they were joined with is missing, too.

        Args:
            chunks: Their numbers.
            check: Called right before each file is deleted; if it raises, it is not.

        Raises:
            ResultsError: Files cannot be deleted.
        """
        given_up = set(chunks)
        names = [name for name in self.parts("episodes") if given_up & set(chunks_of(name))]
        if not names:
            return
        self.reopen(check)
        self.delete_strays(check)  # those that were joined, and are there still, would count again
        for name in names:
            check()
            self.store.delete(name)

    def delete_strays(self, check: Callable[[], None] = lambda: None) -> None:
        """Delete files of chunks that are not finished, or were joined into others.

        Who holds the sweep's lock may do it. What others have put there stays. Before each of them
        `check` is called; if it raises, that one stays.
        """
        for table in TABLES:
            for name in set(filter(is_part, self.store.list(table))) - set(self.parts(table)):
                check()
                self.store.delete(name)
        if isinstance(self.store, LocalStore):
            self.store.delete_unfinished()

    # ---- the end --------------------------------------------------------------------------

    def write_summary(
        self, summary: Mapping[str, Any], check: Callable[[], None] = lambda: None
    ) -> None:
        """Write `summary.json`, which ends the sweep, unless `check` raises right before."""
        head = {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.id,
            "started_at": self.started_at,
            "ended_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        }
        check()
        write_document(self.store, _SUMMARY, head | dict(summary))

    def reopen(self, check: Callable[[], None] = lambda: None) -> None:
        """Delete `summary.json`, unless `check` raises: the sweep has not ended any more."""
        check()
        self.store.delete(_SUMMARY)

    def read_summary(self) -> dict[str, Any] | None:
        """Return `summary.json`, or None as long as the sweep has not ended.

        Raises:
            ResultsError: The file is damaged.
        """
        if not self.store.exists(_SUMMARY):
            return None
        return cast("dict[str, Any]", read_document(self.store, _SUMMARY))

    def _document(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "sweep",
            "run_id": self.id,
            "started_at": self.started_at,
            "parameters": self.parameters,
            "columns": [asdict(column) for column in self.columns],
            "episode_columns": [asdict(column) for column in self.episode_columns],
        }


def _require_own_plan(store: Store) -> None:
    """Let a plan be replaced that an interrupted creation has left behind, and nothing else.

    Raises:
        ResultsError: somebody else's file has its name
    """
    if not store.exists(PLAN):
        return
    document = read_document(store, PLAN)
    if not isinstance(document, dict) or "chunks" not in document:
        raise ResultsError(
            f"expected a sweep's plan or nothing at {store.url}/{PLAN}, found another file, which "
            "would be lost; give the sweep another id"
        )


def _left_inputs(store: Store) -> list[str]:
    """Return the inputs that an interrupted creation has left behind.

    Raises:
        ResultsError: there are other files among them, which no sweep has written
    """
    names = store.list("inputs")
    for name in names:
        if not _INPUT.fullmatch(name):
            raise ResultsError(
                f"expected nothing but a sweep's inputs in {store.url}/inputs, found "
                f"{name.removeprefix('inputs/')}, which is none; give the sweep another id"
            )
    return names
