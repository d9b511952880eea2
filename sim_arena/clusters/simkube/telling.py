"""What is known of a simulation that went wrong: its driver's log, and the events."""

import re
from collections.abc import Iterator

from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.errors import ApiError

__all__ = ["failure"]

_EVENTS = 5
_READ = 200  # lines; most of what a driver says at its end is a backtrace
_TOLD = 3
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r"^\s*(\d+: |at |-- <|(Partial )?Stack (T|t)race:?|Stack backtrace)")


def failure(api: Api, simulation: Json) -> str:
    """What the driver's log and the events say of a simulation."""
    name = simulation["metadata"]["name"]
    namespace = simulation["spec"]["driver"]["namespace"]
    told: list[str] = []
    for pod in api.list(f"/api/v1/namespaces/{namespace}/pods", f"job-name=sk-{name}-driver"):
        path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}"
        try:
            lines = _lines(api.text(f"{path}/log?tailLines={_READ}"))
            told.append(f"the driver's log ends with: {' | '.join(lines)}")
        except ApiError as error:
            told.append(f"the driver's log cannot be read ({error})")
        ended = [s["state"].get("terminated") for s in pod["status"].get("containerStatuses") or ()]
        told += [f"it ended with exit code {end['exitCode']}" for end in ended if end]
    if events := list(_events(api, name, simulation["metadata"]["creationTimestamp"])):
        told.append(f"events: {'; '.join(events[-_EVENTS:])}")
    return "; ".join(told) or "neither a driver nor an event was found"


def _lines(log: str) -> list[str]:
    """The last lines of a log that are not parts of a backtrace."""
    said = (line.strip() for line in _COLOURS.sub("", log).splitlines() if not _FRAME.match(line))
    return [line for line in said if line][-_TOLD:]


def _events(api: Api, name: str, since: str) -> Iterator[str]:
    """Events about what has a simulation's name in its own, since it was made."""
    for event in api.list("/api/v1/events"):
        when = event.get("lastTimestamp") or event.get("eventTime") or since
        if name in str(event["involvedObject"].get("name")) and str(when) >= since:
            yield f"{event.get('reason')}: {event.get('message') or event.get('note')}"
