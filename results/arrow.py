"""Arrow in the thread that calls it, and in no other.

Arrow hands its work to threads of its own, and one of them may hold the last reference to a Python
object, such as the file that was read, a moment longer than the call takes. If the interpreter ends
in that moment, the thread ends in the midst of C++ and the process dies of SIGABRT ("terminate
called without an active exception": apache/arrow issues 34314 and 45017), which on a busy machine
happened to one in four of the commands that read a sweep. The tables are small, and a sweep's cores
are in use already: the calling thread is as fast.
"""

from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

__all__ = ["aggregated", "filtered", "joined", "opened", "read"]


def opened(file: IO[bytes]) -> "ParquetFile":
    """Open a Parquet file, to look at its schema and size or for `read`."""
    from pyarrow import parquet  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

    return parquet.ParquetFile(file, pre_buffer=False)


def read(file: "ParquetFile", columns: Sequence[str] | None = None) -> "pa.Table":
    """Return the rows of a file, with all columns if none are named."""
    return file.read(columns=columns, use_threads=False)


def filtered(table: "pa.Table", where: Any) -> "pa.Table":
    """Return the rows of a table for which an expression of `pyarrow.compute` is true."""
    from pyarrow import acero  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

    source = acero.Declaration("table_source", acero.TableSourceNodeOptions(table))
    kept = acero.Declaration("filter", acero.FilterNodeOptions(where), [source])
    return kept.to_table(use_threads=False)


def aggregated(
    table: "pa.Table", keys: Sequence[str], sums: Iterable[tuple[str, str]] = ()
) -> "pa.Table":
    """Return a row for each combination of keys, with what `TableGroupBy.aggregate` makes of it."""
    return table.group_by(list(keys), use_threads=False).aggregate(list(sums))


def joined(
    left: "pa.Table", right: "pa.Table", keys: str | list[str], how: str, suffix: str = ""
) -> "pa.Table":
    """Join two tables; a column of the second that is in both gets the suffix."""
    return left.join(right, keys, join_type=how, right_suffix=suffix, use_threads=False)
