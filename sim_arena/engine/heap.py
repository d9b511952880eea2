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

    The slot after it, `heap[size + 1]`, holds the entry while others make room for it.
    """
    if size == 0 or not _before(heap, size, (size - 1) >> 1):
        return
    hole = size
    entry = size + 1
    _copy(heap, entry, size)
    while hole > 0:
        parent = (hole - 1) >> 1
        if not _before(heap, entry, parent):
            break
        _copy(heap, hole, parent)
        hole = parent
    _copy(heap, hole, entry)


@jit
def pop(heap: Any, size: int) -> None:
    """Move the smallest of `size` entries to `heap[size - 1]` and mend the rest.

    The last entry fills the hole, further down: it stays where it is until its place is found.
    """
    last = size - 1
    if last == 0:
        return
    first = size
    _copy(heap, first, 0)
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= last:
            break
        if child + 1 < last and _before(heap, child + 1, child):
            child += 1
        if not _before(heap, child, last):
            break
        _copy(heap, hole, child)
        hole = child
    _copy(heap, hole, last)
    _copy(heap, last, first)
