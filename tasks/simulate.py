"""The task `simulate`: start replaying a trace."""

from sim_arena import verbs
from sim_arena.clusters import Simulation
from sim_arena.spec import EpisodeSpec
from tasks.options import verb

__all__ = ["simulate"]


@verb(lambda given: f"simulate {given['spec'].deploy}, step {given['step'] + 1}")
def simulate(spec: EpisodeSpec, trace: str, step: int) -> Simulation:
    """Start replaying a trace. See `sim_arena.verbs.simulate`."""
    return verbs.simulate(spec, trace, step)
