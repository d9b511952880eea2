"""The task `preflight`: check what can be known before the first simulation."""

from sim_arena import verbs
from sim_arena.clusters import Check
from sim_arena.spec import EpisodeSpec
from tasks.options import verb

__all__ = ["preflight"]


@verb(lambda given: f"check {given['spec'].deploy}")
def preflight(spec: EpisodeSpec) -> list[Check]:
    """Check what can be known before the first simulation. See `sim_arena.verbs.preflight`."""
    return verbs.preflight(spec)
