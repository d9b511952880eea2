"""Join the small files of a sweep that has ended into few large ones."""

from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from results.errors import ResultsError
from results.sweep import Sweep, TableName, chunk_of, part_name

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["compact"]

_ROWS = 1_000_000  # in a file
_GROUP = 50_000  # rows in a row group: what is in memory at once, and what a reader can skip


def compact(sweep: Sweep, *, rows: int = _ROWS) -> tuple[int, int]:
    """Join a sweep's files. It is done in one step: a crash leaves the old data set or the new.

    The caller holds the sweep's lock.

    Args:
        sweep: the sweep
        rows: in one file, at most; more if a file has more already

    Returns:
        the number of files before and after

    Raises:
        ResultsError: the sweep has not ended, or a file cannot be read or written
    """
    if sweep.read_summary() is None:
        raise ResultsError(f"{sweep.store.url} has not ended: resume it first")
    # From here on only what is named is the data set, whatever files are there besides.
    sweep.replace_parts({"steps": sweep.parts("steps"), "episodes": sweep.parts("episodes")})
    everything = [*sweep.store.list("steps"), *sweep.store.list("episodes")]
    number = 1 + max((chunk_of(name) for name in everything), default=-1)
    tables: tuple[TableName, ...] = ("steps", "episodes")
    before = 0
    joined: dict[TableName, list[str]] = {}
    for table in tables:
        parts = sweep.parts(table)
        before += len(parts)
        joined[table] = []
        for group in _groups(sweep, parts, rows):
            if len(group) == 1:
                joined[table].append(group[0])
                continue
            name = part_name(table, number)
            sweep.store.write(name, _joining(sweep, group))
            joined[table].append(name)
            number += 1
    after = sum(map(len, joined.values()))
    if after < before:
        sweep.replace_parts(joined)
    return before, after


def _groups(sweep: Sweep, parts: Sequence[str], rows: int) -> Iterator[list[str]]:
    """Yield the names of the files that become one."""
    from pyarrow import parquet  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

    group: list[str] = []
    count = 0
    for name in parts:
        with sweep.store.open(name) as file:
            size = parquet.ParquetFile(file).metadata.num_rows
        if group and count + size > rows:
            yield group
            group, count = [], 0
        group.append(name)
        count += size
    if group:
        yield group


def _joining(sweep: Sweep, names: Sequence[str]) -> Any:
    """Return what fills a file with the rows of others."""

    def fill(file: IO[bytes]) -> None:
        from pyarrow import parquet  # noqa: PLC0415 # heavy: only who writes Parquet pays for it

        writer = None
        for table in _row_groups(sweep, names):
            if writer is None:
                writer = parquet.ParquetWriter(file, table.schema, compression="zstd")
            writer.write_table(table, row_group_size=_GROUP)
        if writer is not None:
            writer.close()

    return fill


def _row_groups(sweep: Sweep, names: Sequence[str]) -> "Iterator[pa.Table]":
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

    waiting: list[pa.Table] = []
    for name in names:
        waiting.append(sweep.read_part(name))
        if sum([one.num_rows for one in waiting]) >= _GROUP:
            yield pa.concat_tables(waiting, promote_options="default")
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting, promote_options="default")
