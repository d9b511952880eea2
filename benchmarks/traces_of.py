"""Traces and nodes for the benchmarks."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from sim_arena.nodes import Node

if TYPE_CHECKING:
    from pathlib import Path

    from traces import Trace

__all__ = ["crowd", "openb"]

GPU = "example.com/gpu-milli"  # shares of GPUs, as the recorded cluster gave them out
_MI = 1 << 20


def _trace(events: list[Any], lifecycles: Any = None) -> Trace:
    document: Any = {
        "version": 2,
        "config": {"trackedObjects": {}},
        "events": events,
        "index": {},
        "pod_lifecycles": lifecycles or {},
    }
    trace: Trace = document
    return trace


def crowd(pods: int) -> Trace:
    """A trace with one Deployment of `pods` small pods."""
    requests = {"cpu": "100m", "memory": "128Mi"}
    container = {"name": "app", "image": "app", "resources": {"requests": requests}}
    labels = {"app": "crowd"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "crowd", "namespace": "default"},
        "spec": {
            "replicas": pods,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    return _trace([{"ts": 0, "applied_objs": [deployment], "deleted_objs": []}])


def openb(folder: Path) -> tuple[Trace, list[Node]]:
    """Return the OpenB cluster: bare Pods that arrive and end, GPUs as an extended resource."""
    nodes = [
        Node(
            name=row["sn"],
            cpu=int(row["cpu_milli"]),
            memory=int(row["memory_mib"]) * _MI,
            pods=110,
            extended={GPU: 1000 * int(row["gpu"])},
        )
        for row in _rows(folder / "nodes.csv")
    ]
    events: dict[int, list[Any]] = {}
    lifecycles = {}
    for row in _rows(folder / "pods.csv"):
        start, end = int(row["creation_time"]), int(row["deletion_time"])
        events.setdefault(start, []).append(_pod(row))
        entries = [{"Finished": [start, max(start, end)]}]
        lifecycles[("v1.Pod", f"default/{row['name']}")] = {0: entries}
    ordered = [{"ts": ts, "applied_objs": events[ts], "deleted_objs": []} for ts in sorted(events)]
    return _trace(ordered, lifecycles), nodes


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _pod(row: dict[str, str]) -> dict[str, Any]:
    resources = {"cpu": f"{row['cpu_milli']}m", "memory": f"{row['memory_mib']}Mi"}
    gpus = int(row["num_gpu"]) * int(row["gpu_milli"])
    if gpus:
        resources[GPU] = str(gpus)
    container = {"name": "app", "image": "app", "resources": {"requests": resources}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": row["name"], "namespace": "default"},
        "spec": {"containers": [container]},
    }
