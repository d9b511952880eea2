"""The task `observe`: read the workload's state."""

from sim_arena import verbs
from sim_arena.clusters import Simulation
from sim_arena.observation import Observation
from tasks.options import verb

__all__ = ["observe"]


@verb(
    lambda given: f"observe {given['simulation']['deploy']}, step {given['simulation']['step'] + 1}"
)
def observe(simulation: Simulation) -> Observation:
    """Read the workload's state. See `sim_arena.verbs.observe`."""
    return verbs.observe(simulation)
