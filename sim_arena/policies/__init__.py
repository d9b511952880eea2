"""Policies: the hand-written ones, and the way to load any other.

A policy is a function `policy(obs, deploy) -> action`, or an object with
`get_action(obs, deploy)` and, if it has a state, `reset(seed)`.
"""

from sim_arena.policies.base import (
    Policy,
    PolicyFunction,
    adapt,
    answer_of,
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
    "REGISTRY",
    "Policy",
    "PolicyFunction",
    "adapt",
    "answer_of",
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
