"""The tables of a run or of a sweep, for analysis."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from warnings import warn

from results.arrow import filtered
from results.dataset import table_of
from results.episodes import EPISODE_COLUMNS, episode_rows
from results.errors import ResultsError, ResultsNotice
from results.parts import TableName, told_missing
from results.run import Run
from results.store import LocalStore, read_document, store_at
from results.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["load_episodes", "load_steps", "open_result", "parquet_files"]

Form = Literal["pandas", "arrow"]


def open_result(place: Run | Sweep | str | Path) -> Run | Sweep:
    """Return the run or the sweep in a folder or at a URL.

    Raises:
        ResultsError: There is neither.
    """
    if isinstance(place, Run | Sweep):
        return place
    store = store_at(place)
    if not store.exists("run.json"):
        raise ResultsError(f"{place} is no run: expected a folder with a run.json in it")
    document = read_document(store, "run.json")
    if isinstance(document, dict) and document.get("kind") == "sweep":
        return Sweep.open(place)
    if not isinstance(store, LocalStore):
        raise ResultsError(f"{place} is no sweep; only sweeps lie in object stores")
    return Run.open(store.root.resolve() if store.root.is_symlink() else store.root)


def load_steps(
    run: Run | Sweep | str | Path,
    *,
    columns: Iterable[str] | None = None,
    where: Any = None,
    form: Form = "pandas",
) -> Any:
    """Return the steps of a run or of a sweep, a row each.

    Of a sweep that is under way, the finished chunks.

    Args:
        run: A run, a sweep, its folder, or a sweep's URL.
        columns: The columns that are wanted; all if not given. `results.STEP_COLUMNS` and
            `sim_arena.records.COLUMNS` describe them, and so does each field's metadata.
        where: A filter, as an expression of `pyarrow.compute`: `field("policy") == "noop"`.
        form: `pandas` for a DataFrame, `arrow` for a `pyarrow.Table`.

    Raises:
        ResultsError: There is no such run or column, or a file is damaged.
    """
    found = open_result(run)
    if isinstance(found, Sweep):
        return _shaped(_joined(found, "steps", columns, where), form)
    table = table_of(found.read_steps(), found.columns)
    return _shaped(_chosen(table, columns, where), form)


def load_episodes(
    run: Run | Sweep | str | Path,
    *,
    columns: Iterable[str] | None = None,
    where: Any = None,
    form: Form = "pandas",
) -> Any:
    """Return the episodes of a run or of a sweep, a row each; the rest is as for `load_steps`.

    A run of one episode has the columns of `results.EPISODE_COLUMNS`, a sweep has more.
    """
    found = open_result(run)
    if isinstance(found, Sweep):
        return _shaped(_joined(found, "episodes", columns, where), form)
    table = table_of(episode_rows(found.read_steps()), EPISODE_COLUMNS)
    return _shaped(_chosen(table, columns, where), form)


def parquet_files(run: Run | Sweep | str | Path, table: TableName = "steps") -> list[str]:
    """Return the paths of the Parquet files that are a table, for programs that read them.

    A pattern such as `steps/*/*.parquet` finds more than that while a sweep is under way, after it
    was killed, and while its files are joined.

    Args:
        run: A run, a sweep, or the folder of one.
        table: `steps`, or a sweep's `episodes`.

    Raises:
        ResultsError: There is no such run, it has no such files, or they are not on this machine.
    """
    found = open_result(run)
    if isinstance(found, Run):
        if table != "steps":
            raise ResultsError(f"{found.id} has no file of episodes; load_episodes makes them")
        return [str(path) for path in found.parquet_files()]
    if found.path is None:
        raise ResultsError(
            f"expected a sweep in a folder, found {found.store.url}: load_{table}(..., "
            'form="arrow") reads it, for other programs too'
        )
    return [str(found.path / name) for name in found.parts(table)]


def _joined(
    sweep: Sweep, table: TableName, columns: Iterable[str] | None, where: Any
) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

    if sweep.read_summary() is not None and (missing := sweep.missing_chunks()):
        warn(f"{sweep.store.url}: {told_missing(missing)}", ResultsNotice, stacklevel=4)
    wanted = None if columns is None else list(columns)
    parts = list(sweep.read(table, wanted, where))
    if parts:
        return pa.concat_tables(parts, promote_options="default")
    empty = table_of([], sweep.columns if table == "steps" else sweep.episode_columns)
    return _chosen(empty, wanted, None)


def _chosen(table: "pa.Table", columns: Iterable[str] | None, where: Any) -> "pa.Table":
    table = table if where is None else filtered(table, where)
    if columns is None:
        return table
    wanted = list(columns)
    missing = [name for name in wanted if name not in table.column_names]
    if missing:
        raise ResultsError(
            f"there is no column {', '.join(missing)}; there are {', '.join(table.column_names)}"
        )
    return table.select(wanted)


def _shaped(table: "pa.Table", form: Form) -> "pa.Table | pd.DataFrame":
    if form not in {"pandas", "arrow"}:
        raise ResultsError(f"expected the form 'pandas' or 'arrow', found {form!r}")
    return table if form == "arrow" else table.to_pandas(use_threads=False)
