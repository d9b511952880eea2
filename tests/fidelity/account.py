"""What really happened to each pod, and to each ReplicaSet's size, from a recording's log.

Times are nanoseconds as in a recording's moments; `FAR` is never.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sim_arena.engine.guided import FAR
from tests.fidelity.recording import Application, Recording
from tests.fidelity.watching import LogRow

_NS = 1_000_000_000


@dataclass
class Thing:
    """One object of a log.

    Attributes:
        kind: its kind.
        namespace: the trace's.
        name: its name.
        owner: its controller, if that is in the log.
        created: when.
        fields: what it was when it was first seen.
        changes: of its fields, with their times; the first is its creation.
        gone: when it was deleted for good.
    """

    kind: str
    namespace: str
    name: str
    owner: "Thing | None"
    created: int
    fields: dict[str, Any]
    changes: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    gone: int = FAR

    @property
    def root(self) -> "Thing":
        """What it descends from."""
        return self if self.owner is None else self.owner.root

    def first(self, name: str) -> tuple[int, Any]:
        """When a field first had a value, and which; `FAR` and None if it never had."""
        for at, fields in self.changes:
            if fields.get(name) is not None:
                return at, fields[name]
        return FAR, None

    def value(self, name: str, at: int) -> Any:
        """What a field was at a time; None if it had no value."""
        known = [fields[name] for time, fields in self.changes if time <= at and name in fields]
        return known[-1] if known else None

    def when(self, name: str, *values: Any) -> int:
        """When a field first had one of the values."""
        return next((at for at, fields in self.changes if fields.get(name) in values), FAR)


@dataclass(frozen=True)
class RealPod:
    """A pod's way on the real control plane."""

    thing: Thing
    root: Thing
    tried: int
    bound: int
    node: str | None
    running: int
    ended: int
    deleted: int
    nominated: str | None
    nominated_at: int
    priority: int

    def exists(self, at: int) -> bool:
        """Whether there is such a pod at a time."""
        return self.thing.created <= at < self.deleted

    def is_ready(self, at: int) -> bool:
        """Whether it runs then: with KWOK a running pod is ready."""
        return self.running <= at < self.ended

    def is_pending(self, at: int) -> bool:
        """Whether it does not run yet."""
        return at < min(self.running, self.ended)


class Account:
    """What a log tells.

    Args:
        recording: one that has a log.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.things = list(_things(recording))
        pods = [_pod(thing) for thing in self.things if thing.kind == "Pod"]
        self.pods = list(_first_come_first_tried(pods))

    def took_effect(self, application: Application) -> int:
        """When an application changed its object: the client hears of it later than others."""
        changes = (
            at
            for thing in self.things
            if f"{thing.kind} {thing.namespace}/{thing.name}" == application.thing
            for at, _ in thing.changes
            if application.began <= at <= application.ended
        )
        return min(changes, default=application.ended)

    def counts(self, at: int) -> Counter[tuple[str, str, str, str]]:
        """Pods at a time by their root's kind, namespace and name, and by state."""
        found: Counter[tuple[str, str, str, str]] = Counter()
        for pod in self.pods:
            if pod.exists(at):
                key = (pod.root.kind, pod.root.namespace, pod.root.name)
                found[*key, "total"] += 1
                found[*key, "ready"] += pod.is_ready(at)
                found[*key, "pending"] += pod.is_pending(at)
        return +found

    def messages(
        self, at: int, kind: str, namespace: str, name: str
    ) -> tuple[tuple[str, int], ...]:
        """What the scheduler says of a workload's pending pods at a time, and of how many."""
        found = Counter(
            message
            for pod in self.pods
            if (pod.root.kind, pod.root.namespace, pod.root.name) == (kind, namespace, name)
            and pod.exists(at)
            and pod.is_pending(at)
            and (message := pod.thing.value("refused", at)) is not None
        )
        return tuple(sorted(found.items()))

    def placements(self, at: int) -> Counter[tuple[str, str, str, str]]:
        """Pods at a time by their root's kind, namespace and name, and by node."""
        return Counter(
            (pod.root.kind, pod.root.namespace, pod.root.name, str(pod.node))
            for pod in self.pods
            if pod.exists(at) and pod.bound <= at
        )


def _first_come_first_tried(pods: list[RealPod]) -> Iterator[RealPod]:
    """Pods in order of creation, with the times at which they were tried first mended.

    News of an attempt comes from threads that run side by side. But the scheduler takes new pods
    in order of priority, then of creation: none was tried later than one that was behind it.
    """
    for number, pod in enumerate(pods):
        behind = (
            min(other.tried, other.bound)
            for other in pods[number + 1 :]
            if other.priority <= pod.priority and other.thing.changes[0][0] < pod.bound
        )
        earliest = min(pod.tried, pod.bound, *behind)
        yield replace(pod, tried=max(earliest, pod.thing.changes[0][0]))


def _in_true_order(log: Sequence[LogRow]) -> Iterator[tuple[int, LogRow]]:
    """The rows with times that rise with etcd's revisions: none came later than its successor."""
    times: list[int] = []
    latest = FAR
    for row in reversed(log):
        latest = min(latest - 1, row.at)
        times.append(latest)
    return zip(reversed(times), log, strict=True)


def _things(recording: Recording) -> Iterator[Thing]:
    things: dict[int, Thing] = {}
    for at, row in _in_true_order(recording.log):
        fields = json.loads(row.fields) if row.fields else {}
        thing = things.get(row.thing)
        if thing is None:
            owner = things.get(fields.get("owner", -1))
            thing = Thing(
                fields["kind"],
                fields["namespace"],
                fields["name"],
                owner,
                _created(recording, fields["created"], at),
                fields,
            )
            things[row.thing] = thing
        thing.changes.append((at, fields))
        if row.verb == "D":
            thing.gone = at
    yield from things.values()


def _created(recording: Recording, stamp: str, at: int) -> int:
    """A creation's time: that of the news of it, but within the whole second of its stamp."""
    second = int(dt.datetime.fromisoformat(stamp).timestamp()) - (recording.start_s or 0)
    return min(max(at, second * _NS), (second + 1) * _NS - 1)


def _pod(thing: Thing) -> RealPod:
    bound, node = thing.first("node")
    nominated_at, nominated = thing.first("nominated")
    return RealPod(
        thing,
        thing.root,
        tried=thing.when("reason", "Unschedulable"),
        bound=bound,
        node=node,
        running=thing.when("phase", "Running"),
        ended=thing.when("phase", "Succeeded", "Failed"),
        deleted=min(thing.when("deleted", True), thing.gone),
        nominated=nominated,
        nominated_at=nominated_at,
        priority=thing.fields.get("priority", 0),
    )
