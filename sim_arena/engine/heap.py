"""A binary heap of records, smallest `(a, b, c)` first, in an array that the caller keeps."""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit

__all__ = ["before", "copy", "pop", "push"]


@jit
def before(heap: Any, i: int, j: int) -> bool:
    """Say whether entry `i` comes before entry `j`."""
    if heap[i].a != heap[j].a:
        return heap[i].a < heap[j].a
    if heap[i].b != heap[j].b:
        return heap[i].b < heap[j].b
    return heap[i].c < heap[j].c


@jit
def copy(heap: Any, to: int, source: int) -> None:
    """Write one entry over another."""
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
    if size == 0 or not before(heap, size, (size - 1) >> 1):
        return
    hole = size
    entry = size + 1
    copy(heap, entry, size)
    while hole > 0:
        parent = (hole - 1) >> 1
        if not before(heap, entry, parent):
            break
        copy(heap, hole, parent)
        hole = parent
    copy(heap, hole, entry)


@jit
def pop(heap: Any, size: int) -> None:
    """Move the smallest of `size` entries to `heap[size - 1]` and mend the rest.

    The last entry fills the hole, further down: it stays where it is until its place is found.
    """
    last = size - 1
    if last == 0:
        return
    first = size
    copy(heap, first, 0)
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= last:
            break
        if child + 1 < last and before(heap, child + 1, child):
            child += 1
        if not before(heap, child, last):
            break
        copy(heap, hole, child)
        hole = child
    copy(heap, hole, last)
    copy(heap, last, first)
