"""Rows and columns that the tests of this folder share."""

from pathlib import Path
from typing import Any

import pytest

from results import STEP_COLUMNS, Column, Run

COLUMNS = (
    *STEP_COLUMNS,
    Column("obs_ready", "int", "pods", "Running with every container ready"),
    Column("obs_throttled", "float", "share", "CPU time wanted and not given"),
    Column("obs_reasons", "counts", "pods", "messages of the scheduler"),
    Column("obs_events", "names", "", "reasons of the latest events"),
    Column(
        "obs_containers",
        "structs",
        "",
        "the containers",
        (
            Column("name", "str", "", "the container's name"),
            Column("cpu_request", "int", "mCPU", "requested"),
        ),
    ),
)


def make_row(episode: int = 0, step: int = 0, **values: Any) -> dict[str, Any]:
    return {
        "episode": episode,
        "step": step,
        "trace": "demo/a.sktrace",
        "policy": "heuristic",
        "seed": 7,
        "target": 3,
        "duration": 30.0,
        "action": {"type": "reduce_cpu_small", "deploy": "web", "step": "500m"},
        "action_type": "reduce_cpu_small",
        "changed": True,
        "changes": [{"event": 0, "field": "requests.cpu", "before": "20", "after": "19500m"}],
        "notes": ["clipped"],
        "reward": 0.0,
        "success": False,
        "started_at": "2026-01-31T12:00:00+00:00",
        "wall_seconds": 0.25,
        "obs_ready": 1,
        "obs_reasons": {"0/3 nodes are available: 3 Insufficient cpu.": 2},
        "obs_events": ["FailedScheduling"],
        "obs_containers": [{"name": "web", "cpu_request": 20_000}],
        **values,
    }


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def run(runs_dir: Path) -> Run:
    return Run.create(runs_dir, columns=COLUMNS, parameters={"policy": "heuristic"})


@pytest.fixture
def columns() -> tuple[Column, ...]:
    return COLUMNS


@pytest.fixture
def row() -> Any:
    return make_row
