"""What SimKube does to a trace's objects before it applies them: the arena's own replayer knows."""

from sim_arena.clusters.kwok.rewriting import (
    ORIGINAL_NAMESPACE,
    SIMULATION_LABEL,
    TOLERATION,
    Simulation,
    virtual_namespace,
    virtual_object,
)

__all__ = [
    "ORIGINAL_NAMESPACE",
    "SIMULATION_LABEL",
    "TOLERATION",
    "Simulation",
    "virtual_namespace",
    "virtual_object",
]
