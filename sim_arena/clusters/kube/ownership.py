"""Whose an object is: the labels that everything of ours carries.

What a run makes carries `RUN_LABEL`, what `cluster prepare` makes carries `PREPARED_LABEL`. Nothing
without one of them is ever changed or deleted.
"""

import hashlib
import re

from sim_arena.clusters.kube.api import Json

__all__ = [
    "HOME",
    "PREPARED_LABEL",
    "RUN_ANNOTATION",
    "RUN_LABEL",
    "SIMULATION_LABEL",
    "label_value",
    "of_run",
    "prefix_of",
    "run_labels",
    "run_of",
    "virtual_name",
]

RUN_LABEL = "sim-arena.io/run"
RUN_ANNOTATION = "sim-arena.io/run-id"
SIMULATION_LABEL = "sim-arena.io/simulation"
PREPARED_LABEL = "sim-arena.io/prepared"

HOME = "sim-arena"
"""The namespace of what belongs to no run: the lease."""

_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def label_value(text: str) -> str:
    """A label's value that stands for a text: itself where it can, else its digest."""
    return text if _LABEL.fullmatch(text) else f"x{_digest(text, 24)}"


def prefix_of(simulation: str) -> str:
    """What goes before the namespaces of a simulation: another one for each simulation."""
    return f"sim-{_digest(simulation, 10)}"


def virtual_name(prefix: str, namespace: str) -> str:
    """The name of the namespace that stands for one of the trace, as SimKube makes it."""
    return f"{prefix}-{namespace}"


def run_labels(run_id: str, simulation: str) -> dict[str, str]:
    """The labels of what a run makes."""
    return {RUN_LABEL: label_value(run_id), SIMULATION_LABEL: label_value(simulation)}


def of_run(run_id: str | None) -> str:
    """A label selector of what a run made, or of what any run made."""
    return RUN_LABEL if run_id is None else f"{RUN_LABEL}={label_value(run_id)}"


def run_of(obj: Json) -> str:
    """The id of the run that made an object, as well as the object tells it."""
    metadata = obj["metadata"]
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    return str(annotations.get(RUN_ANNOTATION) or labels.get(RUN_LABEL))


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]
