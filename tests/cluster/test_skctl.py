"""`skctl validate`, SimKube's own, takes every trace that is written here."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sim_arena import actions
from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.snapshot import snapshot
from sim_arena.errors import PermanentError
from tests.cluster.build import MissingBinariesError
from tests.cluster.kwok_runs import DEMO, api, kubeconfig, prepared
from tests.cluster.manifests import NAMESPACE, bare_pod, job, workload
from tests.cluster.simkube_build import find_simkube
from tests.cluster.waiting import wait_until
from tests.traces.test_importers import WEB
from traces import Trace, findings, generate, load_manifest, load_trace, save_trace
from traces.importers import assemble, read_text

__all__ = ["api", "kubeconfig", "prepared"]  # fixtures

pytestmark = pytest.mark.cluster

Takes = Callable[[Path], None]
WELL = ["Validation errors found:", "-" * 70]


@pytest.fixture(scope="module")
def takes() -> Takes:
    """Have skctl look at a file; anything that it finds is a failure."""
    try:
        skctl = find_simkube()["skctl"]
    except MissingBinariesError as error:
        pytest.skip(str(error))

    def check(file: Path) -> None:
        done = subprocess.run(
            [skctl, "validate", "check", file], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout.splitlines()) == (0, WELL), f"{file}: {done}"
        assert findings(load_trace(file)) == []

    return check


def written(folder: Path, trace: Trace) -> Path:
    path = folder / "written.sktrace"
    save_trace(trace, path)
    return path


def test_it_objects_to_what_is_wrong(takes: Takes, tmp_path: Path) -> None:
    trace = assemble(read_text(WEB, "web")).trace
    trace["events"][0]["applied_objs"][1]["status"] = {"replicas": 1}
    with pytest.raises(AssertionError, match="status_field_populated"):
        takes(written(tmp_path, trace))


def test_the_demo_traces(takes: Takes) -> None:
    entries = load_manifest(DEMO)
    assert len(entries) == 100
    for entry in entries:
        takes(DEMO / entry.file)


def test_generated_traces(takes: Takes, tmp_path: Path) -> None:
    for _, trace, _ in generate(seed=7, count=10):
        takes(written(tmp_path, trace))


def test_edited_traces(takes: Takes, tmp_path: Path) -> None:
    [entry, *_] = load_manifest(DEMO)
    changed = []
    for name in actions.REGISTRY:
        trace = load_trace(DEMO / entry.file)
        action = {"type": name, "deploy": entry.name}
        if actions.apply_to_trace(trace, action, namespace=entry.namespace).changed:
            changed.append(name)
            takes(written(tmp_path, trace))
    assert len(changed) > 5


def test_imported_traces(takes: Takes, tmp_path: Path) -> None:
    takes(written(tmp_path, assemble(read_text(WEB, "web")).trace))


def live(client: Api) -> None:
    """Put workloads into a namespace, and wait until the controllers have done their part."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    client.create(namespace)
    wait_until(lambda: None if client.exists(account, NAMESPACE, "default") else "no account", 30)
    robot = {**account, "metadata": {"name": "robot", "namespace": NAMESPACE}}
    web = workload("Deployment", "web", replicas=2)
    web["spec"]["template"]["spec"] |= {
        "serviceAccountName": "robot",
        "nodeSelector": {"type": "virtual"},
        "tolerations": [{"key": "kwok-provider", "operator": "Exists"}],
    }
    for obj in (
        robot,
        web,
        workload("StatefulSet", "db", replicas=1, serviceName="db"),
        workload("DaemonSet", "agent"),
        job("work"),
        bare_pod("alone"),
    ):
        client.create(obj)
    pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
    wait_until(lambda: None if len(client.list(pods)) >= 5 else "too few pods", 60)


def specs(client: Api) -> list[tuple[str, int]]:
    """What tells whether somebody changed the Deployments, and not only their status."""
    found = client.list(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments")
    return [(one["metadata"]["uid"], one["metadata"]["generation"]) for one in found]


def test_a_snapshot_holds_what_was_applied_and_no_more(
    prepared: Api, takes: Takes, tmp_path: Path
) -> None:
    live(prepared)
    try:
        before = specs(prepared)
        found = snapshot(prepared, [NAMESPACE])
        after = specs(prepared)
        with pytest.raises(PermanentError, match="expected a namespace nowhere, found none"):
            snapshot(prepared, ["nowhere"])
    finally:
        prepared.delete({"apiVersion": "v1", "kind": "Namespace"}, None, NAMESPACE)
    [event] = found.trace["events"]
    names = sorted((obj["kind"], obj["metadata"]["name"]) for obj in event["applied_objs"])
    assert names == [
        ("DaemonSet", "agent"),
        ("Deployment", "web"),
        ("Job", "work"),
        ("Pod", "alone"),
        ("ServiceAccount", "robot"),
        ("StatefulSet", "db"),
    ]
    made = found.left_out["made by another object of the trace"]
    assert made["apps/v1.ReplicaSet"] == 1
    assert made["v1.Pod"] >= 4
    assert before == after
    takes(written(tmp_path, found.trace))
