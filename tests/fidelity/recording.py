"""Plays a scenario on the real control plane, and records what it showed and when.

The times are the real ones: the engine is then run on the same times, so that ages of pods and
elapsed delays are the same on both sides. Pauses in which nothing would happen are left out.
"""

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self

from sim_arena.clusters.kube.api import Json
from sim_arena.fidelity import Counts
from tests.cluster.harness import ControlPlane
from tests.cluster.replay import Clock, Options, Replay, Step, timeline, workloads
from tests.cluster.settle import NotSettledError, timers
from tests.cluster.state import WORKLOAD_KINDS, State
from tests.cluster.waiting import wait_until
from tests.cluster.webhook import Delays
from tests.fidelity.scenarios import NAMESPACES, Scenario
from tests.fidelity.watching import LogRow, Watcher, as_log

_NS = 1_000_000_000
_BEFORE_NEXT_S = 0.5
_END_S = 120.0
_SETTLE_S = 20.0
_POLL_S = 0.12
_MINUTE_S = 60
_OWNED = {"Deployment": "ReplicaSet", "CronJob": "Job"}


class Moment(NamedTuple):
    """One event, and what was there when the control plane had settled after it.

    Times are nanoseconds on a clock that was at a whole second of wall time when it was 0.
    """

    due: int  # seconds after the first event, in the trace
    applied: int
    seen: int
    workloads: tuple[Counts, ...]
    placements: tuple[tuple[str, str], ...]  # pod of which workload, on which node; sorted


class Application(NamedTuple):
    """One object that was applied or deleted; times as a moment's."""

    event: int  # number of the trace's event
    verb: str  # apply or delete
    thing: str
    began: int
    ended: int


@dataclass(frozen=True)
class Recording:
    """A scenario and what the real control plane made of it.

    Attributes:
        scenario: what was played.
        moments: one for each event, up to an error.
        error: what the API server refused, if it did.
        wall_s: how long it took, nodes' coming and going included.
        start_s: wall time at which the moments' clock was at 0, in seconds since 1970; None where
            it was not recorded.
        applications: every object's, in order.
        log: every change that the control plane made; empty where it was not recorded.
    """

    scenario: Scenario
    moments: tuple[Moment, ...]
    error: str | None
    wall_s: float
    start_s: int | None = None
    applications: tuple[Application, ...] = ()
    log: tuple[LogRow, ...] = ()


class _TimedReplay(Replay):
    """Notes when each object is applied; waits without looking, because the watches look."""

    def __init__(
        self, plane: ControlPlane, watcher: Watcher, scenario: Scenario, options: Options
    ) -> None:
        super().__init__(plane, scenario.trace, list(scenario.nodes), options)
        self.watcher = watcher
        self.scenario = scenario
        self.applied = 0
        self.applications: list[Application] = []
        self._settler.poll_s = _POLL_S  # several are played side by side
        made = {_OWNED.get(kind, kind) for kind in scenario.kinds}
        self._settler.kinds = WORKLOAD_KINDS & {"Pod", *scenario.kinds, *made}

    def __enter__(self) -> Self:
        super().__enter__()
        if self.scenario.start_second is not None:
            time.sleep((self.scenario.start_second - time.time()) % _MINUTE_S)
        self.watcher.clear()
        self._clock = Clock()
        return self

    @property
    def namespaces(self) -> dict[str, str]:
        """The trace's name of each namespace."""
        return {self._namespace(name): name for name in NAMESPACES}

    def _settle(self) -> None:
        """Settle; what never comes to rest, because pods end all the time, is left at that."""
        try:
            self.state = self._settler.wait(_SETTLE_S, on_look=self._learn)
        except NotSettledError:
            self.state, _ = self._settler.look()
            self._learn(self.state)
            if not any(timers(self.state)):
                self.state = self._settler.wait(on_look=self._learn)

    def _learn(self, state: State) -> None:
        """Learn who owns whom, of those too that came and went between two looks."""
        found: dict[str, list[Json]] = {kind: [] for kind in WORKLOAD_KINDS}
        for obj in self.watcher.first_forms():
            if obj["kind"] in found:
                found[obj["kind"]].append(obj)
        self._genealogy.update(State(found))
        self._genealogy.update(state)

    def _advance(self, when: float) -> None:
        left = when - self._clock.now()
        if left <= 0:
            return
        if any(timers(self.state)):
            time.sleep(left)
            self.state, _ = self._settler.look()
            self._learn(self.state)
        else:
            self._clock.skip_to(when)

    def _play(self, step: Step) -> None:
        self.applied = time.time_ns()
        super()._play(step)

    def _attempt(self, step: Step, verb: str, obj: Json) -> None:
        began = time.time_ns()
        super()._attempt(step, verb, obj)
        metadata = obj["metadata"]
        thing = f"{obj['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
        self.applications.append(Application(step.number, verb, thing, began, time.time_ns()))

    def caught_up(self) -> None:
        """Wait until the log holds all that the last look showed."""
        wait_until(lambda: self.watcher.behind(self.state), _END_S)


def record(plane: ControlPlane, watcher: Watcher, scenario: Scenario, prefix: str) -> Recording:
    """Play a scenario.

    Args:
        plane: a running control plane without nodes.
        watcher: watches it.
        scenario: what to play.
        prefix: goes before the namespaces' names; another one each time.
    """
    began = time.monotonic()
    options = Options(
        rewrite=scenario.replay == "simkube",
        prefix=prefix,
        speed=scenario.speed,
        delays=Delays(*scenario.delays),
    )
    dues = [step.due for step in timeline(scenario.trace, options)]
    # Seen at the end of the pause, when what has a delay is over.
    befores = [max(due, after - _BEFORE_NEXT_S) for due, after in pairwise(dues)]
    ends = [*befores, dues[-1] + scenario.tail]
    moments: list[Moment] = []
    if scenario.replay == "plain":
        _await_end_of_namespaces(plane)
    with _TimedReplay(plane, watcher, scenario, options) as replay:
        start = 0
        for due, (_, statuses) in zip(dues, replay.play_until(ends), strict=True):
            if replay.error is not None:
                break
            start = start or replay.applied // _NS * _NS
            seen = time.time_ns() - start
            counts = tuple(Counts.of(status) for status in statuses)
            placed = _placements(replay)
            moments.append(Moment(due, replay.applied - start, seen, counts, placed))
        replay.caught_up()
        error = replay.error
        applications = [
            a._replace(began=a.began - start, ended=a.ended - start) for a in replay.applications
        ]
        log = tuple(as_log(watcher.changes(), start, replay.namespaces))
    wall = time.monotonic() - began
    return Recording(scenario, tuple(moments), error, wall, start // _NS, tuple(applications), log)


def _await_end_of_namespaces(plane: ControlPlane) -> None:
    """Plain replays use the same namespaces, which take some seconds to go."""

    def left() -> str | None:
        found = [obj["metadata"]["name"] for obj in plane.api.list("/api/v1/namespaces")]
        own = [name for name in found if name in NAMESPACES]
        return f"namespaces still there: {', '.join(own)}" if own else None

    wait_until(left, _END_S)


def _placements(replay: Replay) -> tuple[tuple[str, str], ...]:
    found = [
        (str(ref), pod["spec"]["nodeName"])
        for ref in workloads(replay.trace)
        for pod in replay.pods(ref)
        if "nodeName" in pod["spec"]
    ]
    return tuple(sorted(found))
