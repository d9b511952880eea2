"""A binary heap of records, smallest `(a, b, c)` first, in an array that the caller keeps."""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit

__all__ = ["pop", "push"]


@jit
def _before(heap: Any, i: int, j: int) -> bool:
    if heap[i].a != heap[j].a:
        return heap[i].a < heap[j].a
    if heap[i].b != heap[j].b:
        return heap[i].b < heap[j].b
    return heap[i].c < heap[j].c


@jit
def _copy(heap: Any, to: int, source: int) -> None:
    heap[to].a = heap[source].a
    heap[to].b = heap[source].b
    heap[to].c = heap[source].c
    heap[to].kind = heap[source].kind
    heap[to].pod = heap[source].pod
    heap[to].container = heap[source].container
    heap[to].token = heap[source].token


@jit
def push(heap: Any, size: int) -> None:
    """Take the entry that was written at `heap[size]` into the heap of `size` entries.

    The slot after it, `heap[size + 1]`, is used as room for exchanges.
    """
    child = size
    room = size + 1
    while child > 0:
        parent = (child - 1) >> 1
        if not _before(heap, child, parent):
            return
        _copy(heap, room, child)
        _copy(heap, child, parent)
        _copy(heap, parent, room)
        child = parent


@jit
def pop(heap: Any, size: int) -> None:
    """Move the smallest of `size` entries to `heap[size - 1]` and mend the rest."""
    last = size - 1
    if last == 0:
        return
    room = size
    _copy(heap, room, 0)
    _copy(heap, 0, last)
    _copy(heap, last, room)
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= last:
            return
        if child + 1 < last and _before(heap, child + 1, child):
            child += 1
        if not _before(heap, child, parent):
            return
        _copy(heap, room, parent)
        _copy(heap, parent, child)
        _copy(heap, child, room)
        parent = child
