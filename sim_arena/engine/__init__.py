"""The embedded cluster: what SimKube, KWOK and Kubernetes' control plane would show of a trace.

Two steps: `compile_trace` makes a `Program` of arrays from a trace and nodes; `Simulation` (or
`Batch`, for many) runs it in virtual time. Importing the package is cheap; Numba is loaded when
the first program runs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim_arena.engine.compiler import compile_trace
    from sim_arena.engine.observe import WorkloadStatus
    from sim_arena.engine.parameters import Parameters
    from sim_arena.engine.program import Program
    from sim_arena.engine.simulation import Batch, Simulation

__all__ = [
    "Batch",
    "Parameters",
    "Program",
    "Simulation",
    "WorkloadStatus",
    "compile_trace",
]

_HOMES = {
    "Batch": "simulation",
    "Parameters": "parameters",
    "Program": "program",
    "Simulation": "simulation",
    "WorkloadStatus": "observe",
    "compile_trace": "compiler",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
