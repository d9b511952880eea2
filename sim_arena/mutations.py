"""What an action did to a trace, with notes for the reader of the record."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from sim_arena.guardrails import Guardrails, Resource
from traces import arithmetic
from traces.quantities import format_resource

if TYPE_CHECKING:
    from sim_arena.actions import ActionType
    from traces import Change

__all__ = ["Mutation", "NotedEdit", "Pair"]

Pair = tuple[int, int]
"""A container's request and limit: milli-CPU or bytes, `arithmetic.UNSET` for a missing one."""


@dataclass(slots=True)
class Mutation:
    """What an action did to a trace.

    Args:
        changed: whether anything is different
        changes: each changed field of each event that carries the workload
        notes: what a reader should know: clipped, refused, the limit raised with the request
    """

    changed: bool = False
    changes: list["Change"] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class NotedEdit:
    """An edit that notes what the guardrails, or the pair's other half, did to it."""

    def __init__(self, kind: "ActionType", step: str | int | None, guardrails: Guardrails) -> None:
        resource = cast("Resource", kind.resource)
        low, high = guardrails.bounds(resource)
        self.kind = kind
        self.bounds = f"{_format(resource, low)} to {_format(resource, high)}"
        self.bounded = kind.edit(step, low, high)
        self.unbounded = kind.edit(step, 0, arithmetic.UNBOUNDED)
        self.notes: list[str] = []

    def note(self, line: str) -> None:
        """Add a note once: every event that carries the workload is edited alike."""
        if line not in self.notes:
            self.notes.append(line)

    def count(self, replicas: int) -> int:
        """Return the new number of replicas."""
        after = self.bounded(replicas)
        self._judge("replicas", replicas, self.unbounded(replicas), after)
        return cast("int", after)

    def pair(self, request: int, limit: int) -> Pair:
        """Return the new request and limit."""
        before, after = (request, limit), cast("Pair", self.bounded(request, limit))
        wanted = cast("Pair", self.unbounded(request, limit))
        if self.kind.op == "change_request":
            current = arithmetic.effective_request(request, limit)
            moved = after[0] if after != before else current
            self._judge(f"{self.kind.resource} request", current, wanted[0], moved)
            if after[1] != limit:
                self.note(f"limit raised with the request, to {self._text(after[1])}")
        elif self.kind.op == "change_limit" and limit == arithmetic.UNSET:
            self.note(f"nothing to change: the container has no {self.kind.resource} limit")
        else:
            self._judge(f"{self.kind.resource} limit", limit, wanted[1], after[1])
            if after[0] != request:
                self.note(f"request lowered with the limit, to {self._text(after[0])}")
        return after

    def _judge(self, name: str, before: int, wanted: int, after: int) -> None:
        """Note an edit that the guardrails changed, or that changes nothing."""
        if after == before:
            refused = wanted not in {before, arithmetic.UNSET}
            why = f"refused: the guardrails are {self.bounds}" if refused else "nothing to change"
            self.note(f"{why}; {name} stays {self._text(before)}")
        elif after != wanted:
            self.note(
                f"clipped: {name} would be {self._text(wanted)}, the guardrails are "
                f"{self.bounds}: set to {self._text(after)}"
            )

    def _text(self, value: int) -> str:
        return _format(cast("Resource", self.kind.resource), value)


def _format(resource: Resource, value: int) -> str:
    if value == arithmetic.UNSET:
        return "unset"
    return str(value) if resource == "replicas" else format_resource(resource, value)
