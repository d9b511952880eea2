"""The cluster `kwok`: a trace's objects applied to a real API server, in scaled real time.

What a simulation is doing stands in the lease that its run has, so that any process can go on with
it: which simulation, when it began, how many events were played, whether its window is over.
"""

import time
from collections.abc import Mapping

from sim_arena.clusters.base import Check, Simulation
from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.cleaning import leftovers, remove
from sim_arena.clusters.kube.lease import Lease
from sim_arena.clusters.kube.observing import observe
from sim_arena.clusters.kube.ownership import prefix_of
from sim_arena.clusters.kube.usage import usage_trouble
from sim_arena.clusters.kube.window import is_deleted
from sim_arena.clusters.kwok.preflight import LEASE, check
from sim_arena.clusters.kwok.replay import Clock, Pace, Replay
from sim_arena.errors import PermanentError, TransientError
from sim_arena.observation import Observation
from sim_arena.spec import EpisodeSpec
from traces import Trace, WorkloadRef, load_trace

__all__ = ["KwokCluster", "make"]

_CLEAN_S = 120.0
_SETTLE_S = 30.0
_NAME, _BEGAN, _PLAYED, _ENDED = "simulation", "began", "events-played", "window-ended"


class KwokCluster:
    """Simulations on one cluster, one at a time.

    Args:
        context: the kubeconfig's context; None for the current one.
    """

    def __init__(self, context: str | None = None) -> None:
        self._context = context
        self._api: Api | None = None

    @property
    def api(self) -> Api:
        """The API server; connected to when it is first needed."""
        if self._api is None:
            self._api = Api.from_kubeconfig(context=self._context)
        return self._api

    def preflight(self, spec: EpisodeSpec) -> list[Check]:
        """Check the cluster and whether it is fit for this trace; changes nothing."""
        return check(self.api, spec)

    def create(self, simulation: Simulation) -> None:
        """Get the cluster for the run; while another run has it, wait and say for whom.

        Raises:
            TransientError: another run had it for longer than the timeout.
            PermanentError: a dead run left something that would take room.
        """
        lease = Lease(self.api, LEASE)
        holder = lease.holder()
        if holder is not None and holder.run_id == simulation["run_id"]:
            if holder.progress.get(_NAME) == simulation["name"]:
                lease.renew(simulation["run_id"])
                return
            remove(self.api, simulation["run_id"], _CLEAN_S)  # of an earlier simulation
        lease.acquire(simulation["run_id"], {_NAME: simulation["name"]}, simulation["timeout"])
        others = set(leftovers(self.api)) - {simulation["run_id"]}
        if others:
            lease.release(simulation["run_id"])
            raise PermanentError(
                f"expected nothing of earlier runs on the cluster, found what {', '.join(others)} "
                "left, which would take room: `sim-arena cluster clean` removes it"
            )

    def wait(self, simulation: Simulation) -> list[str]:
        """Play the trace to the end of the window, and let the cluster settle.

        Another process may have played a part of it; it is gone on with.

        Returns:
            what the cluster does not model, and why it was not settled, if it was not

        Raises:
            TransientError: the cluster was away, or another run has it now.
            PermanentError: an object was refused, or the timeout passed.
        """
        deadline = time.monotonic() + simulation["timeout"]
        lease = Lease(self.api, LEASE)
        progress = dict(_progress(lease, simulation))
        trace = load_trace(simulation["trace"])
        pace = _pace(simulation)
        began = float(progress[_BEGAN]) if _BEGAN in progress else None
        run_id, name = simulation["run_id"], simulation["name"]
        with lease.kept(run_id) as keeper:

            def go_on() -> None:
                keeper.check()
                if time.monotonic() > deadline:
                    raise PermanentError(
                        f"expected the window to be over within {simulation['timeout']:g} s, found "
                        "it unfinished: shorten the duration, raise the speed or the timeout"
                    )

            clock = None if began is None else Clock(began)
            with Replay(self.api, trace, name, run_id, pace, clock=clock, check=go_on) as replay:
                progress[_BEGAN] = repr(replay.clock.started)
                for step in replay.steps[int(progress.get(_PLAYED, "0")) :]:
                    replay.advance(step.due)
                    replay.play(step)
                    progress[_PLAYED] = str(step.number + 1)
                    lease.renew(run_id, progress)
                replay.advance(simulation["duration"] / pace.speed)
                progress[_ENDED] = repr(replay.clock.now())
                unsettled = replay.settle(_SETTLE_S)
            lease.renew(run_id, progress)
        warnings = ["usage: KWOK's pods use nothing"] if _trouble(trace, simulation) else []
        return warnings + ([f"not settled at the end: {unsettled}"] if unsettled else [])

    def observe(self, simulation: Simulation) -> Observation:
        """Read the workload at the end of the window.

        Raises:
            TransientError: the run lost the cluster, or it could not be read.
            PermanentError: the window is not over, or the workload is gone.
        """
        lease = Lease(self.api, LEASE)
        progress = _progress(lease, simulation)
        if _ENDED not in progress:
            raise PermanentError(
                f"expected the window of {simulation['name']} to be over, found it open: wait first"
            )
        trace = load_trace(simulation["trace"])
        ref = WorkloadRef(
            simulation["kind"],
            f"{prefix_of(simulation['name'])}-{simulation['namespace']}",
            simulation["deploy"],
        )
        seen = observe(
            self.api,
            ref,
            simulation["cluster"].partition(":")[0],
            float(progress[_ENDED]) * _pace(simulation).speed,
            deleted=is_deleted(trace, _ref(simulation), simulation["duration"]),
        )
        trouble = _trouble(trace, simulation)
        if trouble:
            seen["unassessable"] = trouble
        _progress(lease, simulation)  # what was read while somebody else had the cluster is void
        lease.renew(simulation["run_id"])
        return seen

    def delete(self, simulation: Simulation) -> None:
        """Remove a simulation; a run has no more than one."""
        self.clean_up(simulation["run_id"])

    def clean_up(self, run_id: str) -> None:
        """Remove whatever a run made, whichever process made it, and give the cluster back."""
        try:
            remove(self.api, run_id, _CLEAN_S)
        finally:
            Lease(self.api, LEASE).release(run_id)


def make(context: str | None) -> KwokCluster:
    """Return the cluster of a context."""
    return KwokCluster(context)


def _progress(lease: Lease, simulation: Simulation) -> Mapping[str, str]:
    """How far a simulation is, which has to have the cluster."""
    holder = lease.holder()
    if holder is None or holder.run_id != simulation["run_id"]:
        who = "nobody" if holder is None else f"run {holder.run_id}"
        raise TransientError(
            f"expected run {simulation['run_id']} to have the cluster, found that {who} has it"
        )
    if holder.progress.get(_NAME) != simulation["name"]:
        raise PermanentError(
            f"expected the simulation {simulation['name']} on the cluster, found "
            f"{holder.progress.get(_NAME)}: create it first"
        )
    return holder.progress


def _pace(simulation: Simulation) -> Pace:
    return Pace(
        rewrite=simulation["replay"] == "simkube",
        duration=simulation["duration"],
        speed=simulation.get("speed", 1.0),
    )


def _ref(simulation: Simulation) -> WorkloadRef:
    return WorkloadRef(simulation["kind"], simulation["namespace"], simulation["deploy"])


def _trouble(trace: Trace, simulation: Simulation) -> list[str]:
    return usage_trouble(trace, _ref(simulation))
