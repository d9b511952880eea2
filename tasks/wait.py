"""The task `wait`: wait for the end of the simulated window."""

from sim_arena import verbs
from sim_arena.clusters import Simulation
from tasks.options import verb

__all__ = ["wait"]


@verb(
    lambda given: (
        f"wait for {given['simulation']['deploy']}, step {given['simulation']['step'] + 1}"
    )
)
def wait(simulation: Simulation) -> list[str]:
    """Wait for the end of the simulated window. See `sim_arena.verbs.wait`."""
    return verbs.wait(simulation)
