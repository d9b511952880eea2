"""A DaemonSet's pods: which nodes they are for, and how the scheduler sees them.

Sources: Kubernetes `pkg/controller/daemon/daemon_controller.go` (NodeShouldRunDaemonPod) and
`pkg/controller/daemon/util/daemonset_util.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sim_arena.engine.compiler.matching import matches_selection, tolerates

if TYPE_CHECKING:
    from sim_arena.nodes import Node

__all__ = ["as_daemon", "node_uses"]

Object = Mapping[str, Any]

# Numbers of the uses in engine/daemonset.py.
_RUNS, _CONTINUES, _STOPS = range(3)

_NO_EXECUTE = ("not-ready", "unreachable")
_NO_SCHEDULE = ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")


def _with_tolerations(spec: Object) -> dict[str, Any]:
    no_schedule = list(_NO_SCHEDULE)
    if spec.get("hostNetwork"):
        no_schedule.append("network-unavailable")
    added = [(name, "NoExecute") for name in _NO_EXECUTE]
    added += [(name, "NoSchedule") for name in no_schedule]
    tolerations = [
        {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": effect}
        for name, effect in added
    ]
    return {**spec, "tolerations": [*(spec.get("tolerations") or ()), *tolerations]}


def as_daemon(spec: Object) -> dict[str, Any]:
    """Return the spec of a DaemonSet's pods without the node that each is for.

    Their required node affinity gives way to that node's name; the rest stays.
    """
    made = _with_tolerations(spec)
    affinity = dict(spec.get("affinity") or {})
    if affinity.get("nodeAffinity"):
        affinity["nodeAffinity"] = {
            field: terms
            for field, terms in affinity["nodeAffinity"].items()
            if field != "requiredDuringSchedulingIgnoredDuringExecution"
        }
        made["affinity"] = affinity
    return made


def node_uses(spec: Object, nodes: Sequence[Node]) -> list[int]:
    """Return for each node whether a pod should run there, may only stay, or must go.

    Resources are not looked at. A cordon is a taint that every DaemonSet's pod tolerates.
    """
    return [_use(_with_tolerations(spec), node) for node in nodes]


def _use(spec: Object, node: Node) -> int:
    if spec.get("nodeName") not in (None, "", node.name) or not matches_selection(spec, node):
        return _STOPS
    keeping = [
        taint.effect
        for taint in node.taints
        if taint.effect in ("NoSchedule", "NoExecute") and not tolerates(spec["tolerations"], taint)
    ]
    if not keeping:
        return _RUNS
    return _STOPS if "NoExecute" in keeping else _CONTINUES
