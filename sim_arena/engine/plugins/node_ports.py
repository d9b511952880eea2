"""NodePorts: two pods cannot have the same host port on a node.

Source: Kubernetes `pkg/scheduler/framework/plugins/nodeports/node_ports.go`. Which templates
collide is decided by the compiler.
"""

from __future__ import annotations

from typing import Any

from sim_arena.engine.jit import jit

__all__ = ["are_free"]


@jit
def are_free(program: Any, state: Any, template: int, n: int) -> bool:
    """Say whether no pod on a node has one of the pod's host ports."""
    record = program.templates[template]
    for t in range(record.first_ports, record.end_ports):
        matches = program.matches[program.terms[t].matches]
        for u in range(program.header[0].templates):
            if matches[u] and state.placed[u, n] > 0:
                return False
    return True
