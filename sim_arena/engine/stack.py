"""Many programs side by side: each array gets a leading axis, short ones are filled up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim_arena.engine.program import Arrays, Program

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["stack"]


def stack(programs: Sequence[Program]) -> Arrays:
    """Return the arrays of programs as one batch.

    The headers hold the true lengths; what fills a shorter array up is never read.
    """
    columns = zip(*(program.arrays for program in programs), strict=True)
    return Arrays(*(_stack(column) for column in columns))


def _stack(column: Sequence[Any]) -> Any:
    """Stack arrays; one that several programs share is filled in once, and then copied."""
    numbers: dict[int, int] = {}
    places = [numbers.setdefault(id(array), len(numbers)) for array in column]
    if len(numbers) == len(column):
        stacked = _filled(column)
    else:
        shared = {id(array): array for array in column}
        stacked = _filled([shared[key] for key in numbers])[np.array(places)]
    return stacked.view(np.recarray) if stacked.dtype.names else stacked


def _filled(arrays: Sequence[Any]) -> Any:
    first = arrays[0]
    shape = tuple(max(array.shape[axis] for array in arrays) for axis in range(first.ndim))
    stacked: Any = np.zeros((len(arrays), *shape), first.dtype)
    for position, array in enumerate(arrays):
        stacked[(position, *(slice(length) for length in array.shape))] = array
    return stacked
