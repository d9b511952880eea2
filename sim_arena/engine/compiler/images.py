"""Container images that nodes already have.

Source: Kubernetes `pkg/scheduler/framework/plugins/imagelocality/image_locality.go` and
`pkg/scheduler/backend/cache/cache.go` (addNodeImageStates: an image's size is that of the node
that brought it first).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sim_arena.nodes import Node

__all__ = ["Images"]

_LEAST = 23 << 20
_MOST_PER_CONTAINER = 1000 << 20


@dataclass
class Images:
    """Knows which images there are, and scores nodes by them.

    Args:
        nodes: in the order in which they came.
    """

    nodes: Sequence[Node]
    _sizes: dict[str, int] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.nodes:
            for name, size in node.images.items():
                self._sizes.setdefault(name, size)
                self._counts[name] = self._counts.get(name, 0) + 1

    def __bool__(self) -> bool:
        return bool(self._sizes)

    def wanted(self, spec: Mapping[str, Any]) -> list[str]:
        """Return the images of a pod, as often as they are named."""
        containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
        volumes = [volume.get("image") for volume in spec.get("volumes") or ()]
        names = [container.get("image") for container in containers]
        names += [image.get("reference") for image in volumes if image]
        return [_tagged(str(name or "")) for name in names]

    def scores(self, spec: Mapping[str, Any], nodes: Sequence[Node]) -> list[int]:
        """Return the score of each node for a pod, 0 to 100."""
        wanted = self.wanted(spec)
        containers = len(spec.get("initContainers") or ()) + len(spec["containers"])
        return [self._score(node, wanted, containers) for node in nodes]

    def _score(self, node: Node, wanted: Sequence[str], containers: int) -> int:
        total = sum(self._scaled(name) for name in wanted if name in node.images)
        most = _MOST_PER_CONTAINER * containers
        return 100 * (min(max(total, _LEAST), most) - _LEAST) // (most - _LEAST)

    def _scaled(self, name: str) -> int:
        """An image that few nodes have draws fewer pods, lest they all go there."""
        return int(self._sizes[name] * (self._counts[name] / len(self.nodes)))


def _tagged(name: str) -> str:
    return name if name.rfind(":") > name.rfind("/") else f"{name}:latest"
