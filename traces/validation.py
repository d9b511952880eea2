"""Checks that a document is a trace, and says where it is not.

What is checked is what the arena relies on: the types of the format's own fields, objects that
can be identified, and for the kinds with a pod template everything that an edit or the engine
reads. Unknown fields may hold any JSON value.
"""

import math
from typing import Any

from traces.damage import MAX_DEPTH
from traces.document import POD_TEMPLATES, VERSION
from traces.errors import TraceError, describe, key_path
from traces.quantities import parse_count, parse_cpu, parse_memory

__all__ = ["check_applied", "check_trace"]

_U64 = 1 << 64
_I64 = 1 << 63
_I32 = 1 << 31

_PARSERS = {"cpu": parse_cpu, "memory": parse_memory}


def check_trace(document: Any) -> None:
    """Check a whole document.

    Args:
        document: What MessagePack decoding gave, or a trace about to be written.

    Raises:
        TraceError: The first thing that is wrong, and where.
    """
    if not isinstance(document, dict):
        raise TraceError(f"expected a trace, which is a map, found {describe(document)}")
    _check_version(document)
    for name in ("config", "events", "index", "pod_lifecycles"):
        if name not in document:
            raise TraceError(
                f"the field {name} is missing; a trace of version {VERSION} has version, "
                "config, events, index and pod_lifecycles"
            )
    for key, value in document.items():
        if key not in ("events", "pod_lifecycles"):
            _check_json(value, key_path(key))
    _check_config(document["config"])
    _check_events(document["events"])
    _check_index(document["index"])
    _check_lifecycles(document["pod_lifecycles"])


def check_applied(obj: Any, source: str) -> None:
    """Check one object as a trace may apply it.

    Raises:
        TraceError: The first thing that is wrong, and where in the object.
    """
    try:
        _check_object(obj, "", applied=True)
    except TraceError as error:
        raise type(error)(error.problem, error.where.lstrip("."), source) from None


def _check_version(document: dict[Any, Any]) -> None:
    version = document.get("version")
    if version is None and "version" not in document:
        raise TraceError(f"the field version is missing; expected {VERSION}", "version")
    if type(version) is not int or version != VERSION:
        raise TraceError(
            f"expected version {VERSION}, found {describe(version)}; "
            "write the trace anew with SimKube 2.x",
            "version",
        )


def _check_config(config: Any) -> None:
    tracked = _map(config, "config").get("trackedObjects")
    for kind, options in _map(tracked, "config.trackedObjects").items():
        where = f"config.trackedObjects{_sub(kind)}"
        paths = _map(options, where).get("podSpecTemplatePaths")
        if paths is not None:
            for position, path in enumerate(_list(paths, f"{where}.podSpecTemplatePaths")):
                _text(path, f"{where}.podSpecTemplatePaths[{position}]")
        if options.get("podSpecTemplatePath") is not None:
            _text(options["podSpecTemplatePath"], f"{where}.podSpecTemplatePath")
        for name in ("trackLifecycle", "skipOwned"):
            if not isinstance(options.get(name, False), bool):
                raise _wrong("true or false", options[name], f"{where}.{name}")


def _check_events(events: Any) -> None:
    latest = -_I64
    for position, event in enumerate(_list(events, "events")):
        where = f"events[{position}]"
        ts = _whole(_map(event, where).get("ts"), f"{where}.ts", -_I64, _I64)
        if ts < latest:
            raise TraceError(
                f"expected events in order of time, found {ts} after {latest}; sort the events",
                f"{where}.ts",
            )
        latest = ts
        for name in ("applied_objs", "deleted_objs"):
            for number, obj in enumerate(_list(event.get(name), f"{where}.{name}")):
                _check_object(obj, f"{where}.{name}[{number}]", applied=name == "applied_objs")
        others = {key: event[key] for key in event if key not in ("applied_objs", "deleted_objs")}
        _check_json(others, where)


def _check_object(obj: Any, where: str, *, applied: bool) -> None:
    _check_json(_map(obj, where), where)
    kind = f"{_name(obj, 'apiVersion', where)}.{_name(obj, 'kind', where)}"
    metadata = _map(obj.get("metadata"), f"{where}.metadata")
    _name(metadata, "name", f"{where}.metadata")
    if metadata.get("namespace") is not None:
        _text(metadata["namespace"], f"{where}.metadata.namespace")
    for name in ("labels", "annotations"):
        _check_texts(metadata.get(name), f"{where}.metadata.{name}")
    if applied and kind in POD_TEMPLATES:
        _check_workload(obj, kind, where)


def _check_workload(obj: dict[str, Any], kind: str, where: str) -> None:
    spec = _map(obj.get("spec"), f"{where}.spec")
    for name in ("replicas", "minReadySeconds"):
        if spec.get(name) is not None:
            _whole(spec[name], f"{where}.spec.{name}", 0, _I32)
    template: Any = obj
    for name in POD_TEMPLATES[kind]:
        where = f"{where}.{name}"
        template = _map(template.get(name), where)
    if kind != "v1.Pod" and template.get("metadata") is not None:
        metadata = _map(template["metadata"], f"{where}.metadata")
        for name in ("labels", "annotations"):
            _check_texts(metadata.get(name), f"{where}.metadata.{name}")
    _check_pod_spec(_map(template.get("spec"), f"{where}.spec"), f"{where}.spec")


def _check_pod_spec(spec: dict[str, Any], where: str) -> None:
    names: set[str] = set()
    if not _list(spec.get("containers"), f"{where}.containers"):
        raise TraceError("expected at least one container, found none", f"{where}.containers")
    for group in ("initContainers", "containers"):
        containers = spec.get(group)
        for position, container in enumerate(
            _list([] if containers is None else containers, f"{where}.{group}")
        ):
            here = f"{where}.{group}[{position}]"
            name = _name(_map(container, here), "name", here)
            if name in names:
                raise TraceError(f"two containers are named {describe(name)}", f"{here}.name")
            names.add(name)
            _check_resources(container.get("resources"), f"{here}.resources")
    _check_resources(spec.get("resources"), f"{where}.resources")
    _check_quantities(spec.get("overhead"), f"{where}.overhead")


def _check_resources(resources: Any, where: str) -> None:
    if resources is not None:
        for name in ("requests", "limits"):
            _check_quantities(_map(resources, where).get(name), f"{where}.{name}")


def _check_quantities(amounts: Any, where: str) -> None:
    if amounts is None:
        return
    for resource, quantity in _map(amounts, where).items():
        try:
            _PARSERS.get(resource, parse_count)(quantity)
        except TraceError as error:
            raise error.at(f"{where}{_sub(resource)}") from None


def _check_texts(values: Any, where: str) -> None:
    if values is not None:
        for key, value in _map(values, where).items():
            _text(value, f"{where}{_sub(key)}")


def _check_index(index: Any) -> None:
    for kind, entries in _map(index, "index").items():
        where = f"index{_sub(kind)}"
        for name, value in _map(entries, where).items():
            _whole(value, f"{where}{_sub(name)}", 0, _U64)


def _check_lifecycles(lifecycles: Any) -> None:
    if not isinstance(lifecycles, dict):
        raise _wrong("a map", lifecycles, "pod_lifecycles")
    for owner, pods in lifecycles.items():
        where = f"pod_lifecycles{_sub(owner)}"
        if not _is_pair(owner, str):
            raise _wrong("a key [group/version.Kind, namespace/name]", owner, where)
        if not isinstance(pods, dict):
            raise _wrong("a map", pods, where)
        for pod_hash, runs in pods.items():
            _whole(pod_hash, f"{where}{_sub(pod_hash)}", 0, _U64)
            for position, run in enumerate(_list(runs, f"{where}{_sub(pod_hash)}")):
                _check_run(run, f"{where}{_sub(pod_hash)}[{position}]")


def _check_run(run: Any, where: str) -> None:
    match run:
        case {"Running": int() as start} if len(run) == 1:
            _whole(start, f"{where}.Running", -_I64, _I64)
        case {"Finished": [int() as start, int() as end]} if len(run) == 1:
            _whole(start, f"{where}.Finished[0]", -_I64, _I64)
            _whole(end, f"{where}.Finished[1]", start, _I64)
        case _:
            raise _wrong('{"Running": start} or {"Finished": [start, end]}', run, where)


def _check_json(value: Any, where: str) -> None:
    """Check that a value is JSON all the way down, and not too deep."""
    try:
        _walk(value, MAX_DEPTH)
    except TraceError as error:
        raise error.at(where) from None


def _walk(value: Any, depth: int) -> None:
    if isinstance(value, dict):
        for key, element in value.items():
            if not isinstance(key, str):
                raise _wrong("a text as key", list(key) if isinstance(key, tuple) else key, "")
            _descend(element, depth, key)
    elif isinstance(value, list):
        for position, element in enumerate(value):
            _descend(element, depth, position)
    else:
        _check_scalar(value)


def _descend(value: Any, depth: int, step: str | int) -> None:
    if depth == 0:
        raise TraceError(f"maps and lists are nested deeper than {MAX_DEPTH}")
    try:
        _walk(value, depth - 1)
    except TraceError as error:
        raise error.at(key_path(step) if isinstance(step, str) else f"[{step}]") from None


def _check_scalar(value: Any) -> None:
    if isinstance(value, str | bool) or value is None:
        return
    if not isinstance(value, int | float):
        raise _wrong("a JSON value", value, "")
    if isinstance(value, float) and not math.isfinite(value):
        raise TraceError(f"expected a finite number, found {value}")
    if isinstance(value, int) and not -_I64 <= value < _U64:
        raise TraceError(f"expected a number of 64 bits, found {describe(value)}")


def _sub(key: Any) -> str:
    path = key_path(key)
    return path if path.startswith("[") else f".{path}"


def _wrong(expected: str, found: Any, where: str) -> TraceError:
    return TraceError(f"expected {expected}, found {describe(found)}", where)


def _is_pair(value: Any, of: type) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(x, of) for x in value)


def _map(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong("a map", value, where)
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong("a list", value, where)
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _wrong("a text", value, where)
    return value


def _name(owner: dict[str, Any], field: str, where: str) -> str:
    name = _text(owner.get(field), f"{where}.{field}")
    if not name:
        raise TraceError("expected a name, found an empty text", f"{where}.{field}")
    return name


def _whole(value: Any, where: str, low: int, end: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < end:
        expected = f"a whole number of at least {low}" if low > -_I64 else "a whole number"
        raise _wrong(expected, value, where)
    return value
