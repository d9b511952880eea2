"""The harness itself: it starts, serves, ends, and leaves its logs where something failed."""

from pathlib import Path

import pytest

from sim_arena.clusters.kube.api import ApiError
from sim_arena.nodes import parse_nodes
from tests.cluster.harness import ControlPlane
from tests.cluster.nodes import add_nodes, remove_nodes
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster


def test_it_is_the_version_that_it_says(control_plane: ControlPlane) -> None:
    assert control_plane.api.request("get", "/version")["gitVersion"] == "v1.36.3"


def test_nodes_get_what_they_are_given(control_plane: ControlPlane) -> None:
    api = control_plane.api
    add_nodes(api, parse_nodes("2x4cpu,8Gi,7pods"), virtual=True)
    found = {node["metadata"]["name"]: node for node in api.list("/api/v1/nodes")}
    remove_nodes(api)
    wait_until(lambda: "nodes left" if api.list("/api/v1/nodes") else None, 30)
    assert sorted(found) == ["node-0", "node-1"]
    allocatable = found["node-1"]["status"]["allocatable"]
    assert allocatable == {"cpu": "4", "memory": str(8 << 30), "pods": "7"}
    assert [taint["key"] for taint in found["node-1"]["spec"]["taints"]] == ["kwok-provider"]


def test_a_refusal_is_told_in_the_servers_words(control_plane: ControlPlane) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "Not Valid"}}
    with pytest.raises(ApiError, match=r'Namespace "Not Valid" is invalid: \[metadata.name'):
        control_plane.api.create(namespace)


@pytest.mark.usefixtures("control_plane")
def test_a_second_one_runs_beside_the_first_and_keeps_its_logs_after_a_failure(
    tmp_path: Path, binaries: dict[str, Path]
) -> None:
    plane = ControlPlane(tmp_path, binaries).start()
    processes = [child.process for child in plane.processes.children]
    failure = RuntimeError("something went wrong")
    plane.__exit__(RuntimeError, failure, None)
    assert [process.poll() is not None for process in processes] == [True] * 5
    assert failure.__notes__ == [f"the control plane's logs are kept in {plane.folder}"]
    assert (plane.folder / "kube-scheduler.log").stat().st_size > 0


def test_a_clean_end_leaves_nothing(tmp_path: Path, binaries: dict[str, Path]) -> None:
    with ControlPlane(tmp_path, binaries) as plane:
        assert plane.folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []
