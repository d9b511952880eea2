"""Plays a trace's events on a cluster in scaled real time, and watches what becomes of them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.mirror import Collection, Mirror
from sim_arena.clusters.kube.objects import (
    COLLECTIONS,
    MADE_BY,
    Genealogy,
    State,
    Status,
    workload_status,
)
from sim_arena.clusters.kube.ownership import RUN_LABEL, SIMULATION_LABEL, prefix_of, run_labels
from sim_arena.clusters.kube.settling import settled, timers
from sim_arena.clusters.kube.timeline import Step, timeline
from sim_arena.clusters.kwok.applying import Applier
from sim_arena.clusters.kwok.lifecycles import Lifecycles
from sim_arena.clusters.kwok.rewriting import Tenant
from traces import Trace, WorkloadRef

__all__ = ["Clock", "Pace", "Replay", "workloads"]

_NAP_S = 0.25


class Clock:
    """The replay's own time: real time, plus the pauses that were skipped.

    Args:
        started: when the first event was due, in seconds since 1970; None for now.
    """

    def __init__(self, started: float | None = None) -> None:
        self.started = time.time() if started is None else started
        self._skipped = 0.0

    def now(self) -> float:
        """Seconds since the first event."""
        return time.time() - self.started + self._skipped

    def skip_to(self, when: float) -> None:
        """Put the clock forward; never back."""
        self._skipped += max(0.0, when - self.now())


@dataclass(frozen=True, slots=True)
class Pace:
    """How a trace is replayed.

    Attributes:
        rewrite: whether objects and pods are rewritten as SimKube does.
        duration: the window in seconds of the trace; None keeps all events.
        speed: divides the pauses and the pods' running times.
    """

    rewrite: bool = True
    duration: int | None = None
    speed: float = 1.0


class Replay:
    """One trace on one cluster; a context manager that ends its watches, and removes nothing.

    Args:
        api: the API server.
        trace: the trace.
        name: the simulation's name, from which the namespaces have theirs.
        run_id: the owner.
        pace: how it is replayed.
        clock: the replay's time; None to start it when the watches stand.
        check: called again and again; it raises to end the replay.
    """

    def __init__(  # noqa: PLR0913 # each is needed
        self,
        api: Api,
        trace: Trace,
        name: str,
        run_id: str,
        pace: Pace,
        *,
        clock: Clock | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.trace = trace
        self.steps = timeline(trace, pace.duration, pace.speed)
        self.tenant = Tenant(prefix_of(name), prefix_of(name), labels=run_labels(run_id, name))
        labels = self.tenant.labels
        selector = ",".join(f"{key}={labels[key]}" for key in (RUN_LABEL, SIMULATION_LABEL))
        self.mirror = Mirror(api, _collections(trace, selector))
        self.genealogy = Genealogy()
        self._given_clock = clock
        self._applier = Applier(api, self.mirror, trace, self.tenant, run_id, rewrite=pace.rewrite)
        self._lifecycles = Lifecycles(api, trace, self.tenant.prefix, pace.speed)
        self._check = check

    def __enter__(self) -> Self:
        self.mirror.__enter__()
        try:
            self.mirror.wait_for_lists()
        except BaseException:
            self.mirror.__exit__(None, None, None)
            raise
        self.clock = self._given_clock or Clock()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.mirror.__exit__(kind, error, trace)

    def play(self, step: Step) -> None:
        """Apply and delete what an event says."""
        self._check()
        self._applier.play(step)

    def advance(self, when: float) -> None:
        """Let the time pass until then, in seconds after the first event."""
        while (left := when - self.clock.now()) > 0:
            self._look()
            self.mirror.wait_for_news(min(left, _NAP_S))
        self._look()

    def skip(self, when: float) -> None:
        """Let the time pass until then, but leave out what nothing would happen in."""
        while (left := when - self.clock.now()) > 0:
            state = self._look()
            if settled(self.mirror) is None and not any(timers(state)):
                self.clock.skip_to(when)
                return
            self.mirror.wait_for_news(min(left, _NAP_S))

    def settle(self, deadline_s: float) -> str | None:
        """Wait until the cluster has done all that it can do for now.

        Args:
            deadline_s: seconds to wait at most.

        Returns:
            why it is not settled after them; None if it is.

        Raises:
            TransientError: after them it is not even known how the cluster is.
        """
        deadline = time.monotonic() + deadline_s
        while True:
            self._look()
            reason = settled(self.mirror)
            if reason is None:
                return None
            if time.monotonic() > deadline:
                self.mirror.require_present()
                return reason
            self.mirror.wait_for_news(_NAP_S)

    def statuses(self) -> list[Status]:
        """The counts of every workload of the trace, in order of appearance."""
        pods = self._look().pods
        return [workload_status(ref, self._of(ref, pods)) for ref in workloads(self.trace)]

    def _of(self, ref: WorkloadRef, pods: list[Json]) -> list[Json]:
        own = (ref.kind, self.tenant.namespace(ref.namespace), ref.name)
        return [pod for pod in pods if self.genealogy.root(pod) == own]

    def _look(self) -> State:
        self._check()
        state = self.mirror.state()
        self.genealogy.update(state)
        self._lifecycles.update(state, self.genealogy)
        return state


def workloads(trace: Trace) -> list[WorkloadRef]:
    """The objects of a trace that are pods or make pods, in order of appearance."""
    found = (
        WorkloadRef(
            obj["kind"], obj["metadata"].get("namespace") or "default", obj["metadata"]["name"]
        )
        for event in trace["events"]
        for obj in event["applied_objs"]
        if obj["kind"] in COLLECTIONS
    )
    return list(dict.fromkeys(found))


def _collections(trace: Trace, selector: str) -> list[Collection]:
    """What to watch: pods, the kinds that the trace applies, and what those make."""
    kinds = {ref.kind for ref in workloads(trace)}
    kinds |= {MADE_BY[kind] for kind in kinds if kind in MADE_BY} | {"Pod"}
    return [Collection(kind, COLLECTIONS[kind], selector) for kind in sorted(kinds)]
