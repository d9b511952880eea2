"""Which files are a sweep's data set: their names say it.

    steps/chunk=3/steps.parquet         the steps of the chunk 3
    episodes/chunk=3/episodes.parquet   its episodes
    steps/chunk=0-9/steps.parquet       those of the chunks 0 to 9, joined; likewise episodes

What is in both tables is finished. Files that were joined take the place of those that they were
made of as soon as both of them are there, whether the others have been deleted or not.
"""

import re
from collections.abc import Sequence
from typing import Literal

from results.errors import ResultsError
from results.store import Store, read_document
from results.words import many

__all__ = [
    "PLAN",
    "TABLES",
    "TableName",
    "chunks_of",
    "is_part",
    "missing_chunks",
    "part_name",
    "parts_in",
    "told_missing",
]

TableName = Literal["steps", "episodes"]
TABLES: tuple[TableName, ...] = ("steps", "episodes")
PLAN = "plan.json"
_PART = re.compile(r"(steps|episodes)/chunk=[0-9]+(-[0-9]+)?/(steps|episodes)\.parquet")


def part_name(table: TableName, chunk: int, last: int | None = None) -> str:
    """Return the name of the file of a chunk, or of several up to the last."""
    number = f"{chunk}" if last is None or last == chunk else f"{chunk}-{last}"
    return f"{table}/chunk={number}/{table}.parquet"


def is_part(name: str) -> bool:
    """Say whether a file is named as one that holds chunks."""
    return _PART.fullmatch(name) is not None


def chunks_of(name: str) -> range:
    """Return the numbers of the chunks that a file holds."""
    first, _, last = name.split("/")[1].removeprefix("chunk=").partition("-")
    return range(int(first), int(last or first) + 1)


def parts_in(store: Store) -> list[range]:
    """Return the chunks of each part of the data set, in order."""
    there = [{chunks_of(name) for name in store.list(table) if is_part(name)} for table in TABLES]
    both = sorted(set.intersection(*there), key=lambda part: (part.start, -part.stop))
    parts: list[range] = []
    for part in both:
        if not parts or part.stop > parts[-1].stop:  # else it was joined into that one
            parts.append(part)
    return parts


def missing_chunks(store: Store) -> list[int]:
    """Return the numbers of the chunks of the plan that are not finished.

    Raises:
        ResultsError: the plan is damaged
    """
    if not store.exists(PLAN):
        return []
    try:
        count = int(read_document(store, PLAN)["chunks"])
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{store.url}/{PLAN} is damaged: expected the number of chunks") from (
            error
        )
    finished = {chunk for part in parts_in(store) for chunk in part}
    return [chunk for chunk in range(count) if chunk not in finished]


def told_missing(chunks: Sequence[int]) -> str:
    """Return what is said about chunks that a sweep has lost after its end."""
    shown = ", ".join(map(str, chunks[:5])) + (", ..." if len(chunks) > 5 else "")
    count = many(len(chunks), "chunk")
    return f"{count} ({shown}) lost since the end of the sweep: resume it to play them again"
