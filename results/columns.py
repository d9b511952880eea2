"""The columns of a row: name, type, unit and meaning.

A row is one step of one episode, as a flat dict of plain values. The columns that every run
has stand here; those of the observation come from the caller, who knows its fields.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from results.errors import ResultsError

__all__ = ["STEP_COLUMNS", "Column", "ColumnType", "Row", "check_columns", "check_row"]

ColumnType = Literal["int", "float", "bool", "str", "time", "json", "counts", "names", "structs"]
"""The types of a column. In a row and in step.jsonl they are plain JSON values.

- `int`, `float`, `bool`, `str`: as they are called; int64 and float64 in Parquet.
- `time`: a moment with a time zone, written in ISO 8601 and UTC with microseconds.
- `json`: any JSON value; a string of JSON in Parquet.
- `counts`: `{str: int}`, a map in Parquet.
- `names`: `[str, ...]`.
- `structs`: a list of dicts with the column's `fields`.

Every value may be None: not known, or not applicable.
"""

Row = dict[str, Any]
"""One step, flat: column name -> value."""

_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the data set.

    Args:
        name: The key in a row, and the name in Parquet.
        type: One of `ColumnType`.
        unit: The unit of the numbers ("s", "bytes", "mCPU", "pods"); empty if there is none.
        meaning: One line that says what the value is.
        fields: For `structs` only: the fields of each entry.
    """

    name: str
    type: ColumnType
    unit: str
    meaning: str
    fields: tuple["Column", ...] = ()

    def __post_init__(self) -> None:
        if self.type not in get_args(ColumnType):
            raise ResultsError(
                f"column {self.name!r} has the type {self.type!r}; "
                f"use one of: {', '.join(get_args(ColumnType))}"
            )
        if (self.type == "structs") != bool(self.fields):
            raise ResultsError(
                f"column {self.name!r} is of type {self.type!r} with {len(self.fields)} fields; "
                "give fields to columns of type 'structs', and only to them"
            )

    def check(self, value: object) -> Any:
        """Return the value as a row holds it.

        Raises:
            ResultsError: The value is not of the column's type.
        """
        if value is None:
            return None
        checked = _CHECKS[self.type](self, value)
        if checked is None:
            raise ResultsError(
                f"column {self.name!r} holds values of type {self.type!r}, got {value!r}; "
                "write None for what is not known"
            )
        return checked


def check_columns(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return the columns as a tuple.

    Raises:
        ResultsError: Two columns have one name.
    """
    result = tuple(columns)
    names = [column.name for column in result]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ResultsError(f"columns must have different names; twice there: {', '.join(twice)}")
    return result


def check_row(row: Mapping[str, object], columns: Sequence[Column]) -> Row:
    """Return the row with all the columns in their order; what is missing becomes None.

    Raises:
        ResultsError: A key that is no column, or a value that is not of its column's type.
    """
    unknown = sorted(row.keys() - {column.name for column in columns})
    if unknown:
        raise ResultsError(
            f"a row has keys that are no columns: {', '.join(unknown)}; "
            "add them to the columns that the run is created with"
        )
    return {column.name: column.check(row.get(column.name)) for column in columns}


def _check_int(_column: Column, value: object) -> int | None:
    return value if type(value) is int and value in _INT64 else None


def _check_float(_column: Column, value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _check_bool(_column: Column, value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _check_str(_column: Column, value: object) -> str | None:
    return value if isinstance(value, str) and _is_text(value) else None


def _check_time(_column: Column, value: object) -> str | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def _check_json(_column: Column, value: object) -> Any:
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError):
        return None
    return json.loads(text) if _is_text(text) else None


def _check_counts(_column: Column, value: object) -> dict[str, int] | None:
    if not isinstance(value, Mapping):
        return None
    pairs = {_check_str(_column, key): _check_int(_column, count) for key, count in value.items()}
    return None if None in pairs or None in pairs.values() else pairs  # type: ignore[return-value] # no None is left


def _check_names(column: Column, value: object) -> list[str] | None:
    if not isinstance(value, (list, tuple)):
        return None
    return list(value) if all(_check_str(column, name) is not None for name in value) else None


def _check_structs(column: Column, value: object) -> list[Row] | None:
    if not isinstance(value, (list, tuple)):
        return None
    if not all(isinstance(entry, Mapping) for entry in value):
        return None
    return [check_row(entry, column.fields) for entry in value]


def _is_text(value: str) -> bool:
    """Say whether the string can be written as UTF-8 (no lone surrogates)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


_CHECKS = {
    "int": _check_int,
    "float": _check_float,
    "bool": _check_bool,
    "str": _check_str,
    "time": _check_time,
    "json": _check_json,
    "counts": _check_counts,
    "names": _check_names,
    "structs": _check_structs,
}

STEP_COLUMNS: tuple[Column, ...] = (
    Column("schema_version", "int", "", "version of this schema"),
    Column("run_id", "str", "", "the run, which is the name of its folder"),
    Column("episode", "int", "", "number of the episode in the run, from 0"),
    Column("step", "int", "", "number of the step in the episode, from 0"),
    Column("trace", "str", "", "the trace file that the episode started with"),
    Column("trace_in", "str", "", "the trace that was replayed and observed in this step"),
    Column("trace_out", "str", "", "the trace after this step's action"),
    Column("policy", "str", "", "the policy that chose the action"),
    Column("seed", "int", "", "seed of the episode"),
    Column("reward_name", "str", "", "the reward function"),
    Column("target", "int", "pods", "ready pods that count as success"),
    Column("duration", "float", "s", "simulated window of the step"),
    Column("action", "json", "", "the action, with its parameters"),
    Column("action_type", "str", "", "the action's name"),
    Column("changed", "bool", "", "whether the action changed the trace"),
    Column("changes", "json", "", "what the action changed, field by field"),
    Column("notes", "names", "", "what the guardrails and the edit have to say"),
    Column("reward", "float", "", "the reward for this step's observation"),
    Column("success", "bool", "", "ready == target and pending == 0"),
    Column("terminated", "bool", "", "the episode ended here because it succeeded"),
    Column("truncated", "bool", "", "the episode ended here because it reached its step limit"),
    Column("error", "str", "", "what went wrong in this step; None if nothing did"),
    Column("started_at", "time", "", "when the step started"),
    Column(
        "wall_seconds",
        "float",
        "s",
        "what the step took on the clock; of steps that were taken together, its share",
    ),
)
"""What every run records of a step, whatever it observes."""
