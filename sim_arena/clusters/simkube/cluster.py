"""The cluster `simkube`: SimKube's controller and driver replay the trace.

The Simulation resource carries all that is known of a simulation: the run's labels, and whether its
window is over. Pods are there from some seconds after its state is Running until its duration
ends, when SimKube deletes them: they are observed in between, and nothing else is.
"""

import time
from collections.abc import Callable

from sim_arena.clusters.base import Check, Simulation
from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.mirror import Collection, Mirror
from sim_arena.clusters.kube.objects import COLLECTIONS, State
from sim_arena.clusters.kube.observing import observe
from sim_arena.clusters.kube.ownership import RUN_ANNOTATION, prefix_of, run_labels
from sim_arena.clusters.kube.usage import usage_trouble
from sim_arena.clusters.kube.window import is_deleted, last_words
from sim_arena.clusters.kwok.settling import settled
from sim_arena.clusters.simkube.following import Follower
from sim_arena.clusters.simkube.preflight import check
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.clusters.simkube.simulation import (
    STORE,
    create_simulation,
    delete_simulation,
    namespaces_of,
    remove_simulations,
)
from sim_arena.clusters.simkube.traces import place, shortened
from sim_arena.observation import Observation
from sim_arena.spec import EpisodeSpec
from traces import Trace, WorkloadRef, load_trace

__all__ = ["SimKubeCluster", "make"]

_CLEAN_S = 120.0
_SETTLE_S = 30.0
_LOOK_S = 0.5


class SimKubeCluster:
    """Simulations on one cluster; SimKube's lease lets one run at a time.

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
        """Put the trace where the driver finds it, and make the Simulation.

        Raises:
            PermanentError: the trace cannot be put there, or there are namespaces of its names.
        """
        settings, run_id = _settings(simulation), simulation["run_id"]
        name, speed = prefix_of(simulation["name"]), simulation.get("speed", 1.0)
        trace = shortened(load_trace(simulation["trace"]), simulation["duration"])
        create_simulation(
            name,
            place(trace, name, settings),
            simulation["duration"] + (settings.margin + _SETTLE_S) * speed,
            settings.driver_namespace,
            api=self.api,
            settings=settings,
            speed=speed,
            labels=run_labels(run_id, simulation["name"]),
            annotations={RUN_ANNOTATION: run_id, STORE: settings.trace_store},
        )

    def wait(self, simulation: Simulation) -> list[str]:
        """Wait until the window is over and the cluster has settled, while pods are there.

        Returns:
            what the cluster does not model, and why it was not settled, if it was not

        Raises:
            TransientError: another simulation had SimKube's lease for longer than the timeout.
            PermanentError: the simulation failed, or ended before it could be observed.
        """
        follower = self._follower(simulation)
        trace = load_trace(simulation["trace"])
        begun = follower.await_beginning()
        for _ in follower.pass_time(begun + simulation["duration"] / simulation.get("speed", 1.0)):
            pass
        unsettled = self._settle(simulation, trace, follower.look)
        follower.require_running()
        follower.end_window()
        warnings = []
        if usage_trouble(trace, _ref(simulation)):
            warnings.append("usage: KWOK's pods use nothing")
        if follower.paused:
            warnings.append(
                f"paused for {follower.paused:.0f} s: SimKube plays what comes after that at other "
                "times than the trace's"
            )
        return warnings + ([f"not settled at the end: {unsettled}"] if unsettled else [])

    def observe(self, simulation: Simulation) -> Observation:
        """Read the workload at the end of the window, while SimKube keeps the pods.

        Raises:
            TransientError: the simulation is not Running, so that its pods mean nothing now.
            PermanentError: the window is not over, or the simulation has ended meanwhile.
        """
        follower = self._follower(simulation)
        follower.require_ended()
        trace = load_trace(simulation["trace"])
        ref = _ref(simulation)
        seen = observe(
            self.api,
            ref._replace(namespace=_virtual(simulation, ref.namespace)),
            "simkube",
            float(simulation["duration"]),
            deleted=is_deleted(trace, ref, simulation["duration"]),
        )
        if trouble := usage_trouble(trace, ref):
            seen["unassessable"] = trouble
        follower.require_running()  # else SimKube may have deleted what was being read
        return seen

    def delete(self, simulation: Simulation) -> None:
        """Delete the Simulation and all that it made."""
        delete_simulation(self.api, prefix_of(simulation["name"]), _CLEAN_S)

    def clean_up(self, run_id: str) -> None:
        """Delete a run's Simulations and all that they made, whichever process made them."""
        remove_simulations(self.api, run_id, _CLEAN_S)

    def _follower(self, simulation: Simulation) -> Follower:
        return Follower(self.api, simulation, _settings(simulation))

    def _settle(
        self, simulation: Simulation, trace: Trace, look: Callable[[], object]
    ) -> str | None:
        """Wait until the virtual namespaces have settled; returns why not, after a while."""
        deadline = time.monotonic() + _SETTLE_S
        reason: str | None = "the driver has made no namespace yet"
        while not (made := namespaces_of(self.api, prefix_of(simulation["name"]))):
            if time.monotonic() > deadline:
                return reason
            look()
            time.sleep(_LOOK_S)
        watched = [
            Collection(kind, f"{root}/namespaces/{one['metadata']['name']}/{plural}")
            for one in made
            for kind, path in COLLECTIONS.items()
            for root, _, plural in [path.rpartition("/")]
        ]
        with Mirror(self.api, watched) as mirror:
            mirror.wait_for_lists()
            while time.monotonic() < deadline:
                reason = settled(mirror) or _behind(simulation, trace, mirror.state())
                if reason is None:
                    return None
                look()
                mirror.wait_for_news(_LOOK_S)
        return reason


def make(context: str | None) -> SimKubeCluster:
    """Return the cluster of a context."""
    return SimKubeCluster(context)


def _behind(simulation: Simulation, trace: Trace, state: State) -> str | None:
    """Which workload is not yet as the trace leaves it: the driver may be late."""
    there = {
        (obj["kind"], obj["metadata"]["namespace"], obj["metadata"]["name"]): obj
        for objects in state.objects.values()
        for obj in objects
    }
    for ref, obj in last_words(trace, simulation["duration"]).items():
        found = there.get((ref.kind, _virtual(simulation, ref.namespace), ref.name))
        if obj is None and found is not None:
            return f"{ref} is not deleted yet"
        # A pod may have ended and been removed since, and so may a Job.
        if obj is not None and ref.kind not in {"Pod", "Job"} and found is None:
            return f"{ref} is not there yet"
        if obj and found and _replicas(obj) not in {None, _replicas(found)}:
            return f"{ref} has not its replicas yet"
    return None


def _replicas(obj: dict[str, object]) -> object:
    spec = obj.get("spec")
    return spec.get("replicas") if isinstance(spec, dict) else None


def _settings(simulation: Simulation) -> SimKubeSettings:
    return SimKubeSettings.model_validate(simulation.get("simkube", {}))


def _virtual(simulation: Simulation, namespace: str) -> str:
    """The name that a namespace of the trace has in the simulation."""
    prefix = _settings(simulation).virtual_ns_prefix or prefix_of(simulation["name"])
    return f"{prefix}-{namespace}"


def _ref(simulation: Simulation) -> WorkloadRef:
    return WorkloadRef(simulation["kind"], simulation["namespace"], simulation["deploy"])
