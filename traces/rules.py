"""What SimKube would refuse or warn about in a trace that can be read.

Each finding has a stable code: E for what SimKube or the API server refuses, W for what is only
suspicious. Source: SimKube 2.7, `sk-core/src/trace/` and `sk-core/src/jsonutils.rs`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from traces.arithmetic import UNSET
from traces.document import (
    POD_SPEC_TEMPLATE_PATHS,
    PODLESS_KINDS,
    Trace,
    TrackedObject,
    gvk,
    object_name,
    pod_spec_template_paths,
    pod_template,
)
from traces.errors import describe, key_path
from traces.quantities import Resource, parse_resource
from traces.siphash import object_hash
from traces.workloads import applications

__all__ = ["Finding", "findings"]

_RESOURCES: tuple[Resource, ...] = ("cpu", "memory")


class Finding(NamedTuple):
    """Something that SimKube refuses (codes E...) or that is suspicious (codes W...)."""

    code: str
    where: str
    problem: str


def findings(trace: Trace) -> list[Finding]:
    """Return what SimKube or the API server would object to in a valid trace.

    - E0001: an option of a tracked kind that SimKube does not know
    - E0002: a pod template path that differs from the default of a known kind
    - E0003: a tracked kind without a pod template path
    - E0004: a request above its limit
    - W0001: applied objects of a kind that is not tracked, so that its pods are not rewritten
    - W0002: a hash in the index that is not that of the spec applied last
    """
    return [
        *_tracking(trace),
        *_requests_above_limits(trace),
        *_untracked(trace),
        *_hashes(trace),
    ]


def _tracking(trace: Trace) -> Iterator[Finding]:
    for kind, options in trace["config"]["trackedObjects"].items():
        where = f"config.trackedObjects.{key_path(kind)}".replace(".[", "[")
        for option in sorted(options.keys() - TrackedObject.__annotations__.keys()):
            yield Finding("E0001", where, f"SimKube knows no option {describe(option)}; remove it")
        paths, default = pod_spec_template_paths(trace, kind), POD_SPEC_TEMPLATE_PATHS.get(kind)
        if default is not None and paths != [default]:
            yield Finding("E0002", where, f"expected the path {describe(default)}, found {paths}")
        if not paths:
            yield Finding("E0003", where, "SimKube knows no path for this kind; name one")


def _requests_above_limits(trace: Trace) -> Iterator[Finding]:
    for event, ref, obj in applications(trace):
        for container in pod_template(obj)["spec"]["containers"]:
            resources = container.get("resources") or {}
            for resource in _RESOURCES:
                request, limit = (
                    parse_resource(resource, amounts[resource]) if resource in amounts else UNSET
                    for amounts in (resources.get(part) or {} for part in ("requests", "limits"))
                )
                if UNSET != limit < request:
                    where = f"events[{event}]: {ref}: container {container['name']}"
                    yield Finding("E0004", where, f"the {resource} request is above the limit")


def _untracked(trace: Trace) -> Iterator[Finding]:
    tracked = trace["config"]["trackedObjects"]
    applied = [gvk(obj) for event in trace["events"] for obj in event["applied_objs"]]
    for kind in dict.fromkeys(applied):
        if kind not in tracked and kind not in PODLESS_KINDS:
            yield Finding("W0001", "config.trackedObjects", f"{kind} is applied and not tracked")


def _hashes(trace: Trace) -> Iterator[Finding]:
    last = {
        (gvk(obj), object_name(obj)): obj.get("spec")
        for event in trace["events"]
        for obj in event["applied_objs"]
    }
    for (kind, name), spec in last.items():
        stored = trace["index"].get(kind, {}).get(name)
        if stored is not None and stored != object_hash(spec):
            where = f"index[{describe(kind)}][{describe(name)}]"
            yield Finding("W0002", where, "the hash is not that of the spec applied last")
