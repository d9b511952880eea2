"""What the next episode is about: drawn from a number that stands for the environment's seed.

Plain integer arithmetic that stays within 63 bits: the vector environment compiles it, so that
its episodes are those of as many single environments.
"""

import numpy as np

__all__ = ["base", "drawn"]

_MASK = 0xFFFFFFFF


def base(generator: np.random.Generator) -> int:
    """Return what an environment's episodes are drawn from until it is seeded again."""
    return int(generator.integers(2**63))


def drawn(base: int, episode: int, problems: int) -> tuple[int, int]:
    """Return the number of an episode's problem, and its simulation's seed.

    Args:
        base: 63 random bits, drawn once from the environment's seed
        episode: how many episodes were begun since then
        problems: how many problems there are to choose from
    """
    bits = _mixed((base & _MASK) ^ 0x9E3779B9)
    bits = _mixed(bits ^ (base >> 32))
    bits = _mixed(bits ^ (episode & _MASK))
    return bits * problems >> 32, _mixed(bits ^ 1) >> 1


def _mixed(x: int) -> int:
    """Return 32 bits that each depend on all of `x`."""
    x = ((x >> 16) ^ x) * 0x45D9F3B & _MASK
    x = ((x >> 16) ^ x) * 0x45D9F3B & _MASK
    return (x >> 16) ^ x
