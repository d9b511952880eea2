"""Finds the place where a MessagePack document is damaged.

Only used once decoding has failed: it reads headers one by one, builds nothing, and so names
the byte and the path without needing memory for what a damaged length claims.

Source: the MessagePack specification, https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from typing import NamedTuple

from traces.errors import TraceError, key_path, shorten

__all__ = ["MAX_DEPTH", "locate_damage"]

MAX_DEPTH = 128
"""Maps and lists nested deeper than this are refused; SimKube's own objects stay below 30."""


class _Header(NamedTuple):
    kind: str
    start: int  # of what follows the header
    length: int  # bytes of a scalar, elements of a list, entries of a map


class _Open:
    """A list or map whose end has not been reached."""

    def __init__(self, header: _Header) -> None:
        self.is_map = header.kind == "map"
        self.left = header.length * (2 if self.is_map else 1)
        self.done = 0
        self.key = "?"
        self.keys: set[bytes] = set()

    def step(self) -> str:
        if not self.is_map:
            return f"[{self.done}]"
        return self.key if self.done % 2 else "(key)"


def locate_damage(data: bytes) -> TraceError | None:
    """Return what is wrong with the bytes and where, or None if they are one whole document."""
    stack: list[_Open] = []
    at = 0
    try:
        while True:
            header = _read_header(data, at)
            end = header.start + (0 if header.kind in ("map", "list") else header.length)
            _check(data, header, end, len(stack))
            if stack and stack[-1].is_map and stack[-1].done % 2 == 0:
                _check_key(stack[-1], header.kind, data[at:end])
                stack[-1].key = _key(data, header, end)
            at = end
            if header.kind in ("map", "list"):
                stack.append(_Open(header))
            elif stack:
                stack[-1].done += 1
            while stack and stack[-1].done == stack[-1].left:
                stack.pop()
                if stack:
                    stack[-1].done += 1
            if not stack:
                break
    except _DamageError as damage:
        path = ".".join(level.step() for level in stack).replace(".[", "[")
        inside = f" (in {shorten(path)})" if path else ""
        return TraceError(f"{damage.problem}{inside}", f"byte {at}")
    if at < len(data):
        return TraceError(
            f"the document ends here, but {len(data) - at} bytes follow", f"byte {at}"
        )
    return None


class _DamageError(Exception):
    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


_SIZED = {  # first byte: what it starts, bytes of its length
    0xC4: ("binary", 1),
    0xC5: ("binary", 2),
    0xC6: ("binary", 4),
    0xD9: ("text", 1),
    0xDA: ("text", 2),
    0xDB: ("text", 4),
    0xDC: ("list", 2),
    0xDD: ("list", 4),
    0xDE: ("map", 2),
    0xDF: ("map", 4),
}
_NUMBERS = {
    0xCA: 4,
    0xCB: 8,
    0xCC: 1,
    0xCD: 2,
    0xCE: 4,
    0xCF: 8,
    0xD0: 1,
    0xD1: 2,
    0xD2: 4,
    0xD3: 8,
}


def _read_header(data: bytes, at: int) -> _Header:
    if at >= len(data):
        raise _DamageError("the file ends in the middle of the document: it is truncated")
    first = data[at]
    if first in _SIZED:
        kind, width = _SIZED[first]
        if at + 1 + width > len(data):
            raise _DamageError("the file ends inside a length: it is truncated")
        return _Header(kind, at + 1 + width, int.from_bytes(data[at + 1 : at + 1 + width], "big"))
    if first in _NUMBERS:
        return _Header("number", at + 1, _NUMBERS[first])
    if first < 0x80 or first >= 0xE0 or first in (0xC0, 0xC2, 0xC3):
        return _Header("number", at + 1, 0)
    if first < 0x90:
        return _Header("map", at + 1, first & 0x0F)
    if first < 0xA0:
        return _Header("list", at + 1, first & 0x0F)
    if first < 0xC0:
        return _Header("text", at + 1, first & 0x1F)
    if first == 0xC1:
        raise _DamageError("the byte 0xc1 starts nothing in MessagePack: the file is damaged")
    raise _DamageError("expected JSON-like data, found a MessagePack extension type")


def _check(data: bytes, header: _Header, end: int, depth: int) -> None:
    left = len(data) - header.start
    if header.kind in ("map", "list"):
        if depth >= MAX_DEPTH:
            raise _DamageError(f"maps and lists are nested deeper than {MAX_DEPTH}")
        if header.length * (2 if header.kind == "map" else 1) > left:
            raise _DamageError(
                f"a {header.kind} claims {header.length} elements, but only {left} bytes follow: "
                "the file is truncated or damaged"
            )
        return
    if end > len(data):
        raise _DamageError(
            f"a {header.kind} claims {header.length} bytes, but only {left} follow: "
            "the file is truncated or damaged"
        )
    if header.kind == "binary":
        raise _DamageError("expected JSON-like data, found binary data")
    if header.kind == "text":
        try:
            data[header.start : end].decode()
        except UnicodeDecodeError as error:
            raise _DamageError(f"a text is not UTF-8: {error.reason}") from None


def _check_key(level: _Open, kind: str, raw: bytes) -> None:
    if kind == "map":
        raise _DamageError("expected a text as a map's key, found a map")
    if kind != "list":
        if raw in level.keys:
            raise _DamageError("a key stands twice in one map")
        level.keys.add(raw)


def _key(data: bytes, header: _Header, end: int) -> str:
    return key_path(data[header.start : end].decode()) if header.kind == "text" else "[...]"
