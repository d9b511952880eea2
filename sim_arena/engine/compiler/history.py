"""What happens to each object of a trace, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Applied"]


class Applied(NamedTuple):
    """One application of an object, or its deletion.

    Attributes:
        time: in seconds after the first event.
        order: among all applications of the trace.
        obj: the object; None where it is deleted.
        everything: whether it is deleted with its namespace.
    """

    time: int
    order: int
    obj: Mapping[str, Any] | None
    everything: bool = False
