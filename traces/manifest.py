"""The manifest of a folder of traces: what is wrong with each one, and what repairs it."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from traces.errors import TraceError, describe

__all__ = ["MANIFEST_FILE", "ManifestEntry", "load_manifest", "manifest_text"]

MANIFEST_FILE = "manifest.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One trace of a folder.

    Args:
        file: The trace's file name, beside the manifest.
        nodes: The cluster's nodes: a short form such as `3x16cpu,32Gi`, or a YAML file's path.
        namespace: The broken workload's namespace.
        kind: Its kind.
        name: Its name.
        container: The container that the fault is in.
        target: How many replicas are ready once it is repaired.
        duration: Seconds to simulate, from the trace's first event.
        max_steps: How many steps an episode may take.
        cause: The kind of fault, such as `cpu-over-node`.
        description: The fault in a sentence.
        fix: The actions that repair it, in order: `{"type", "deploy", "container"?, "step"}`.
    """

    file: str
    nodes: str
    namespace: str
    kind: str
    name: str
    container: str
    target: int
    duration: int
    max_steps: int
    cause: str
    description: str
    fix: tuple[dict[str, str | int], ...]


_TYPES = {name.name: (int if name.type is int else str) for name in fields(ManifestEntry)}


def load_manifest(folder: str | os.PathLike[str]) -> list[ManifestEntry]:
    """Read the manifest of a folder of traces.

    Raises:
        TraceError: There is none, or it is no manifest.
    """
    path = Path(folder, MANIFEST_FILE)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"cannot read the manifest: {error.strerror or error}"
        raise TraceError(problem, source=str(path)) from error
    except ValueError as error:
        raise TraceError(f"the manifest is no JSON: {error}", source=str(path)) from error
    version = document.get("version") if isinstance(document, dict) else None
    entries = document.get("traces") if version == _VERSION else None
    if not isinstance(entries, list):
        raise TraceError(
            f'expected a manifest {{"version": {_VERSION}, "traces": [...]}}', source=str(path)
        )
    return [
        _entry(entry, f"traces[{position}]", str(path)) for position, entry in enumerate(entries)
    ]


def manifest_text(entries: Sequence[ManifestEntry]) -> str:
    """Return the manifest of some traces as JSON text."""
    document = {"version": _VERSION, "traces": [asdict(entry) for entry in entries]}
    return json.dumps(document, indent=1) + "\n"


def _entry(entry: Any, where: str, source: str) -> ManifestEntry:
    if not isinstance(entry, dict) or entry.keys() != _TYPES.keys():
        raise TraceError(f"expected the fields {', '.join(_TYPES)}", where, source)
    for name, kind in _TYPES.items():
        value = entry[name]
        if name != "fix" and type(value) is not kind:
            raise TraceError(
                f"expected {kind.__name__}, found {describe(value)}", f"{where}.{name}", source
            )
    fix = entry["fix"]
    if not isinstance(fix, list) or not all(isinstance(action, dict) for action in fix):
        raise TraceError("expected a list of actions", f"{where}.fix", source)
    return ManifestEntry(**{**entry, "fix": tuple(fix)})
