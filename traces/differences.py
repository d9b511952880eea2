"""What differs between two states of a trace, for programs and for people."""

import json
from collections import Counter

from traces.document import POD_TEMPLATES, Object, Trace, WorkloadRef, gvk, pod_template
from traces.edits import Change
from traces.errors import TraceError
from traces.quantities import Resource, format_resource, parse_resource
from traces.workloads import applications

__all__ = ["diff", "patch"]

_RESOURCES: tuple[Resource, ...] = ("cpu", "memory")
_Values = dict[tuple[str | None, str], str]  # (container, field) to the canonical value
_Place = tuple[int, WorkloadRef, int]  # event, workload, which of its applications there


def diff(before: Trace, after: Trace) -> list[Change]:
    """Return how the requests, limits and replicas of all workloads differ.

    Amounts are compared, not their spelling: `1000m` and `1` are the same.

    Args:
        before: The first trace.
        after: The second; its events are matched with the first one's by their position.

    Returns:
        The changes in the order of the trace. An application of a workload that only one of the
        traces has is a change of the field `applied` from or to None.
    """
    changes = []
    for (event, ref, _), (old, new) in _matched(before, after).items():
        if old is None or new is None:
            there = None if old is None else "yes", None if new is None else "yes"
            changes.append(Change(event, ref, None, "applied", *there))
            continue
        was, now = _values(old), _values(new)
        changes += [
            Change(event, ref, *key, was.get(key), now.get(key)) for key in _differing(was, now)
        ]
    return changes


def patch(before: Trace, after: Trace, ref: WorkloadRef) -> str:
    """Return what to apply to the real workload, as a strategic merge patch in YAML.

    It holds the requests, limits and replicas that differ where the workload is applied last:
    `kubectl patch deployment NAME -n NAMESPACE --patch-file FILE`.

    Returns:
        The YAML; an empty text if nothing differs.

    Raises:
        TraceError: One of the traces doesn't apply the workload.
    """
    old, new = _last(before, ref), _last(after, ref)
    was, now = _values(old), _values(new)
    changed = {key: now.get(key) for key in _differing(was, now)}
    if not changed:
        return ""
    lines = [
        f"apiVersion: {new['apiVersion']}",
        f"kind: {ref.kind}",
        "metadata:",
        f"  name: {_scalar(ref.name)}",
        f"  namespace: {_scalar(ref.namespace)}",
        "spec:",
    ]
    if (None, "replicas") in changed:
        lines.append(f"  replicas: {changed.pop((None, 'replicas')) or 'null'}")
    if changed:
        path = (*POD_TEMPLATES[gvk(new)][1:], "spec", "containers")
        lines += [f"{'  ' * depth}{key}:" for depth, key in enumerate(path, start=1)]
        indent = "  " * len(path)
    for name in dict.fromkeys(container for container, _ in changed):
        lines += [f"{indent}- name: {_scalar(name or '')}", f"{indent}  resources:"]
        for part in ("requests", "limits"):
            fields = {
                field.partition(".")[2]: value
                for (container, field), value in changed.items()
                if container == name and field.startswith(part)
            }
            if fields:
                lines.append(f"{indent}    {part}:")
            lines += [
                f"{indent}      {resource}: {'null' if value is None else _scalar(value)}"
                for resource, value in fields.items()
            ]
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    return json.dumps(text)  # a JSON text is a YAML scalar that nothing can misread


def _differing(was: _Values, now: _Values) -> list[tuple[str | None, str]]:
    return [key for key in dict.fromkeys([*was, *now]) if was.get(key) != now.get(key)]


def _values(obj: Object) -> _Values:
    values: _Values = {}
    if (replicas := obj["spec"].get("replicas")) is not None:
        values[None, "replicas"] = str(replicas)
    for container in pod_template(obj)["spec"]["containers"]:
        for part in ("requests", "limits"):
            amounts = (container.get("resources") or {}).get(part) or {}
            for resource in _RESOURCES:
                if resource in amounts:
                    amount = parse_resource(resource, amounts[resource])
                    values[container["name"], f"{part}.{resource}"] = format_resource(
                        resource, amount
                    )
    return values


def _places(trace: Trace) -> dict[_Place, Object]:
    times: Counter[tuple[int, WorkloadRef]] = Counter()
    places: dict[_Place, Object] = {}
    for event, ref, obj in applications(trace):
        places[event, ref, times[event, ref]] = obj
        times[event, ref] += 1
    return places


def _matched(before: Trace, after: Trace) -> dict[_Place, tuple[Object | None, Object | None]]:
    old, new = _places(before), _places(after)
    order = sorted(dict.fromkeys([*old, *new]), key=lambda place: place[0])
    return {place: (old.get(place), new.get(place)) for place in order}


def _last(trace: Trace, ref: WorkloadRef) -> Object:
    last = [obj for _, workload, obj in applications(trace) if workload == ref]
    if not last:
        raise TraceError(f"expected a trace that applies {ref}, found one that does not")
    return last[-1]
