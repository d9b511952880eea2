"""What a container uses, read from the pod template's annotations.

KWOK's `kwok.x-k8s.io/usage-cpu` and `kwok.x-k8s.io/usage-memory` give every regular container
the full value (1m and 1Mi where they are missing, as in KWOK's stage). Our own
`usage.sim-arena.io/CONTAINER: "cpu=200m,memory=300Mi"` names one container and goes before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from traces import TraceError
from traces.quantities import parse_cpu, parse_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["usage_of"]

_CPU = "kwok.x-k8s.io/usage-cpu"
_MEMORY = "kwok.x-k8s.io/usage-memory"
_OURS = "usage.sim-arena.io/"


def usage_of(annotations: Mapping[str, str], container: str) -> tuple[int, int]:
    """Return what a container uses, in milli-CPU and bytes.

    Raises:
        TraceError: if an annotation cannot be read.
    """
    cpu = parse_cpu(annotations.get(_CPU, "1m"))
    memory = parse_memory(annotations.get(_MEMORY, "1Mi"))
    text = annotations.get(_OURS + container)
    if text is None:
        return cpu, memory
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name == "cpu":
            cpu = parse_cpu(value)
        elif name == "memory":
            memory = parse_memory(value)
        else:
            raise TraceError(
                f"annotation {_OURS}{container}: expected 'cpu=200m,memory=300Mi', found {text!r}"
            )
    return cpu, memory
