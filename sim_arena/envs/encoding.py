"""The observation as a vector, derived from the registry of observation fields.

A new field of `sim_arena.observation` becomes part of the vector by itself. Texts are left out,
apart from the scheduler's reasons, which are counted by the cause that they name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import log2
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_arena.errors import SimArenaError
from sim_arena.observation import CONTAINER_FIELDS, FIELDS, Field, Observation

__all__ = ["CAUSES", "Entry", "check_slots", "decode", "encode", "layout", "scaled", "scales"]

Vector = npt.NDArray[np.float32]

CAUSES: tuple[tuple[str, str], ...] = (
    ("insufficient_cpu", "Insufficient cpu"),
    ("insufficient_memory", "Insufficient memory"),
    ("too_many_pods", "Too many pods"),
    ("node_affinity", "node affinity/selector"),
    ("untolerated_taint", "untolerated taint"),
    ("node_unschedulable", "were unschedulable"),
)
"""What is looked for in a pending pod's message; a pod counts under each that it names."""

_LARGEST = {
    "pods": 2.0**20,
    "nodes": 2.0**20,
    "restarts": 2.0**20,
    "kills": 2.0**20,
    "mCPU": 2.0**40,
    "s": 2.0**30,
}
_LARGEST_OTHERWISE = 2.0**60


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the vector.

    Args:
        name: such as `ready`, `requested_cpu known` or `containers[0].cpu_limit`
        unit: of the number that is encoded; empty for a flag
        largest: the number that is encoded as 1; None where the value is used as it is
        meaning: for people
    """

    name: str
    unit: str
    largest: float | None
    meaning: str


@cache
def layout(containers: int) -> tuple[Entry, ...]:
    """Return what each entry of the vector is.

    Args:
        containers: how many containers the vector has room for
    """
    return tuple(_layout(containers))


def encode(obs: Observation, containers: int) -> Vector:
    """Return an observation as numbers between 0 and 1.

    A share is used as it is; any other number `x` becomes `log2(1 + x) / log2(1 + largest)`, with
    the largest of its unit. An unknown number is 0 with its flag `known` at 0.

    Args:
        obs: the observation
        containers: how many containers the vector has room for

    Returns:
        float32, of the length of `layout(containers)`

    Raises:
        SimArenaError: the pod template has more containers than there is room for
    """
    listed = obs.get("containers") or []
    check_slots(len(listed), containers)
    pairs = zip(_values(obs, containers), scales(containers), strict=True)
    return np.array([scaled(value, scale) for value, scale in pairs], dtype=np.float32)


def check_slots(found: int, containers: int) -> None:
    """Raise a SimArenaError if a pod template has more containers than there is room for."""
    if found > containers:
        raise SimArenaError(
            f"expected at most {containers} containers in the pod template, found {found}: "
            f"make the environment with containers={found}"
        )


def scaled(value: float, scale: float) -> float:
    """Return a number as it stands in the vector; the vector environment compiles this.

    Args:
        value: the number
        scale: the logarithm that becomes 1; 0 for a share or a flag, which stays as it is
    """
    if scale > 0.0:
        value = log2(1.0 + max(value, 0.0)) / scale
    return min(max(value, 0.0), 1.0)


@cache
def scales(containers: int) -> tuple[float, ...]:
    """Return the logarithm that becomes 1, for each entry; 0 where none is taken."""
    tops = [entry.largest for entry in layout(containers)]
    return tuple(0.0 if top is None else log2(1.0 + top) for top in tops)


def decode(vector: Vector, containers: int) -> dict[str, float | None]:
    """Return a vector's numbers by their names, in their units; None where unknown.

    This is for people and tests: the numbers are as exact as float32.
    """
    named: dict[str, float | None] = {}
    flags: dict[str, bool] = {}
    for value, entry in zip(vector.tolist(), layout(containers), strict=True):
        name = entry.name.removesuffix(" known")
        if name != entry.name:
            flags[name] = bool(value)
            continue
        group = name.rpartition(".")[0]
        known = flags.get(name, True) and flags.get(group, True)
        named[name] = _unscaled(value, entry) if known else None
    return named


def _layout(containers: int) -> Iterator[Entry]:
    for field in FIELDS:
        if field.type in {"int", "float"}:
            yield from _entries(field)
        elif field.type == "counts":
            yield _flag(field.name, field.meaning)
            for cause, text in (*CAUSES, ("other", "any other reason")):
                meaning = f"pods whose message names: {text}"
                yield Entry(f"{field.name}.{cause}", "pods", _largest("pods"), meaning)
        elif field.type == "containers":
            for slot in range(containers):
                name = f"{field.name}[{slot}]"
                yield _flag(name, "whether the pod template has this container")
                for inner in CONTAINER_FIELDS:
                    if inner.type in {"int", "float"}:
                        yield from _entries(inner, f"{name}.")


def _entries(field: Field, prefix: str = "") -> Iterator[Entry]:
    name = prefix + field.name
    if not field.required:
        yield _flag(name, field.meaning)
    top = None if field.unit == "share" else _largest(field.unit)
    yield Entry(name, field.unit, top, field.meaning)


def _flag(name: str, meaning: str) -> Entry:
    return Entry(f"{name} known", "", None, f"1 if known: {meaning}")


def _largest(unit: str) -> float:
    return _LARGEST.get(unit, _LARGEST_OTHERWISE)


def _values(obs: Observation, containers: int) -> Iterator[float]:
    """Yield the numbers of `layout`, unscaled."""
    fields: Mapping[str, Any] = obs
    for field in FIELDS:
        value = fields.get(field.name)
        if field.type in {"int", "float"}:
            yield from _number(field, value)
        elif field.type == "counts":
            yield from _causes(value)
        elif field.type == "containers":
            for slot in range(containers):
                yield from _container(value[slot] if value and slot < len(value) else None)


def _number(field: Field, value: float | None) -> Iterator[float]:
    if not field.required:
        yield 0.0 if value is None else 1.0
    yield 0.0 if value is None else value


def _causes(reasons: Mapping[str, int] | None) -> Iterator[float]:
    yield 0.0 if reasons is None else 1.0
    messages = (reasons or {}).items()
    for _, text in CAUSES:
        yield sum(count for message, count in messages if text in message)
    yield sum(
        count for message, count in messages if not any(text in message for _, text in CAUSES)
    )


def _container(container: Mapping[str, Any] | None) -> Iterator[float]:
    yield 0.0 if container is None else 1.0
    for field in CONTAINER_FIELDS:
        if field.type in {"int", "float"}:
            yield from _number(field, None if container is None else container.get(field.name))


def _unscaled(value: float, entry: Entry) -> float:
    if entry.largest is None:
        return value
    return float(2.0 ** (value * log2(1.0 + entry.largest)) - 1.0)
