"""Upgrades unversioned trace files, as early demo tools wrote them, to version 2.

They hold only `{"events": [...]}`. SimKube refuses them; here the missing parts are filled in
with what SimKube would have written.
"""

import warnings
from typing import Any

from traces.document import POD_SPEC_TEMPLATE_PATHS, VERSION, Config, Event, gvk, object_name
from traces.errors import TraceNotice
from traces.siphash import object_hash
from traces.validation import check_trace

__all__ = ["build_config", "build_index", "upgrade"]

_FIELDS = ("version", "config", "events", "index", "pod_lifecycles")


def upgrade(document: Any, source: str) -> Any:
    """Return a document as version 2; one that is no unversioned trace is returned as it is.

    Args:
        document: What was decoded; any value.
        source: The name that the notice shows.

    Warns:
        TraceNotice: The document was upgraded.

    Raises:
        TraceError: An unversioned trace whose events are wrong.
    """
    if not isinstance(document, dict) or "version" in document:
        return document
    events = document.get("events")
    if not isinstance(events, list):
        return document
    # The index can only be computed from events that have been checked.
    skeleton = {"version": VERSION, "config": {"trackedObjects": {}}, "events": events}
    skeleton |= {"index": {}, "pod_lifecycles": {}} | document
    skeleton["events"] = events = [_complete(event) for event in events]
    check_trace(skeleton)
    missing = [name for name in _FIELDS if name not in document]
    filled = {"config": build_config(events), "index": build_index(events)}
    upgraded = {name: filled.get(name, skeleton[name]) for name in _FIELDS} | document
    upgraded["events"] = events
    warnings.warn(
        f"{source}: an unversioned trace, read as version {VERSION} "
        f"(filled in: {', '.join(missing)}); saving it writes version {VERSION}",
        TraceNotice,
        stacklevel=4,
    )
    return upgraded


def build_config(events: list[Event]) -> Config:
    """Return the `config` of a trace that tracked the kinds that its events apply."""
    kinds = dict.fromkeys(gvk(obj) for event in events for obj in event["applied_objs"])
    paths = POD_SPEC_TEMPLATE_PATHS
    return {
        "trackedObjects": {
            kind: {"podSpecTemplatePaths": [paths[kind]]} if kind in paths else {} for kind in kinds
        }
    }


def build_index(events: list[Event]) -> dict[str, dict[str, int]]:
    """Return the `index` for events: for each object the hash of the spec last applied."""
    last = {(gvk(obj), object_name(obj)): obj for event in events for obj in event["applied_objs"]}
    index: dict[str, dict[str, int]] = {}
    for (kind, name), obj in last.items():
        index.setdefault(kind, {})[name] = object_hash(obj.get("spec"))
    return index


def _complete(event: Any) -> Any:
    return {"applied_objs": [], "deleted_objs": []} | event if isinstance(event, dict) else event
