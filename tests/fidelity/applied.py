"""When the objects of a program were really applied."""

from collections.abc import Iterator

from sim_arena.engine.program import Program
from tests.fidelity.account import Account
from tests.fidelity.recording import Application

_RULES = frozenset(
    {
        "LimitRange",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "PriorityClass",
        "ResourceQuota",
    }
)


def applied(account: Account, program: Program) -> Iterator[int | None]:
    """The time of each application of a program, up to the first that was refused.

    None for what was not applied: a rule may also change by the passing of time.
    """
    workloads = {str(ref) for ref in program.workloads}
    left = list(account.recording.applications)
    for row in program.arrays.applications:
        wanted = "" if row["rule"] > 0 else str(program.workloads[row["workload"]])
        place = _place(left, wanted, workloads)
        if place is not None:
            yield account.took_effect(left[place])
            del left[: place + 1]
        elif wanted:
            return  # the API server has refused something before
        else:
            yield None


def _place(left: list[Application], wanted: str, workloads: set[str]) -> int | None:
    """Where an object was applied: a workload, or a rule (no text) before the next workload."""
    for place, application in enumerate(left):
        if application.thing == wanted:
            return place
        if not wanted and application.thing.split(" ", 1)[0] in _RULES:
            return place
        if not wanted and application.thing in workloads:
            return None
    return None
