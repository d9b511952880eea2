"""What SimKube does to a trace's objects before it applies them.

Written from SimKube 2.7, `sk-driver/src/runner.rs` (build_virtual_obj) and
`sk-core/src/k8s/util.rs` (add_common_metadata); independent of the engine, which it checks.
"""

import copy
from typing import Any, NamedTuple

from tests.cluster.api import Json

ORIGINAL_NAMESPACE = "static.simkube.io/original-namespace"
SIMULATION_LABEL = "simkube.io/simulation"
VIRTUAL_LABEL = "simkube.io/virtual"
NAME_LABEL = "app.kubernetes.io/name"
TOLERATION: Json = {"key": "kwok-provider", "operator": "Exists", "effect": "NoSchedule"}

_MAX_LABEL = 63


class Simulation(NamedTuple):
    """What every object of one replay gets to carry.

    Attributes:
        name: the simulation's name, at most 63 characters.
        prefix: goes before the namespaces' names.
        root: reference to the object that owns all others.
    """

    name: str
    prefix: str
    root: Json

    def namespace(self, original: str) -> str:
        """The virtual namespace that stands for an original one."""
        return f"{self.prefix}-{original}"


def virtual_namespace(simulation: Simulation, original: str) -> Json:
    """The manifest of a virtual namespace."""
    manifest: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {}}
    manifest["metadata"]["name"] = simulation.namespace(original)
    _add_common_metadata(simulation, manifest["metadata"])
    return manifest


def virtual_object(simulation: Simulation, obj: Json, template_paths: list[str]) -> Json:
    """An object as SimKube applies it.

    Args:
        simulation: the replay.
        obj: the trace's object, with a namespace; it is left as it is.
        template_paths: where its pod templates lie, as `/spec/template`; empty for a Pod's own.
    """
    virtual = copy.deepcopy(obj)
    metadata = virtual["metadata"]
    original = metadata["namespace"]
    _add_common_metadata(simulation, metadata)
    metadata["namespace"] = simulation.namespace(original)
    virtual.pop("status", None)
    for path in template_paths:
        _rewrite_template(_at(virtual, path), original)
    return virtual


def _add_common_metadata(simulation: Simulation, metadata: Json) -> None:
    labels = metadata.get("labels") or {}
    labels[SIMULATION_LABEL] = _label(simulation.name)
    labels[NAME_LABEL] = _label(metadata["name"])
    labels[VIRTUAL_LABEL] = "true"
    metadata["labels"] = labels
    metadata["ownerReferences"] = [*(metadata.get("ownerReferences") or []), simulation.root]


def _rewrite_template(template: Json, original_namespace: str) -> None:
    _at(template, "/metadata/annotations")[ORIGINAL_NAMESPACE] = original_namespace
    spec = _at(template, "/spec")
    spec["nodeSelector"] = {**(spec.get("nodeSelector") or {}), "type": "virtual"}
    spec["tolerations"] = [*(spec.get("tolerations") or []), TOLERATION]
    for container in spec.get("containers") or []:
        container.pop("ports", None)


def _at(obj: Json, path: str) -> Json:
    """The object at a path, made where it is missing."""
    here: Any = obj
    for key in path.split("/")[1:]:
        if here.get(key) is None:
            here[key] = {}
        here = here[key]
    found: Json = here
    return found


def _label(text: str) -> str:
    """A label's value as SimKube cuts it."""
    return text if len(text) <= _MAX_LABEL else text[: _MAX_LABEL - 4] + "XXXX"
