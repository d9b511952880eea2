"""Helpers of the trace tests: the real traces, a small made-up one, and strategies."""

import copy
from pathlib import Path
from typing import Any

import pytest

import traces
from traces.document import Trace
from traces.upgrade import build_config, build_index

SHARED = Path(__file__).resolve().parents[3] / "shared" / "traces"
NAMES = ("bare-pods", "cronjob", "dsb-scaling")


@pytest.fixture(params=NAMES)
def real_trace(request: pytest.FixtureRequest) -> Path:
    """One of the traces that SimKube recorded on real clusters."""
    path = SHARED / f"{request.param}.sktrace"
    if not path.is_file():
        pytest.skip(f"{path} is not there: the recorded traces lie beside the repository")
    return path


@pytest.fixture
def dsb_scaling() -> Path:
    path = SHARED / "dsb-scaling.sktrace"
    if not path.is_file():
        pytest.skip(f"{path} is not there: the recorded traces lie beside the repository")
    return path


class Build:
    """Makes small traces."""

    @staticmethod
    def workload(
        name: str = "web",
        namespace: str | None = "test-ns",
        kind: str = "Deployment",
        replicas: int | None = 3,
        **containers: Any,
    ) -> dict[str, Any]:
        resources = containers or {"web": {"requests": {"cpu": "1", "memory": "1Gi"}}}
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
        spec: dict[str, Any] = {"selector": {"matchLabels": {"app": name}}}
        if replicas is not None:
            spec["replicas"] = replicas
        spec["template"] = {
            "metadata": {"labels": {"app": name}},
            "spec": {
                "containers": [
                    {"name": container, "image": "nginx", "resources": copy.deepcopy(amounts)}
                    for container, amounts in resources.items()
                ]
            },
        }
        return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}

    @staticmethod
    def trace(*events: list[dict[str, Any]]) -> Trace:
        """Return a valid trace that applies some objects, one list an event."""
        made: list[Any] = [
            {"ts": 1_700_000_000 + 10 * position, "applied_objs": objects, "deleted_objs": []}
            for position, objects in enumerate(events)
        ]
        return {
            "version": 2,
            "config": build_config(made),
            "events": made,
            "index": build_index(made),
            "pod_lifecycles": {},
        }


@pytest.fixture
def build() -> type[Build]:
    return Build


@pytest.fixture
def web(build: type[Build]) -> Trace:
    return build.trace([build.workload()])


@pytest.fixture(scope="session")
def generated() -> list[tuple[str, Trace, traces.ManifestEntry]]:
    return traces.generate(seed=7, count=44)
