"""A run's folder, `runs/<id>/`, and the files in it.

    run.json        the id, when it started, what it was asked for, the columns
    step.jsonl      one line a step, on the disk before the next step starts
    steps/          the Parquet data set, one file a chunk: steps/chunk=0/steps.parquet
    summary.json    the run in figures; a run that has one has ended

Two runs share no file. `runs/latest` names the run that was started last.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Literal, cast

from results.columns import STEP_COLUMNS, Column, Row, check_columns, check_row
from results.dataset import read_rows, read_table, write_chunk
from results.errors import ResultsError
from results.files import make_folders, read_json, sync_folder, write_json
from results.journal import append_line, iter_lines
from results.latest import LATEST, point_latest, read_latest
from results.parts import missing_chunks, told_missing
from results.store import LocalStore
from results.summary import Summary, summarise
from results.versions import SCHEMA_VERSION

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "ROOM_FOR_EPISODES",
    "Run",
    "RunInfo",
    "checked_id",
    "column_from",
    "find_run",
    "list_runs",
    "make_folder",
    "new_run_id",
    "read_steps",
]

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_ID = 128  # characters
ROOM_FOR_EPISODES = 28
"""Characters that the ids of a sweep's episodes, and of their replays, have more than its own."""


def new_run_id(now: datetime | None = None) -> str:
    """Return an id that no other run has and that sorts by time: `20260131-235959-123456-1f2e3d`.

    Args:
        now: The moment; the present if not given.
    """
    moment = datetime.now(UTC) if now is None else now.astimezone(UTC)
    return f"{moment:%Y%m%d-%H%M%S-%f}-{token_hex(3)}"


@dataclass(frozen=True, slots=True)
class Run:
    """One run's folder. It holds no open file and may be opened anew for every step."""

    path: Path
    started_at: str
    columns: tuple[Column, ...]
    parameters: dict[str, Any]
    kind: str = "episode"  # or "sweep": then results.Sweep knows more of it

    @property
    def id(self) -> str:
        """The run's id, which is its folder's name."""
        return self.path.name

    @property
    def steps_path(self) -> Path:
        """The folder of the Parquet data set."""
        return self.path / "steps"

    @property
    def journal_path(self) -> Path:
        """The file with one line a step."""
        return self.path / "step.jsonl"

    @property
    def summary_path(self) -> Path:
        """The file with the figures."""
        return self.path / "summary.json"

    @classmethod
    def create(
        cls,
        runs_dir: str | Path = "runs",
        run_id: str | None = None,
        *,
        columns: Iterable[Column] = STEP_COLUMNS,
        parameters: Mapping[str, Any] | None = None,
        exist_ok: bool = False,
    ) -> "Run":
        """Make a run's folder and let `runs/latest` point to it.

        Args:
            runs_dir: The folder of all runs; made if it is missing.
            run_id: The run's id; a new one if not given.
            columns: The columns of its rows.
            parameters: What the run was asked for, as JSON values; kept in `run.json`.
            exist_ok: Open a run of that id if there is one, as a retry does.

        Raises:
            ResultsError: The id is taken or is no name for a folder, or nothing can be written.
        """
        path = Path(runs_dir) / (new_run_id() if run_id is None else checked_id(run_id))
        if exist_ok and (path / "run.json").exists():
            run = cls.open(path)
        else:
            run = cls(
                path,
                datetime.now(UTC).isoformat(timespec="microseconds"),
                check_columns(columns),
                json.loads(json.dumps(dict(parameters or {}), default=str)),
            )
            make_folder(path, exist_ok=exist_ok)
            write_json(path / "run.json", run._document())
        point_latest(path.parent, run.id)
        return run

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open a run by its folder.

        Raises:
            ResultsError: There is no such run, or its `run.json` is damaged.
        """
        folder = Path(path)
        if not (folder / "run.json").is_file():
            raise ResultsError(f"{folder} is not a run: expected a folder with a run.json in it")
        document = read_json(folder / "run.json")
        try:
            columns = tuple(column_from(entry) for entry in document["columns"])
            return cls(
                folder,
                document["started_at"],
                columns,
                cast("dict[str, Any]", document["parameters"]),
                document.get("kind", "episode"),
            )
        except (KeyError, TypeError) as error:
            raise ResultsError(
                f"{folder / 'run.json'} is damaged: expected started_at, parameters and columns"
            ) from error

    def append_step(self, row: Mapping[str, object]) -> None:
        """Append a step to `step.jsonl`, and return once it is on the disk.

        Args:
            row: The step. `schema_version` and `run_id` are filled in; missing columns are null.

        Raises:
            ResultsError: The row does not fit the columns, or the file cannot be written.
        """
        append_line(self.journal_path, self._row(row))

    def write_parquet(
        self, rows: Iterable[Mapping[str, object]] | None = None, *, chunk: int = 0
    ) -> Path:
        """Write a chunk of the Parquet data set, as one whole file.

        Writing a chunk again replaces it, so a chunk that was under way can be played anew.

        Args:
            rows: The chunk's steps; those of `step.jsonl` if not given.
            chunk: The chunk's number, from 0.

        Returns:
            The file's path.

        Raises:
            ResultsError: A row does not fit the columns, or a file cannot be read or written.
        """
        steps = iter_lines(self.journal_path) if rows is None else map(self._row, rows)
        return write_chunk(self.steps_path, chunk, steps, self.columns)

    def write_summary(self, summary: Summary | None = None) -> Summary:
        """Write `summary.json`, which ends the run.

        Args:
            summary: The figures; computed from the recorded steps if not given.

        Returns:
            The figures.

        Raises:
            ResultsError: The steps cannot be read, or the file cannot be written.
        """
        figures = summarise(self.read_steps()) if summary is None else summary
        head = {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.id,
            "started_at": self.started_at,
            "ended_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        }
        write_json(self.summary_path, head | dict(figures))
        return figures

    def read_summary(self) -> dict[str, Any] | None:
        """Return `summary.json`, or None as long as the run has not ended.

        Raises:
            ResultsError: The file is damaged.
        """
        if not self.summary_path.exists():
            return None
        document = read_json(self.summary_path)
        if not isinstance(document, dict):
            raise ResultsError(f"{self.summary_path} is damaged: expected an object")
        return document

    def read_steps(self) -> list[Row]:
        """Return the recorded steps: of an episode that `step.jsonl` has, those there.

        The journal is never older than the Parquet: a run that was resumed has rows that the
        Parquet of its interruption has not.

        Raises:
            ResultsError: A file is damaged. A torn last line is none: it gets a `ResultsNotice`.
        """
        journal = list(iter_lines(self.journal_path))
        episodes = {row.get("episode") for row in journal}
        chunks = (row for path in self.parquet_files() for row in read_rows(path))
        return [row for row in chunks if row.get("episode") not in episodes] + journal

    def read_table(self) -> "pa.Table":
        """Return the Parquet data set as one pyarrow table of this schema version.

        Raises:
            ResultsError: There is no Parquet yet, or a file is damaged.
        """
        files = self.parquet_files()
        if not files:
            raise ResultsError(
                f"{self.steps_path} has no Parquet files yet; read_steps reads {self.journal_path}"
            )
        return read_table(files)

    def parquet_files(self) -> list[Path]:
        """Return the files of the data set, in the order of their chunks."""
        files = self.steps_path.glob("chunk=*/*.parquet")
        return sorted(files, key=lambda path: (_chunk_number(path), path.name))

    def _row(self, row: Mapping[str, object]) -> Row:
        return check_row({**row, "schema_version": SCHEMA_VERSION, "run_id": self.id}, self.columns)

    def _document(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.id,
            "started_at": self.started_at,
            "parameters": self.parameters,
            "columns": [asdict(column) for column in self.columns],
        }


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a list of runs shows of one.

    `state` is "ended", "unfinished" (under way, or stopped before its summary) or "damaged",
    and then `problem` says what is wrong.
    """

    id: str
    path: Path
    state: Literal["ended", "unfinished", "damaged"]
    started_at: str | None = None
    parameters: Mapping[str, Any] | None = None
    summary: Mapping[str, Any] | None = None
    problem: str | None = None
    kind: str = "episode"


def list_runs(runs_dir: str | Path = "runs") -> list[RunInfo]:
    """Return the runs of a folder, the oldest first. A damaged one is listed as such.

    Raises:
        ResultsError: There is no such folder.
    """
    folder = Path(runs_dir)
    if not folder.is_dir():
        raise ResultsError(
            f"there is no folder {folder}; expected the folder of the runs: "
            "play an episode, or name another folder"
        )
    paths = [path.parent for path in folder.glob("[!.]*/run.json") if path.parent.name != LATEST]
    infos = [run_info(path) for path in paths]
    return sorted(infos, key=lambda info: (info.started_at or info.id, info.id))


def find_run(runs_dir: str | Path = "runs", name: str = LATEST) -> Run:
    """Open a run by its id, the start of its id, its folder's path, or `latest`.

    Raises:
        ResultsError: No run, or more than one, is called that.
    """
    folder = Path(runs_dir)
    if name == LATEST:
        return Run.open(folder / read_latest(folder))
    if (folder / name / "run.json").is_file():
        return Run.open(folder / name)
    if (Path(name) / "run.json").is_file():
        return Run.open(name)
    ids = [info.id for info in list_runs(folder)]
    found = [run_id for run_id in ids if run_id.startswith(name)]
    if len(found) == 1:
        return Run.open(folder / found[0])
    if found:
        raise ResultsError(
            f"{len(found)} runs start with {name!r}: {_some(found)}; give more of it"
        )
    raise ResultsError(f"there is no run {name!r} in {folder}; there are: {_some(ids)}")


def read_steps(run: Run | str | Path) -> list[Row]:
    """Return the steps of a run, or of every run in a folder of runs.

    Args:
        run: A run, a run's folder, or the folder of the runs.

    Raises:
        ResultsError: There is no such run or folder, or a file is damaged.
    """
    if isinstance(run, Run):
        return run.read_steps()
    if (Path(run) / "run.json").exists():
        return Run.open(run).read_steps()
    return [row for info in list_runs(run) for row in Run.open(info.path).read_steps()]


def run_info(path: Path) -> RunInfo:
    """Return what a list shows of the run in a folder."""
    try:
        run = Run.open(path)
        summary = run.read_summary()
        missing = [] if summary is None else missing_chunks(LocalStore(path))
    except ResultsError as error:
        return RunInfo(path.name, path, "damaged", problem=str(error))
    state: Literal["ended", "unfinished"] = "unfinished" if summary is None or missing else "ended"
    problem = f"{path}: {told_missing(missing)}" if missing else None
    head = (run.id, path, state, run.started_at, run.parameters, summary)
    return RunInfo(*head, problem, kind=run.kind)


def checked_id(run_id: str, room: int = 0) -> str:
    """Return a run's id.

    Args:
        run_id: The id.
        room: For how many more characters there must be room, in ids that are made of it.

    Raises:
        ResultsError: It can be no name of a folder.
    """
    longest = _LONGEST_ID - room
    if run_id == LATEST or len(run_id) > longest or not _ID.fullmatch(run_id):
        raise ResultsError(
            f"{run_id!r} cannot be a run's id; expected up to {longest} letters, digits, dots, "
            f"underscores and hyphens, starting with a letter or digit, and not {LATEST!r}"
        )
    return run_id


def make_folder(path: Path, *, exist_ok: bool) -> None:
    """Make a run's folder, and that of the runs if need be.

    Raises:
        ResultsError: It is there already, or cannot be made.
    """
    try:
        make_folders(path.parent)
        path.mkdir(exist_ok=exist_ok)
        sync_folder(path.parent)
    except FileExistsError as error:
        raise ResultsError(f"{path} exists already; give the run another id") from error
    except OSError as error:
        if path.parent.is_file():
            raise ResultsError(
                f"{path.parent} is a file; expected the folder of the runs: name another"
            ) from error
        raise ResultsError(
            f"cannot make the folder {path}: {error.strerror or error}; name another runs folder"
        ) from error


def column_from(entry: dict[str, Any]) -> Column:
    """Return a column as `run.json` describes it."""
    fields = tuple(column_from(field) for field in entry["fields"])
    return Column(entry["name"], entry["type"], entry["unit"], entry["meaning"], fields)


def _chunk_number(path: Path) -> int:
    number = path.parent.name.removeprefix("chunk=")
    return int(number) if number.isdecimal() else -1


def _some(names: Sequence[str]) -> str:
    if not names:
        return "none"
    shown = ", ".join(names[-5:])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} older ones"
