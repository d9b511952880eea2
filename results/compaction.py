"""Join the small files of a sweep that has ended into few large ones."""

from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from results.arrow import opened
from results.errors import ResultsError
from results.parts import TABLES, chunks_of, part_name
from results.sweep import Sweep

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["compact"]

_ROWS = 1_000_000  # in a file
_GROUP = 50_000  # rows in a row group: what is in memory at once, and what a reader can skip


def compact(
    sweep: Sweep, check: Callable[[], None] = lambda: None, *, rows: int = _ROWS
) -> tuple[int, int]:
    """Join a sweep's files. A crash at any point leaves each row in the data set once.

    The caller holds the sweep's lock.

    Args:
        sweep: the sweep
        check: called right before each file is written or deleted; if it raises, it is not
        rows: in one file, at most; more if a file has more already

    Returns:
        the number of files before and after

    Raises:
        ResultsError: the sweep has not ended, or a file cannot be read or written
    """
    if sweep.read_summary() is None or sweep.missing_chunks():
        raise ResultsError(f"{sweep.store.url} has not ended: resume it first")
    if (name := next(sweep.damaged(), None)) is not None:
        raise ResultsError(
            f"cannot read {sweep.store.url}/{name}: resume the sweep, which plays its chunk again"
        )
    sweep.delete_strays(check)
    names = sweep.parts("steps")
    groups = list(_groups(sweep, names, rows))
    for group in groups:
        if len(group) > 1:
            _join(sweep, group, check)
    return len(TABLES) * len(names), len(TABLES) * len(groups)


def _join(sweep: Sweep, parts: Sequence[range], check: Callable[[], None]) -> None:
    """Make one part of several that follow each other, and delete those.

    It takes their place when its episodes, which are written last, are there.
    """
    for table in TABLES:
        names = [part_name(table, part.start, part.stop - 1) for part in parts]
        whole = part_name(table, parts[0].start, parts[-1].stop - 1)
        sweep.store.write(whole, _joining(sweep, names, check))
    sweep.delete_strays(check)


def _groups(sweep: Sweep, names: Sequence[str], rows: int) -> Iterator[list[range]]:
    """Yield the chunks of the files of steps that become one, with those of their episodes."""
    group: list[range] = []
    count = 0
    for name in names:
        with sweep.store.open(name) as file:
            size = opened(file).metadata.num_rows
        if group and count + size > rows:
            yield group
            group, count = [], 0
        group.append(chunks_of(name))
        count += size
    if group:
        yield group


def _joining(sweep: Sweep, names: Sequence[str], check: Callable[[], None]) -> Any:
    """Return what fills a file with the rows of others, and checks when it is filled.

    That takes its time; nobody sees the file before it ends.
    """

    def fill(file: IO[bytes]) -> None:
        from pyarrow import parquet  # noqa: PLC0415 # heavy: only who writes Parquet pays for it

        writer = None
        for table in _row_groups(sweep, names):
            if writer is None:
                writer = parquet.ParquetWriter(file, table.schema, compression="zstd")
            writer.write_table(table, row_group_size=_GROUP)
        if writer is not None:
            writer.close()
        check()

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
