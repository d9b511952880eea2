"""The Parquet data set: whole files, one a chunk, under `steps/chunk=N/`.

Every file's schema carries the version, and each field its type, unit and meaning, so that a
file explains itself. pandas reads the data set with

    pandas.read_parquet("runs/latest/steps")

and DuckDB with

    duckdb.sql("select * from 'runs/latest/steps/*/*.parquet'")
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from results.arrow import filtered, opened, read
from results.columns import Column, Row, check_columns, check_row
from results.errors import ResultsError
from results.files import write_atomically
from results.versions import SCHEMA_VERSION, upgrade_columns, upgrade_row

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "arrow_schema",
    "columns_of",
    "read_part",
    "read_rows",
    "read_table",
    "rows_of",
    "table_of",
    "write_chunk",
]

_VERSION_KEY = b"schema_version"


def arrow_schema(columns: Iterable[Column]) -> "pa.Schema":
    """Return the pyarrow schema of the columns, with units and meanings in the metadata."""
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who writes or reads Parquet pays for it

    fields = [_field(column) for column in check_columns(columns)]
    return pa.schema(fields, metadata={_VERSION_KEY: str(SCHEMA_VERSION)})


def columns_of(schema: "pa.Schema", source: str) -> tuple[int, tuple[Column, ...]]:
    """Return the version and the columns that a file's schema tells of.

    Raises:
        ResultsError: The metadata is not this package's.
    """
    try:
        version = int(schema.metadata[_VERSION_KEY])
        return version, tuple(_column(field) for field in schema)
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(
            f"{source}: expected Parquet with a schema_version and types in its metadata, "
            "found another kind of Parquet file"
        ) from error


def write_chunk(steps: Path, chunk: int, rows: Iterable[Row], columns: Sequence[Column]) -> Path:
    """Write one chunk's rows as one file, atomically; a file that was there is replaced.

    Args:
        steps: The data set's folder.
        chunk: The chunk's number, from 0.
        rows: The rows; keys that are missing become null.
        columns: The columns of the data set.

    Returns:
        The file's path.

    Raises:
        ResultsError: A row does not fit the columns, or the file cannot be written.
    """
    from pyarrow import parquet  # noqa: PLC0415 # heavy: only who writes or reads Parquet pays

    table = table_of(rows, columns)
    path = steps / f"chunk={chunk}" / "steps.parquet"
    write_atomically(path, lambda file: parquet.write_table(table, file, compression="zstd"))
    return path


def table_of(rows: Iterable[Row], columns: Sequence[Column]) -> "pa.Table":
    """Return rows as a table with the columns' schema.

    Raises:
        ResultsError: A row does not fit the columns.
    """
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who writes or reads Parquet pays for it

    stored = [_to_storage(check_row(row, columns), columns) for row in rows]
    return pa.Table.from_pylist(stored, schema=arrow_schema(columns))


def rows_of(table: "pa.Table", source: str = "the table") -> list[Row]:
    """Return the rows of a table of this package, as they were before they were written.

    Raises:
        ResultsError: The table's schema is not this package's.
    """
    _, columns = columns_of(table.schema, source)
    return [_from_storage(row, columns) for row in table.to_pylist()]


def read_table(files: Sequence[Path]) -> "pa.Table":
    """Read Parquet files of any known schema version into one table of this version.

    Columns that some of the files lack are null there.

    Raises:
        ResultsError: A file is missing or damaged, or its version is not known.
    """
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who writes or reads Parquet pays for it

    if not files:
        raise ResultsError("there are no Parquet files to read")
    tables = [_read_file(path) for path in files]
    try:
        table = pa.concat_tables(tables, promote_options="default")
    except pa.ArrowException as error:
        raise ResultsError(
            f"the Parquet files from {files[0]} on have columns that do not fit together: {error}"
        ) from error
    return table


def read_rows(path: Path) -> list[Row]:
    """Read one Parquet file into rows, as they were before they were written.

    Raises:
        ResultsError: The file is missing or damaged, or its version is not known.
    """
    return rows_of(_read_file(path), str(path))


def read_part(
    file: IO[bytes], source: str, names: Sequence[str] | None = None, where: Any = None
) -> "pa.Table":
    """Read one Parquet file, as a table of this version of the schema.

    Args:
        file: The open file.
        source: What to call it.
        names: The columns that are wanted; all if not given.
        where: A filter, as an expression of `pyarrow.compute`.

    Raises:
        ResultsError: The file is damaged, its version not known, or it has no such column.
    """
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who writes or reads Parquet pays for it

    try:
        whole = opened(file)
        version, columns = columns_of(whole.schema_arrow, source)
        there = [column.name for column in columns]
        if version == SCHEMA_VERSION and where is None and names is not None:
            table = read(whole, [name for name in names if name in there])
        else:
            table = _upgraded(read(whole), source)
            there = table.column_names
    except (OSError, pa.ArrowException) as error:
        raise ResultsError(
            f"cannot read {source}: {error}; if it is damaged, resume the sweep: its chunk is then "
            "played again"
        ) from error
    if missing := [name for name in names or () if name not in there]:
        raise ResultsError(
            f"{source} has no column {', '.join(missing)}; there are {', '.join(there)}"
        )
    try:
        table = table if where is None else filtered(table, where)
    except pa.ArrowException as error:
        raise ResultsError(f"cannot filter {source}: {error}") from error
    return table if names is None else table.select(names)


def _read_file(path: Path) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who writes or reads Parquet pays for it

    try:
        with path.open("rb") as file:  # a file, not a path: "chunk=N" is no column of a row
            table = read(opened(file))
    except (OSError, pa.ArrowException) as error:
        raise ResultsError(
            f"cannot read {path} as Parquet: {error}; "
            "if it is damaged, delete it and write the chunk again"
        ) from error
    return _upgraded(table, str(path))


def _upgraded(table: "pa.Table", source: str) -> "pa.Table":
    """Return a table as this version of the schema has it."""
    version, columns = columns_of(table.schema, source)
    if version == SCHEMA_VERSION:
        return table
    new = upgrade_columns(columns, version, source=source)
    old_rows = (_from_storage(row, columns) for row in table.to_pylist())
    return table_of([upgrade_row(row, source=source) for row in old_rows], new)


def _field(column: Column) -> "pa.Field":
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who writes or reads Parquet pays for it

    metadata = {"type": column.type, "unit": column.unit, "meaning": column.meaning}
    return pa.field(column.name, _arrow_type(column), metadata=metadata)


def _arrow_type(column: Column) -> "pa.DataType":
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who writes or reads Parquet pays for it

    if column.type == "structs":
        return pa.list_(pa.struct([_field(field) for field in column.fields]))
    return {
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "str": pa.string(),
        "time": pa.timestamp("us", tz="UTC"),
        "json": pa.string(),
        "counts": pa.map_(pa.string(), pa.int64()),
        "names": pa.list_(pa.string()),
    }[column.type]


def _column(field: "pa.Field") -> Column:
    text = {key.decode(): value.decode() for key, value in field.metadata.items()}
    inner = field.type.value_type if text["type"] == "structs" else ()
    fields = tuple(_column(entry) for entry in inner)
    return Column(field.name, text["type"], text["unit"], text["meaning"], fields)


def _to_storage(row: Row, columns: Iterable[Column]) -> dict[str, Any]:
    return {column.name: _store(column, row[column.name]) for column in columns}


def _store(column: Column, value: Any) -> Any:
    if value is None:
        return None
    match column.type:
        case "json":
            return json.dumps(value, ensure_ascii=False)
        case "time":
            return datetime.fromisoformat(value)
        case "counts":
            return list(value.items())
        case "structs":
            return [_to_storage(entry, column.fields) for entry in value]
    return value


def _from_storage(row: dict[str, Any], columns: Iterable[Column]) -> Row:
    return {column.name: _restore(column, row[column.name]) for column in columns}


def _restore(column: Column, value: Any) -> Any:
    if value is None:
        return None
    match column.type:
        case "json":
            return json.loads(value)
        case "time":
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case "counts":
            return dict(value)
        case "structs":
            return [_from_storage(entry, column.fields) for entry in value]
    return value
