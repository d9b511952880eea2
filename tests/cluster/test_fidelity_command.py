"""`sim-arena fidelity` and `sim-arena cluster`, as a user calls them, on the real control plane."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sim_arena.clusters.kube.api import Api
from tests.cluster.kwok_runs import api, has_lease, kubeconfig, namespaces, prepared
from tests.cluster.manifests import make_trace, workload
from traces import Trace, save_trace

__all__ = ["api", "kubeconfig", "prepared"]  # fixtures

pytestmark = pytest.mark.cluster


def run(*words: str, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", *words],
        capture_output=True,
        text=True,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},  # small traces; compiling takes longer
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status in {0, 1} and done.stdout else done.stderr


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    document = make_trace(
        (0, [workload("Deployment", "web", "7", replicas=8)], []),
        (600, [workload("Deployment", "web", "1", replicas=8)], []),
        (700, [], [workload("Deployment", "web", "1", replicas=8)]),
    )
    return save(tmp_path, document)


def save(folder: Path, document: Trace) -> Path:
    path = folder / "one.sktrace"
    save_trace(document, str(path))
    return path


def fidelity(trace: Path, *words: str, status: int = 0) -> Any:
    return json.loads(
        run("fidelity", "--trace", str(trace), "--seeds", "8", "--json", *words, status=status)
    )


def test_the_two_agree_after_every_event_and_nothing_is_left(prepared: Api, trace: Path) -> None:
    found = fidelity(trace, "--nodes", "3x16cpu,32Gi")
    assert found["agrees"]
    assert [event["t"] for event in found["events"]] == [0, 600, 700]
    shown = [event["workloads"][0]["real"] for event in found["events"]]
    assert [(w["ready"], w["pending"], w["total"]) for w in shown] == [
        (6, 2, 8),
        (8, 0, 8),
        (0, 0, 0),
    ]
    assert namespaces(prepared) == []
    assert has_lease(prepared) is None


def test_what_the_server_refuses_ends_it_with_status_1(prepared: Api, tmp_path: Path) -> None:
    web = workload("Deployment", "web", replicas=1)
    web["spec"]["selector"]["matchLabels"] = {"app": "other"}
    found = fidelity(save(tmp_path, make_trace((0, [web], []))), status=1)
    assert not found["agrees"]
    assert "refused to apply Deployment test-ns/web" in found["error"]
    assert namespaces(prepared) == []


@pytest.mark.usefixtures("prepared")
def test_other_nodes_than_there_are_are_refused(trace: Path) -> None:
    told = run("fidelity", "--trace", str(trace), "--nodes", "3x8cpu,16Gi", status=2)
    assert "other nodes than asked for: node-0: cpu 16000, asked 8000" in told
    assert "sim-arena cluster prepare" in told


@pytest.mark.usefixtures("kubeconfig")
def test_a_cluster_is_prepared_and_cleaned_by_commands(api: Api) -> None:
    told = run("cluster", "prepare", "--nodes", "2x4cpu,8Gi")
    assert "node node-1 made" in told
    assert "made" not in run("cluster", "prepare", "--nodes", "2x4cpu,8Gi")
    assert run("cluster", "clean") == "Nothing was left.\n"
    told = run("cluster", "clean", "--prepared")
    assert "node node-1 removed" in told
    assert "namespace sim-arena removed" in told
    assert api.list("/api/v1/nodes") == []


def test_a_dry_run_prints_what_would_be_made() -> None:
    made = list(yaml.safe_load_all(run("cluster", "prepare", "--nodes", "2x4cpu,8Gi", "--dry-run")))
    kinds = [obj["kind"] for obj in made]
    assert kinds == ["Namespace", *["Stage"] * 6, "Node", "Node"]
    assert all(obj["metadata"]["labels"]["sim-arena.io/prepared"] == "true" for obj in made)
    assert made[-1]["status"]["allocatable"] == {
        "cpu": "4000m",
        "memory": str(8 << 30),
        "pods": "110",
    }
