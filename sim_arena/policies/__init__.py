"""Policies: the hand-written ones, and the way to load any other.

A policy is a function `policy(obs, deploy) -> action`, or an object with
`get_action(obs, deploy)` and, if it has a state, `reset(seed)`.
"""

from sim_arena.policies.base import (
    FAILURES,
    Policy,
    PolicyFunction,
    adapt,
    checked,
    decide,
    is_pure,
    name_of,
    pure,
    reset,
)
from sim_arena.policies.loading import ENTRY_POINTS, REGISTRY, available, describe, load

__all__ = [
    "ENTRY_POINTS",
    "FAILURES",
    "REGISTRY",
    "Policy",
    "PolicyFunction",
    "adapt",
    "available",
    "checked",
    "decide",
    "describe",
    "is_pure",
    "load",
    "name_of",
    "pure",
    "reset",
]
