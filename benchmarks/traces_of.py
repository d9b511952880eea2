"""Traces and nodes for the benchmarks."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from sim_arena.nodes import Node

if TYPE_CHECKING:
    from pathlib import Path

    from traces import Trace

__all__ = ["contest", "crowd", "openb", "rollouts"]

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
    return _trace([{"ts": 0, "applied_objs": [_deployment(pods, "100m")], "deleted_objs": []}])


def contest(pods: int) -> Trace:
    """Pods that each take a cpu, and run for 10 to 50 s: more than have room."""
    lifecycles = {
        ("apps/v1.Deployment", "default/crowd"): {
            0: [{"Finished": [0, 10 * (1 + n % 5)]} for n in range(pods)]
        }
    }
    event = {"ts": 0, "applied_objs": [_deployment(pods, "1")], "deleted_objs": []}
    end = {"ts": 600, "applied_objs": [], "deleted_objs": []}
    return _trace([event, end], lifecycles)


def rollouts(count: int) -> Trace:
    """One Deployment of three pods that is rolled out `count` times."""
    return _trace(
        [
            {"ts": n, "applied_objs": [_deployment(3, f"{100 + n}m")], "deleted_objs": []}
            for n in range(count)
        ]
    )


def _deployment(replicas: int, cpu: str) -> dict[str, Any]:
    requests = {"cpu": cpu, "memory": "128Mi"}
    container = {"name": "app", "image": "app", "resources": {"requests": requests}}
    labels = {"app": "crowd"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "crowd", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


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
