"""Which traces a sweep plays, and what is asked of each: from manifests, or from the sweep."""

import glob
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sim_arena.errors import PermanentError
from sim_arena.nodes import DEFAULT_NODES
from sim_arena.sweeps.asked import SweepSpec
from traces import (
    ManifestEntry,
    Trace,
    TraceError,
    WorkloadRef,
    find_deployments,
    find_workload,
    load_manifest,
)
from traces.codec import dumps, loads, trace_bytes
from traces.generator import generate
from traces.manifest import MANIFEST_FILE
from traces.workloads import applications

__all__ = ["Case", "digest_of", "found", "trace_files"]


@dataclass(frozen=True, slots=True)
class Case:
    """One trace of a sweep, and what is asked of it where the sweep does not say.

    Args:
        trace: the trace's name: the path that was given
        sha256: of its bytes; `inputs/` holds them
        namespace, deploy: the workload
        target: ready pods that count as success
        duration: simulated window in seconds
        nodes: the cluster's nodes
        max_steps: the step limit
        cause: what is wrong with it, if a manifest says so
    """

    trace: str
    sha256: str
    namespace: str
    deploy: str
    target: int
    duration: int
    nodes: str
    max_steps: int
    cause: str | None = None


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def found(asked: SweepSpec) -> Iterator[tuple[Case, bytes]]:
    """Yield a case for each trace of a sweep, with the trace file's bytes.

    What the sweep names goes before what a manifest says.

    Raises:
        TraceError: a trace cannot be read, or does not have the workload
        PermanentError: nothing is there, or nobody says which workload is meant
    """
    if asked.namespace is not None and asked.deploy is None:
        raise PermanentError(
            f"expected 'deploy' beside the namespace {asked.namespace!r}, found none: name the "
            "workload, or leave the namespace to the manifest"
        )
    yield from _generated(asked)
    seen: dict[Path, str] = {}
    manifests: dict[Path, dict[str, ManifestEntry]] = {}
    for path in asked.traces:
        for file in trace_files(path):
            if (there := seen.setdefault(file.resolve(), path)) != path:
                raise PermanentError(
                    f"expected each trace once, found {file} by {there!r} and by {path!r}"
                )
            folder = file.parent
            if folder not in manifests:
                known = (folder / MANIFEST_FILE).exists()
                entries = load_manifest(folder) if known else []
                manifests[folder] = {entry.file: entry for entry in entries}
            data = trace_bytes(file)
            entry = manifests[folder].get(file.name)
            yield _case(asked, str(file), loads(data, str(file)), data, entry), data


def _generated(asked: SweepSpec) -> Iterator[tuple[Case, bytes]]:
    if asked.generate is None:
        return
    for name, trace, entry in generate(asked.generate.seed, asked.generate.count):
        data = dumps(trace)
        yield _case(asked, f"generated/{name}", trace, data, entry), data


def trace_files(place: str) -> list[Path]:
    """Return the trace files of a path: a file, a folder of them, or a pattern.

    Raises:
        PermanentError: nothing is there
    """
    path = Path(place)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = sorted(file for file in path.glob("*.sktrace") if file.is_file())
    else:
        found = sorted(Path(name) for name in glob.glob(place, recursive=True))  # noqa: PTH207 # absolute patterns too
        found = [file for file in found if file.is_file() and file.name != MANIFEST_FILE]
    if not found:
        raise PermanentError(
            f"expected trace files, a folder of them or a pattern, found nothing at {place!r}"
        )
    return found


def _case(
    asked: SweepSpec, name: str, trace: Trace, data: bytes, entry: ManifestEntry | None
) -> Case:
    try:
        if asked.deploy is not None or entry is None:
            ref = _workload(asked, trace, name)
        else:
            ref = find_workload(trace, entry.name, entry.namespace)
    except TraceError as error:
        raise error.at(source=name) from error
    if entry is not None and (entry.name, entry.namespace) != (ref.name, ref.namespace):
        entry = None  # the manifest speaks of another workload
    return Case(
        trace=name,
        sha256=digest_of(data),
        namespace=ref.namespace,
        deploy=ref.name,
        target=entry.target if entry else _replicas(trace, ref),
        duration=asked.duration or (entry.duration if entry else 60),
        nodes=entry.nodes if entry else DEFAULT_NODES,
        max_steps=asked.max_steps or (entry.max_steps if entry else 10),
        cause=entry.cause if entry else None,
    )


def _workload(asked: SweepSpec, trace: Trace, name: str) -> WorkloadRef:
    if asked.deploy is not None:
        return find_workload(trace, asked.deploy, asked.namespace)
    there = sorted(set(find_deployments(trace)))
    if len(there) != 1:
        raise PermanentError(
            f"{name}: expected a manifest beside it, one Deployment in it, or a name with "
            f"'deploy', found {len(there)} Deployments: name one"
        )
    return there[0]


def _replicas(trace: Trace, ref: WorkloadRef) -> int:
    """Return what the workload asks for when it is applied last."""
    *_, last = (found.obj for found in applications(trace) if found.workload == ref)
    replicas = last["spec"].get("replicas")
    return max(1, 1 if replicas is None else int(replicas))
