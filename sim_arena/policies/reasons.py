"""What the scheduler's messages say: how many nodes a pod was refused by, and why."""

from collections import Counter
from collections.abc import Mapping

__all__ = ["causes"]

_BEGINS = "nodes are available: "


def causes(reasons: Mapping[str, int] | None) -> Counter[str]:
    """Return how often each cause is named, over nodes and pods.

    Args:
        reasons: the scheduler's messages with the pods that carry them, such as
            `0/3 nodes are available: 1 Insufficient memory, 3 Insufficient cpu. no new claims to
            deallocate, preemption: 0/3 nodes are available: ...`, which counts 1 and 3 for each
            pod. What follows the first full stop is about preemption and is left out.

    Returns:
        counts by the cause's own words; a message of another form counts as a cause by itself
    """
    found: Counter[str] = Counter()
    for message, pods in (reasons or {}).items():
        _, begins, rest = message.partition(_BEGINS)
        if not begins:
            found[message] += pods
            continue
        for part in rest.partition(". ")[0].removesuffix(".").split(", "):
            nodes, _, cause = part.partition(" ")
            counted = nodes.isdecimal() and bool(cause)
            found[cause if counted else part] += pods * (int(nodes) if counted else 1)
    return found
