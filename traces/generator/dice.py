"""Random choices that are the same on every machine and with every version of Python."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

__all__ = ["Dice"]

T = TypeVar("T")


class Dice:
    """A stream of choices that depends on nothing but its key: BLAKE2b of key and counter."""

    def __init__(self, *key: object) -> None:
        self._key = "/".join(map(str, key)).encode()
        self._count = 0

    def below(self, end: int) -> int:
        """Return a whole number from 0 up to, but not including, `end`."""
        self._count += 1
        digest = blake2b(self._count.to_bytes(8, "little"), key=self._key[:64], digest_size=8)
        return int.from_bytes(digest.digest(), "little") % end

    def between(self, low: int, high: int, step: int = 1) -> int:
        """Return one of `low, low + step, ...` up to and including `high`."""
        return low + step * self.below((high - low) // step + 1)

    def chance(self, percent: int) -> bool:
        """Return True in so many of 100 cases."""
        return self.below(100) < percent

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[self.below(len(options))]

    def some(self, options: Sequence[T], count: int) -> list[T]:
        """Return different ones of the options, in a random order."""
        left = list(options)
        return [left.pop(self.below(len(left))) for _ in range(count)]
