"""The task `mutate`: apply an action to a trace file."""

from sim_arena import verbs
from sim_arena.actions import Action
from sim_arena.spec import EpisodeSpec
from sim_arena.verbs import Mutated
from tasks.options import verb

__all__ = ["mutate"]


@verb(lambda given: f"{given['action']['type']} on {given['spec'].deploy}", touches_cluster=False)
def mutate(spec: EpisodeSpec, trace: str, action: Action, out: str) -> Mutated:
    """Apply an action to a trace file. See `sim_arena.verbs.mutate`."""
    return verbs.mutate(spec, trace, action, out)
