"""The real control plane beside it: how many pods a second etcd, API server and scheduler place."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.clusters import big_cluster
from benchmarks.figures import Figure
from benchmarks.traces_of import crowd

__all__ = ["measure"]

_NODES = 100
_PODS = 300
_PATIENCE_S = 300.0


def measure() -> list[Figure]:
    """Place a Deployment's pods; nothing where no control plane was built."""
    from tests.cluster.build import MissingBinariesError, find_binaries  # noqa: PLC0415 - see below

    try:
        binaries = find_binaries()
    except MissingBinariesError as error:
        print(f"the real control plane is left out: {error}")
        return []
    from tests.cluster.harness import ControlPlane  # noqa: PLC0415 - only where it is needed
    from tests.cluster.nodes import add_nodes  # noqa: PLC0415 - likewise

    with ControlPlane(binaries=binaries) as control_plane:
        add_nodes(control_plane.api, big_cluster(_NODES), virtual=False)
        (deployment,) = crowd(_PODS)["events"][0]["applied_objs"]
        start = time.monotonic()
        control_plane.api.apply(dict(deployment))
        seconds = _until_bound(control_plane.api, start)
    return [
        Figure(
            f"the real control plane, pods/s at {_NODES} nodes",
            _PODS / seconds,
            "/s",
            note=f"{_PODS} pods of a Deployment, wall time until the last is bound",
        )
    ]


def _until_bound(api: Any, start: float) -> float:
    """Return the seconds since `start` until every pod has a node."""
    path = api.path({"apiVersion": "v1", "kind": "Pod"}, "default")
    while True:
        pods = api.request("get", path)["items"]
        seconds = time.monotonic() - start
        if sum(bool(pod["spec"].get("nodeName")) for pod in pods) == _PODS:
            return seconds
        if seconds > _PATIENCE_S:
            raise RuntimeError(f"expected {_PODS} bound pods within {_PATIENCE_S:.0f} s")
        time.sleep(0.1)
