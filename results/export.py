"""A run's or a sweep's rows as CSV or JSON lines, for programs that read nothing better."""

import csv
import json
from collections.abc import Iterable, Iterator
from typing import IO, Any, Literal

from results.columns import Row
from results.dataset import rows_of
from results.episodes import EPISODE_COLUMNS, episode_rows
from results.parts import TableName
from results.run import Run
from results.sweep import Sweep

__all__ = ["export_rows", "write_rows"]


def export_rows(result: Run | Sweep, table: TableName) -> tuple[list[str], Iterator[Row]]:
    """Return the names of the columns, and the rows one after another.

    Raises:
        ResultsError: a file is damaged
    """
    if isinstance(result, Sweep):
        columns = result.columns if table == "steps" else result.episode_columns
        rows = (row for part in result.read(table) for row in _rows(part))
        return [column.name for column in columns], rows
    steps = result.read_steps()
    if table == "steps":
        return [column.name for column in result.columns], iter(steps)
    return [column.name for column in EPISODE_COLUMNS], iter(episode_rows(steps))


def write_rows(
    file: IO[str], names: Iterable[str], rows: Iterable[Row], form: Literal["csv", "jsonl"]
) -> int:
    """Write rows and return how many there were.

    Args:
        file: open for text, with `newline=""` for CSV
        names: the columns
        rows: the rows
        form: `csv`: a header, empty cells for what is not known, JSON in cells that hold more
            than one value; `jsonl`: one JSON object a line
    """
    order = list(names)
    count = 0
    writer = csv.writer(file) if form == "csv" else None
    if writer is not None:
        writer.writerow(order)
    for row in rows:
        count += 1
        if writer is not None:
            writer.writerow([_cell(row.get(name)) for name in order])
        else:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


def _rows(part: Any) -> Iterator[Row]:
    for start in range(0, part.num_rows, 1000):  # as Python objects they take much more memory
        yield from rows_of(part.slice(start, 1000))


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else value
