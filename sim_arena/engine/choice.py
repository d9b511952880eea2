"""Every free choice of the engine: counter-based random numbers.

A number depends on the seed, the purpose and the thing that it is for, never on how many were
drawn before. The mixing is done in 32-bit steps inside int64, so that compiled code and plain
Python agree and nothing overflows.
"""

from __future__ import annotations

from sim_arena.engine.jit import jit

__all__ = [
    "DAEMONS",
    "GARBAGE",
    "NODE",
    "OFFSET",
    "ORDER",
    "PULL",
    "RELEASE",
    "RETRY",
    "ROLLOUT",
    "SEQUENCE",
    "STARTUP",
    "TIE",
    "UID",
    "VICTIM",
    "choose",
    "draw",
    "draw_quickly",
]

# Purposes.
TIE, UID, PULL, STARTUP, ORDER, GARBAGE, OFFSET = range(1, 8)
NODE, ROLLOUT, RETRY, VICTIM, RELEASE, DAEMONS, SEQUENCE = range(8, 15)

_MASK = 0xFFFFFFFF


@jit
def _mix(x: int) -> int:
    x = ((x >> 16) ^ x) * 0x45D9F3B & _MASK
    x = ((x >> 16) ^ x) * 0x45D9F3B & _MASK
    return (x >> 16) ^ x


@jit
def draw(seed: int, purpose: int, serial: int) -> int:
    """Return 32 random bits for one thing."""
    x = _mix((seed & _MASK) ^ 0x9E3779B9)
    x = _mix(x ^ (seed >> 32 & _MASK))
    x = _mix(x ^ purpose)
    x = _mix(x ^ (serial & _MASK))
    return _mix(x ^ (serial >> 32 & _MASK))


@jit
def draw_quickly(base: int, serial: int) -> int:
    """Return 32 random bits for one thing, from a number that `draw` gave for all of its kind."""
    return _mix((base ^ serial) & _MASK)


@jit
def choose(seed: int, purpose: int, serial: int, count: int) -> int:
    """Return which of `count` equally good things is taken, 0 to `count - 1`."""
    return draw(seed, purpose, serial) * count >> 32
