"""The cluster's nodes: Kubernetes Node manifests, or a short form such as `3x16cpu,32Gi`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim_arena.errors import SimArenaError
from traces import QuantityError, TraceError, quantities

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "DEFAULT_NODES",
    "MAX_NODES",
    "Node",
    "NodesError",
    "Taint",
    "is_short_form",
    "manifests",
    "node_of",
    "parse_nodes",
]

DEFAULT_NODES = "3x16cpu,32Gi"
MAX_NODES = 20_000  # a short form that says more is a slip; Kubernetes goes to 5,000

# What KWOK gives a node that names no allocatable.
_KWOK_ALLOCATABLE = {"cpu": "1k", "memory": "1Ti", "pods": "1M"}
_SHORT_FORM_PODS = 110  # the kubelet's default, maxPods

_GROUP = re.compile(
    r"(?:(?P<count>\d+)x)?(?P<cpu>[0-9.]+m?) ?(?:cpu|CPU)"
    r",(?P<memory>[0-9.]+[A-Za-z]*)(?:,(?P<pods>\d+)pods)?"
)
_SHORT = re.compile(r"(?:\d+x)?[0-9.]+m? ?(?:cpu|CPU)\b.*")


class NodesError(SimArenaError):
    """A description of nodes that cannot be understood."""


@dataclass(frozen=True, slots=True)
class Taint:
    """A node's taint: pods that do not tolerate it are kept away."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class Node:
    """What the scheduler sees of a node.

    Attributes:
        name: the node's name.
        cpu: allocatable, in milli-CPU.
        memory: allocatable, in bytes.
        pods: how many pods it takes.
        labels: the node's labels.
        taints: the node's taints.
        unschedulable: whether the node is cordoned.
        extended: other allocatable resources by name, in whole units (bytes for
            `ephemeral-storage` and huge pages).
        images: the container images that it has, by name, and their sizes in bytes.
        features: what the kubelet declares to know (`status.declaredFeatures`).
    """

    name: str
    cpu: int
    memory: int
    pods: int
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    extended: Mapping[str, int] = field(default_factory=dict)
    images: Mapping[str, int] = field(default_factory=dict)
    features: frozenset[str] = frozenset()


def parse_nodes(text: str | Path) -> list[Node]:
    """Read nodes from a short form, a YAML file, or a folder of YAML files.

    Args:
        text: `COUNTxCPUcpu,MEMORY[,PODSpods]`, several joined by `+`
            (`3x16cpu,32Gi+2x8cpu,16Gi`), or the path of a file or folder with Kubernetes Node
            manifests (multi-document YAML and Lists are understood).

    Returns:
        The nodes in the order in which they were given.

    Raises:
        NodesError: if the text is neither, or a manifest is not a valid Node.
    """
    if isinstance(text, str) and is_short_form(text):
        nodes = _short_form(text.strip())
    elif text == "":
        raise NodesError("expected nodes like '3x16cpu,32Gi' or a path, found an empty text")
    else:
        nodes = _manifests(Path(text))
    if not nodes:
        raise NodesError(f"expected at least one node in {str(text)!r}, found none")
    _refuse_duplicates(nodes, text)
    return nodes


def is_short_form(text: str) -> bool:
    """Say whether a text looks like `3x16cpu,32Gi`, and not like a path."""
    return _SHORT.fullmatch(text.strip()) is not None


def manifests(text: str) -> bytes | None:
    """Return the manifests that nodes are given by, as one document; None for a short form.

    Raises:
        NodesError: a file cannot be read
    """
    path = Path(text)
    if is_short_form(text) or not path.exists():
        return None
    try:
        return b"\n---\n".join(file.read_bytes() for file in _files(path))
    except OSError as error:
        raise NodesError(f"cannot read {error.filename}: {error.strerror or error}") from error


def _refuse_duplicates(nodes: list[Node], text: str | Path) -> None:
    seen: set[str] = set()
    for node in nodes:
        if node.name in seen:
            raise NodesError(f"two nodes are named {node.name!r} in {str(text)!r}: rename one")
        seen.add(node.name)


def _short_form(text: str) -> list[Node]:
    nodes: list[Node] = []
    for group in text.split("+"):
        match = _GROUP.fullmatch(group.strip())
        if match is None:
            raise NodesError(
                f"expected nodes like '3x16cpu,32Gi' or '2x8cpu,16Gi,110pods', found {group!r}"
            )
        try:
            cpu = quantities.parse_cpu(match["cpu"])
            memory = quantities.parse_memory(match["memory"])
        except QuantityError as error:
            raise NodesError(f"nodes {group!r}: {error}") from error
        pods = int(match["pods"] or _SHORT_FORM_PODS)
        count = int(match["count"] or 1)
        if len(nodes) + count > MAX_NODES:
            raise NodesError(f"expected at most {MAX_NODES:,} nodes, found {text!r}")
        for _ in range(count):
            name = f"node-{len(nodes)}"
            nodes.append(Node(name, cpu, memory, pods, {"kubernetes.io/hostname": name}))
    return nodes


def _manifests(path: Path) -> list[Node]:
    if not path.exists():
        raise NodesError(
            f"expected nodes like '3x16cpu,32Gi' or a file or folder of Node manifests, "
            f"found {str(path)!r}, which does not exist"
        )
    return [node_of(found, file) for file in _files(path) for found in _documents(file)]


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.y*ml")) if path.is_dir() else [path]


def _documents(file: Path) -> Iterator[Any]:
    import yaml  # noqa: PLC0415 - the short form needs no YAML

    try:
        with file.open(encoding="utf-8") as stream:
            documents = list(
                yaml.load_all(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            )
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        found = " ".join(str(error).split())
        raise NodesError(f"{file}: expected YAML with Node manifests: {found}") from error
    for document in documents:
        if isinstance(document, dict) and str(document.get("kind", "")).endswith("List"):
            yield from document.get("items") or []
        elif document is not None:
            yield document


def node_of(manifest: Any, file: Path) -> Node:
    """Read one Node manifest.

    Args:
        manifest: the manifest.
        file: where it is from, for messages.

    Raises:
        NodesError: if it is not a valid Node.
    """
    if not isinstance(manifest, dict) or manifest.get("kind") != "Node":
        found = manifest.get("kind") if isinstance(manifest, dict) else type(manifest).__name__
        raise NodesError(f"{file}: expected manifests of kind Node, found {found}")
    metadata = manifest.get("metadata") or {}
    name = metadata.get("name")
    if not isinstance(name, str) or not name:
        raise NodesError(f"{file}: a Node has no metadata.name")
    spec = manifest.get("spec") or {}
    status = manifest.get("status") or {}
    allocatable = dict(status.get("allocatable") or status.get("capacity") or _KWOK_ALLOCATABLE)
    try:
        return Node(
            name=name,
            cpu=quantities.parse_cpu(str(allocatable.pop("cpu", 0))),
            memory=quantities.parse_memory(str(allocatable.pop("memory", 0))),
            pods=quantities.parse_memory(str(allocatable.pop("pods", 0))),
            labels={str(k): str(v) for k, v in (metadata.get("labels") or {}).items()},
            taints=tuple(_taint(found) for found in spec.get("taints") or ()),
            unschedulable=bool(spec.get("unschedulable", False)),
            extended={k: quantities.parse_memory(str(v)) for k, v in allocatable.items()},
            images=_images(status.get("images") or ()),
            features=frozenset(str(name) for name in status.get("declaredFeatures") or ()),
        )
    except (TypeError, ValueError, AttributeError, TraceError) as error:
        raise NodesError(f"{file}: Node {name!r}: {error}") from error


def _images(found: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    images: dict[str, int] = {}
    for image in found:
        for name in image.get("names") or ():
            images.setdefault(str(name), int(image.get("sizeBytes") or 0))
    return images


def _taint(found: Any) -> Taint:
    if not isinstance(found, dict) or not found.get("key") or not found.get("effect"):
        raise ValueError(f"expected a taint with a key and an effect, found {found!r}")
    return Taint(str(found["key"]), str(found.get("value") or ""), str(found["effect"]))
