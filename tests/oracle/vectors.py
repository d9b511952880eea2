"""The kept answers of the scheduler's plugins, read back."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from tests.oracle.cases import Case
from tests.oracle.make import VECTORS


class Vector(NamedTuple):
    """A case and what the real plugins say of it."""

    number: int
    focus: str
    case: Case
    answer: dict[str, Any]


def count() -> int:
    """How many vectors are kept."""
    return int(pq.read_metadata(VECTORS).num_rows)


def metadata() -> dict[str, str]:
    """The version of Kubernetes, and the command that makes the file."""
    found = pq.read_schema(VECTORS).metadata or {}
    return {key.decode(): value.decode() for key, value in found.items()}


def focuses() -> list[str]:
    """What the cases are about, in the file's order: a row group each."""
    return metadata()["focuses"].split(",")


def counts() -> dict[str, int]:
    """How many vectors each focus has."""
    groups = pq.read_metadata(VECTORS)
    return {focus: groups.row_group(i).num_rows for i, focus in enumerate(focuses())}


def read(focus: str, step: int = 1) -> Iterator[Vector]:
    """Every `step`-th vector of a focus."""
    file = pq.ParquetFile(VECTORS)
    group = focuses().index(focus)
    first = sum(file.metadata.row_group(before).num_rows for before in range(group))
    table = file.read_row_group(group, ["case", "answer"])
    for number in range(0, table.num_rows, step):
        case, answer = (table.column(name)[number].as_py() for name in ("case", "answer"))
        yield Vector(first + number, focus, json.loads(case), json.loads(answer))
