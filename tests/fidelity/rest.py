"""When a recording is looked at, and what its log shows then.

A settled state is looked at where the recording was. Where pods come to their end by themselves
and others come in their place, nothing ever settles: then it is looked at when the control plane
was at rest for the last time before, with nothing under way that the engine does at once; but
not more than some seconds before.
"""

import datetime as dt
import heapq
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from sim_arena.engine.guided import FAR
from sim_arena.fidelity import Counts
from tests.fidelity.account import Account, RealPod, Thing
from tests.fidelity.recording import Moment, Recording

_NS = 1_000_000_000
_MS = 1_000_000
# A successor that is not there after so long has another cause.
_SUCCESSION = 2 * _NS
_BACK = 5 * _NS
_AT_WORK = _NS  # so long after its objects began to be applied, an event is not yet over
_REPLACED = frozenset({"ReplicaSet", "StatefulSet", "DaemonSet"})


class _Span(NamedTuple):
    first: int
    end: int


def at_rest(recording: Recording) -> Recording:
    """Return a recording that shows what its log says, each moment at a time of rest.

    A recording without a log stays as it is.
    """
    if not recording.log:
        return recording
    account = Account(recording)
    spans = sorted(_under_way(recording, account)) if _never_settles(recording) else []
    moments = tuple(_shown(account, moment, spans) for moment in recording.moments)
    return Recording(**{**vars(recording), "moments": moments})


def _never_settles(recording: Recording) -> bool:
    return "lifecycles" in recording.scenario.features


def _shown(account: Account, moment: Moment, spans: list[_Span]) -> Moment:
    seen = _last_rest(spans, moment)
    counts = account.counts(seen)
    workloads = tuple(
        Counts(
            *was[:3],
            *(counts[(*was[:3], what)] for what in ("ready", "pending", "total")),
            account.messages(seen, *was[:3]) if seen != moment.seen else was.reasons,
        )
        for was in moment.workloads
    )
    return moment._replace(seen=seen, workloads=workloads)


def _last_rest(spans: list[_Span], moment: Moment) -> int:
    """The last time up to a moment at which nothing was under way; the moment if there is none."""
    time = moment.seen
    for span in sorted(spans, key=lambda span: span.end, reverse=True):
        if span.first <= time < span.end:
            time = span.first - 1
    while any(span.first <= time < span.end for span in spans):
        time = min(span.first for span in spans if span.first <= time < span.end) - 1
    earliest = max(moment.applied + _AT_WORK, moment.seen - _BACK)
    return time if time > earliest else moment.seen


def _under_way(recording: Recording, account: Account) -> Iterator[_Span]:
    slowest = sum(recording.scenario.delays[1::2]) * _MS
    for pod in account.pods:
        if pod.bound != FAR:
            yield _Span(pod.bound + slowest, min(pod.running, pod.deleted))
        due = _completes(recording, pod)
        if due != FAR:
            yield _Span(due, min(pod.ended, pod.deleted))
    yield from _successions(recording, account)


def _completes(recording: Recording, pod: RealPod) -> int:
    _, stamp = pod.thing.first("completes")
    if stamp is None:
        return FAR
    when = dt.datetime.fromisoformat(stamp).timestamp() - (recording.start_s or 0)
    return int(when * _NS)


def _successions(recording: Recording, account: Account) -> Iterator[_Span]:
    """From each pod's end to the creation of the one in its place."""
    lines: dict[tuple[int, str], list[RealPod]] = defaultdict(list)
    for pod in account.pods:
        owner = pod.thing.owner
        if owner is not None and owner.kind in _REPLACED:
            # A StatefulSet's pod is followed by one of its name, another by one of its owner.
            line = pod.thing.name if owner.kind == "StatefulSet" else ""
            lines[id(owner), line].append(pod)
    last = recording.moments[-1].seen
    for pods in lines.values():
        owner = pods[0].thing.owner
        made = [pod.thing.created for pod in pods]
        heapq.heapify(made)
        for pod in sorted(pods, key=_end):
            while made and made[0] <= _end(pod):
                heapq.heappop(made)
            if made and made[0] <= _end(pod) + _SUCCESSION:
                yield _Span(_end(pod), heapq.heappop(made))
            elif pod.ended < FAR and last <= pod.ended + _SUCCESSION and _is_there(owner):
                yield _Span(pod.ended, FAR)


def _end(pod: RealPod) -> int:
    return min(pod.ended, pod.deleted)


def _is_there(owner: Thing | None) -> bool:
    return owner is not None and owner.gone == FAR
