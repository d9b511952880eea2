"""The task `record`: write a step to its run's folder."""

from sim_arena import verbs
from sim_arena.records import StepRecord
from tasks.options import verb

__all__ = ["record"]


@verb(lambda given: f"record step {given['step']['step'] + 1}", touches_cluster=False)
def record(folder: str, step: StepRecord) -> None:
    """Write a step to its run's folder. See `sim_arena.verbs.record`."""
    verbs.record(folder, step)
