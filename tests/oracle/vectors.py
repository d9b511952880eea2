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


def read(start: int = 0, step: int = 1) -> Iterator[Vector]:
    """Every `step`-th vector from `start` on."""
    table = pq.read_table(VECTORS)
    numbers = range(start, table.num_rows, step)
    for number, row in zip(numbers, table.take(list(numbers)).to_pylist(), strict=True):
        yield Vector(number, row["focus"], json.loads(row["case"]), json.loads(row["answer"]))
