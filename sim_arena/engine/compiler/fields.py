"""Reads numbers from a workload's spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from traces import TraceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from traces import WorkloadRef

__all__ = ["int_or_percent", "number"]


def number(ref: WorkloadRef, fields: Mapping[str, Any], name: str, default: int) -> int:
    """Return a field that is a whole number; `default` where it is not there.

    Raises:
        TraceError: if it is something else.
    """
    value = fields.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TraceError(f"{ref}: expected {name} to be a whole number >= 0, found {value!r}")
    return value


def int_or_percent(ref: WorkloadRef, value: Any, default: tuple[int, int]) -> tuple[int, int]:
    """Return a number, and 1 where it is a percentage; `default` where there is none.

    Raises:
        TraceError: if it is neither.
    """
    if value is None:
        return default
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value, 0
    if isinstance(value, str) and value.endswith("%") and value[:-1].isdigit():
        return int(value[:-1]), 1
    raise TraceError(f"{ref}: expected a whole number or a percentage, found {value!r}")
