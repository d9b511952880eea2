"""The hash of an object's spec that SimKube keeps in a trace's index.

It is Rust's default hasher, SipHash-1-3 with both keys 0, over the spec's JSON value.
Sources: SimKube `sk-core/src/jsonutils.rs`; Rust `core::hash::sip`; the algorithm is by
Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012).
"""

import struct
from collections.abc import Iterator
from typing import Any

__all__ = ["object_hash", "siphash13"]

_MASK = (1 << 64) - 1


def object_hash(value: Any) -> int:
    """Return SimKube's hash of a JSON value, an unsigned 64-bit number.

    Depth first: a map's entries in sorted order of the keys, key then value; texts as UTF-8
    and a byte 0xff; numbers and null as 8 bytes, booleans as one. Lists and maps add no length.

    Args:
        value: Any JSON value; usually an object's `spec`.

    Raises:
        TypeError: The value is not JSON.
    """
    return siphash13(b"".join(_pieces(value)))


def siphash13(data: bytes) -> int:
    """Return SipHash-1-3 with both keys 0 of some bytes."""
    # The published initial state, xored with the keys, which are 0.
    state = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    whole = len(data) - len(data) % 8
    last = data[whole:].ljust(7, b"\0") + bytes([len(data) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", data[:whole] + last):
        v0, v1, v2, v3 = state
        v0, v1, v2, v3 = _round(v0, v1, v2, v3 ^ word)
        state = (v0 ^ word, v1, v2, v3)
    v0, v1, v2, v3 = state
    v2 ^= 0xFF
    for _ in range(3):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


def _pieces(value: Any) -> Iterator[bytes]:
    match value:
        case None:
            yield bytes(8)
        case bool():
            yield b"\1" if value else b"\0"
        case int():
            yield (value & _MASK).to_bytes(8, "little")
        case float():
            yield struct.pack("<d", value)
        case str():
            yield value.encode() + b"\xff"
        case list() | tuple():
            for element in value:
                yield from _pieces(element)
        case dict():
            # Rust sorts strings by their UTF-8 bytes, which is also the order of code points.
            for key in sorted(value):
                yield from _pieces(key)
                yield from _pieces(value[key])
        case _:
            raise TypeError(f"expected a JSON value, found a {type(value).__name__}")


def _round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    v0 = (v0 + v1) & _MASK
    v1 = ((v1 << 13 | v1 >> 51) & _MASK) ^ v0
    v0 = (v0 << 32 | v0 >> 32) & _MASK
    v2 = (v2 + v3) & _MASK
    v3 = ((v3 << 16 | v3 >> 48) & _MASK) ^ v2
    v0 = (v0 + v3) & _MASK
    v3 = ((v3 << 21 | v3 >> 43) & _MASK) ^ v0
    v2 = (v2 + v1) & _MASK
    v1 = ((v1 << 17 | v1 >> 47) & _MASK) ^ v2
    v2 = (v2 << 32 | v2 >> 32) & _MASK
    return v0, v1, v2, v3
