"""Nodes from a short form and from Kubernetes' manifests."""

from pathlib import Path

import pytest

from sim_arena.nodes import Node, NodesError, Taint, parse_nodes

GI = 1 << 30


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3x16cpu,32Gi", [(16_000, 32 * GI, 110)] * 3),
        ("16cpu,32Gi", [(16_000, 32 * GI, 110)]),
        ("2x500mcpu,1.5Gi,20pods", [(500, 3 * GI // 2, 20)] * 2),
        ("1x4 CPU,8G", [(4000, 8_000_000_000, 110)]),
        ("1x4cpu,8Gi + 2x0.5cpu,64Mi", [(4000, 8 * GI, 110), *[(500, 64 << 20, 110)] * 2]),
    ],
)
def test_short_form(text: str, found: list[tuple[int, int, int]]) -> None:
    nodes = parse_nodes(text)
    assert [(node.cpu, node.memory, node.pods) for node in nodes] == found
    assert [node.name for node in nodes] == [f"node-{i}" for i in range(len(found))]
    assert all(node.labels == {"kubernetes.io/hostname": node.name} for node in nodes)


@pytest.mark.parametrize(
    "text",
    ["", "0x4cpu,8Gi", "4cpu", "4cpu,8Qi", "4cpu,8Gi,5", "4cpu,8Gi+", "1.2.3cpu,8Gi", "no-file"],
)
def test_what_is_no_description_of_nodes(text: str) -> None:
    with pytest.raises(NodesError) as error:
        parse_nodes(text)
    assert "\n" not in str(error.value)
    assert "expected" in str(error.value)
    assert "found" in str(error.value)


MANIFEST = """
apiVersion: v1
kind: Node
metadata:
  name: big
  labels: {disk: ssd}
spec:
  unschedulable: true
  taints:
  - {key: team, value: a, effect: NoSchedule}
  - {key: old, effect: NoExecute}
status:
  allocatable: {cpu: 3920m, memory: 8Gi, pods: "58", nvidia.com/gpu: "2", ephemeral-storage: 10Gi}
  capacity: {cpu: "4", memory: 9Gi, pods: "60"}
"""


def test_the_images_that_a_node_has(tmp_path: Path) -> None:
    file = tmp_path / "nodes.yaml"
    file.write_text(
        """
kind: Node
metadata: {name: n}
status:
  images:
  - {names: [app:1, "app@sha256:0"], sizeBytes: 1000}
  - {names: [db:2]}
"""
    )
    (node,) = parse_nodes(file)
    assert node.images == {"app:1": 1000, "app@sha256:0": 1000, "db:2": 0}


def test_a_manifest(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text(MANIFEST)
    assert parse_nodes(file) == [
        Node(
            name="big",
            cpu=3920,
            memory=8 * GI,
            pods=58,
            labels={"disk": "ssd"},
            taints=(Taint("team", "a", "NoSchedule"), Taint("old", "", "NoExecute")),
            unschedulable=True,
            extended={"nvidia.com/gpu": 2, "ephemeral-storage": 10 * GI},
        )
    ]


def status(text: str) -> str:
    return f"{{kind: Node, metadata: {{name: n}}, status: {text}}}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{capacity: {cpu: 2, memory: 1Gi, pods: 9}}", (2000, GI, 9)),  # as the API server
        ("{}", (1_000_000, 1 << 40, 1_000_000)),  # as KWOK
        ("{allocatable: {cpu: 2}}", (2000, 0, 0)),  # what is not named is not there
    ],
)
def test_what_a_manifest_does_not_say(
    tmp_path: Path, text: str, found: tuple[int, int, int]
) -> None:
    file = tmp_path / "node.yaml"
    file.write_text(status(text))
    (node,) = parse_nodes(str(file))
    assert (node.cpu, node.memory, node.pods) == found


def test_folders_documents_and_lists(tmp_path: Path) -> None:
    one = "{kind: Node, metadata: {name: %s}}"
    (tmp_path / "b.yml").write_text("\n---\n".join([one % "b1", one % "b2"]))
    items = ", ".join(one % name for name in ("a1", "a2"))
    (tmp_path / "a.yaml").write_text(f"{{kind: NodeList, items: [{items}]}}")
    (tmp_path / "notes.txt").write_text("not read")
    assert [node.name for node in parse_nodes(tmp_path)] == ["a1", "a2", "b1", "b2"]


@pytest.mark.parametrize(
    "text",
    [
        "{kind: Pod, metadata: {name: n}}",
        "[1, 2]",
        "{kind: Node, metadata: {}}",
        "kind: [",
        "",
        status("{allocatable: {cpu: fast}}"),
        status("{allocatable: {memory: -1}}"),
        status("[]") + "\n---\n" + status("{}"),
        "{kind: Node, metadata: {name: n}, spec: {taints: [{key: k}]}}",
    ],
)
def test_manifests_that_are_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "node.yaml"
    file.write_text(text)
    with pytest.raises(NodesError, match=r"node\.yaml") as error:
        parse_nodes(file)
    assert "\n" not in str(error.value)
