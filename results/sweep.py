"""A sweep's folder, `runs/<id>/`, and the files in it.

    run.json        the id, when it started, what it was asked for, the columns, the versions
    plan.json       what is played, in order: enough to play any row again
    inputs/         the trace files, each named by its SHA-256
    steps/          the steps table: steps/chunk=0/steps.parquet
    episodes/       the episodes table: episodes/chunk=0/episodes.parquet
    summary.json    the sweep in figures; a sweep that has one has ended

A chunk's steps are written before its episodes, each as one whole file: a chunk that has its
episodes is finished, and one that was under way is played and written again. The folder may be
in an object store.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from results.columns import STEP_COLUMNS, Column, check_columns
from results.dataset import read_part
from results.episodes import EPISODE_COLUMNS
from results.errors import ResultsError
from results.latest import point_latest
from results.run import checked_id, column_from, make_folder, new_run_id
from results.store import LocalStore, Store, read_document, store_at, write_document
from results.versions import SCHEMA_VERSION

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Sweep", "TableName", "chunk_of", "part_name"]

TableName = Literal["steps", "episodes"]

_RUN, _PLAN, _SUMMARY, _PARTS = "run.json", "plan.json", "summary.json", "parts.json"


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
    def create(
        cls,
        runs: str | Path = "runs",
        run_id: str | None = None,
        *,
        columns: Iterable[Column] = STEP_COLUMNS,
        episode_columns: Iterable[Column] = EPISODE_COLUMNS,
        parameters: Mapping[str, Any] | None = None,
    ) -> "Sweep":
        """Make a sweep's folder.

        Args:
            runs: The folder of all runs, or its URL.
            run_id: The sweep's id; a new one if not given.
            columns: The columns of its steps.
            episode_columns: The columns of its episodes.
            parameters: What it was asked for, as JSON values; kept in `run.json`.

        Raises:
            ResultsError: The id is taken or is no name for a folder, or nothing can be written.
        """
        name = new_run_id() if run_id is None else checked_id(run_id)
        store = store_at(runs).at(name)
        if store.exists(_RUN):
            raise ResultsError(f"{store.url} exists already; give the sweep another id")
        if isinstance(store, LocalStore):
            make_folder(store.root, exist_ok=True)
        sweep = cls(
            store,
            name,
            datetime.now(UTC).isoformat(timespec="microseconds"),
            check_columns(columns),
            check_columns(episode_columns),
            json.loads(json.dumps(dict(parameters or {}), default=str)),
        )
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
            point_latest(self.path.parent, self.id)

    # ---- the plan and the inputs ----------------------------------------------------------

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Write what is to be played. A sweep whose creation was interrupted has no plan."""
        write_document(self.store, _PLAN, plan)

    def read_plan(self) -> dict[str, Any]:
        """Return what is to be played.

        Raises:
            ResultsError: It is missing or damaged.
        """
        return cast("dict[str, Any]", read_document(self.store, _PLAN))

    def add_input(self, digest: str, data: bytes) -> None:
        """Keep a file that the sweep reads, under its SHA-256."""
        self.store.write(f"inputs/{digest}", lambda file: _fill(file, data))

    def read_input(self, digest: str) -> bytes:
        """Return a file that the sweep reads.

        Raises:
            ResultsError: It is missing.
        """
        with self.store.open(f"inputs/{digest}") as file:
            return cast("bytes", file.read())

    # ---- the data set ---------------------------------------------------------------------

    def write_chunk(self, chunk: int, steps: "pa.Table", episodes: "pa.Table") -> int:
        """Write a chunk: its steps, then its episodes, which finish it.

        Args:
            chunk: The chunk's number, from 0.
            steps: Its steps, ordered by episode and step.
            episodes: Its episodes, in order.

        Returns:
            The size of both files in bytes.

        Raises:
            ResultsError: A file cannot be written.
        """
        return self.write_part("steps", chunk, steps) + self.write_part("episodes", chunk, episodes)

    def write_part(self, table: TableName, chunk: int, rows: "pa.Table") -> int:
        """Write one table of a chunk, and return its size in bytes."""
        import pyarrow as pa  # noqa: PLC0415 # heavy: only who writes or reads Parquet pays
        from pyarrow import parquet  # noqa: PLC0415 # likewise

        buffer = pa.BufferOutputStream()
        parquet.write_table(rows, buffer, compression="zstd")
        data = buffer.getvalue()
        self.store.write(part_name(table, chunk), lambda file: _fill(file, data))
        return int(data.size)

    def finished_chunks(self) -> set[int]:
        """Return the numbers of the chunks that are finished."""
        return {chunk_of(name) for name in self.parts("episodes")}

    def parts(self, table: TableName) -> list[str]:
        """Return the names of a table's files, in the order of their chunks.

        Steps of a chunk that is under way, and files that a compaction has replaced and could
        not delete, are not among them.
        """
        if self.store.exists(_PARTS):
            return list(read_document(self.store, _PARTS)[table])
        files = {name: _parts_in(self.store.list(name)) for name in ("steps", "episodes")}
        finished = {chunk_of(name) for name in files["episodes"]}
        return [name for name in files[table] if chunk_of(name) in finished]

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

    def replace_parts(self, parts: Mapping[TableName, list[str]]) -> None:
        """Let other files be the data set, in one step, and delete those that no longer are."""
        write_document(self.store, _PARTS, dict(parts))
        self.delete_strays()

    def delete_strays(self) -> None:
        """Delete the files that a compaction has replaced."""
        if not self.store.exists(_PARTS):
            return
        kept = read_document(self.store, _PARTS)
        for table in ("steps", "episodes"):
            for name in set(self.store.list(table)) - set(kept[table]):
                self.store.delete(name)

    # ---- the end --------------------------------------------------------------------------

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`, which ends the sweep."""
        head = {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.id,
            "started_at": self.started_at,
            "ended_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        }
        write_document(self.store, _SUMMARY, head | dict(summary))

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


def part_name(table: TableName, chunk: int) -> str:
    """Return the name of a chunk's file."""
    return f"{table}/chunk={chunk}/{table}.parquet"


def chunk_of(name: str) -> int:
    """Return the number of the chunk that a file belongs to."""
    return int(name.split("/")[1].removeprefix("chunk="))


def _parts_in(names: Iterable[str]) -> list[str]:
    return sorted((name for name in names if name.endswith(".parquet")), key=chunk_of)


def _fill(file: IO[bytes], data: Any) -> None:
    file.write(data)
