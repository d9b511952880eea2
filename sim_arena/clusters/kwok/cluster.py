"""The cluster `kwok`: a trace's objects applied to a real API server, in scaled real time.

What a simulation is doing stands in the lease that its run has, so that any process can go on with
it: which simulation, when it began, how many events were played, whether its window is over.
"""

import time
from collections.abc import Mapping
from functools import partial

from sim_arena.clusters.base import Check, Simulation, observed
from sim_arena.clusters.kube.cleaning import leftovers, remove
from sim_arena.clusters.kube.connected import ConnectedCluster
from sim_arena.clusters.kube.lease import Holder, await_cluster
from sim_arena.clusters.kube.observing import observe
from sim_arena.clusters.kube.ownership import prefix_of, virtual_name
from sim_arena.clusters.kube.simkube_objects import foreign_simulation
from sim_arena.clusters.kube.usage import trouble_in
from sim_arena.clusters.kube.window import deletes
from sim_arena.clusters.kwok.preflight import check
from sim_arena.clusters.kwok.replay import Clock, Pace, Replay
from sim_arena.errors import ClusterError, PermanentError, TransientError
from sim_arena.observation import Observation
from sim_arena.spec import EpisodeSpec
from traces import load_trace

__all__ = ["KwokCluster", "make"]

_CLEAN_S = 120.0
_SETTLE_S = 30.0
_PUNCTUAL_S = 3.0
_NAME, _BEGAN, _PLAYED, _ENDED = "simulation", "began", "events-played", "window-ended"
_LATE = "seconds-late"


class KwokCluster(ConnectedCluster):
    """Simulations on one cluster, one at a time.

    Args:
        context: the kubeconfig's context; None for the current one.
    """

    def preflight(self, spec: EpisodeSpec) -> list[Check]:
        """Check the cluster and whether it is fit for this trace; changes nothing."""
        return check(self.api, spec)

    def create(self, simulation: Simulation) -> None:
        """Get the cluster for the run; while another run has it, wait and say for whom.

        Raises:
            TransientError: another run had it for longer than the timeout.
            PermanentError: a dead run left something that would take room.
        """
        run_id, name, timeout = simulation["run_id"], simulation["name"], simulation["timeout"]
        holder = self.lease.holder()
        if holder is not None and holder.run_id == run_id:
            if holder.progress.get(_NAME) == name:
                self.keeper(run_id)
                return
            remove(self.api, run_id, _CLEAN_S)  # of an earlier simulation
        self.claim(run_id, {_NAME: name}, timeout)
        try:
            await_cluster(partial(foreign_simulation, self.api), timeout)
            self._require_empty(run_id)
        except ClusterError:
            self.give_back(run_id)
            raise

    def _require_empty(self, run_id: str) -> None:
        others = set(leftovers(self.api)) - {run_id}
        if others:
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
        run_id, name = simulation["run_id"], simulation["name"]
        progress = dict(_progress(self.lease.held(run_id), simulation))
        lease, keeper = self.lease, self.keeper(run_id)
        trace = load_trace(simulation["trace"])
        pace = _pace(simulation)
        began = float(progress[_BEGAN]) if _BEGAN in progress else None

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
                late = max(replay.clock.now() - step.due, float(progress.get(_LATE, "0")))
                replay.play(step)
                progress[_LATE] = repr(late)
                progress[_PLAYED] = str(step.number + 1)
                lease.renew(run_id, progress)
            replay.advance(simulation["duration"] / pace.speed)
            progress[_ENDED] = repr(replay.clock.now())
            unsettled = replay.settle(_SETTLE_S)
        lease.renew(run_id, progress)
        warnings = []
        if trouble_in(simulation, trace):
            warnings.append("usage: KWOK's pods use nothing")
        if (late := float(progress.get(_LATE, "0"))) > _PUNCTUAL_S:
            warnings.append(
                f"events came up to {late:.0f} s late, and those that were overdue at once: the "
                "API server or this process was away, or is slow"
            )
        return warnings + ([f"not settled at the end: {unsettled}"] if unsettled else [])

    def observe(self, simulation: Simulation) -> Observation:
        """Read the workload at the end of the window.

        Raises:
            TransientError: the run lost the cluster, or it could not be read.
            PermanentError: the window is not over, or the workload is gone.
        """
        run_id = simulation["run_id"]
        progress = _progress(self.lease.held(run_id), simulation)
        if _ENDED not in progress:
            raise PermanentError(
                f"expected the window of {simulation['name']} to be over, found it open: wait first"
            )
        trace = load_trace(simulation["trace"])
        ref = observed(simulation)
        seen = observe(
            self.api,
            ref._replace(namespace=virtual_name(prefix_of(simulation["name"]), ref.namespace)),
            simulation["cluster"].partition(":")[0],
            float(progress[_ENDED]) * _pace(simulation).speed,
            deleted=deletes(trace, ref, simulation["duration"]),
        )
        if trouble := trouble_in(simulation, trace):
            seen["unassessable"] = trouble
        # What was read while somebody else had the cluster is void.
        self.lease.held(run_id)
        if (other := foreign_simulation(self.api)) is not None:
            raise TransientError(f"expected no other simulation on the cluster, found {other}")
        return seen

    def delete(self, simulation: Simulation) -> None:
        """Remove a simulation; a run has no more than one."""
        self.clean_up(simulation["run_id"])

    def clean_up(self, run_id: str) -> None:
        """Remove whatever a run made, whichever process made it, and give the cluster back."""
        try:
            remove(self.api, run_id, _CLEAN_S)
        finally:
            self.give_back(run_id)


def make(context: str | None) -> KwokCluster:
    """Return the cluster of a context."""
    return KwokCluster(context)


def _progress(holder: Holder, simulation: Simulation) -> Mapping[str, str]:
    """How far a simulation is, whose run has the cluster."""
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
