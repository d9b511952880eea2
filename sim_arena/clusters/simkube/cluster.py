"""The cluster `simkube`: SimKube's controller and driver replay the trace.

The Simulation resource carries all that is known of a simulation: the run's labels, and whether its
window is over. Pods are there from some seconds after its state is Running until its duration
ends, when SimKube deletes them: they are observed in between, and nothing else is.
"""

import time
from collections.abc import Callable
from typing import Any

from sim_arena.clusters.base import Check, Simulation, observed
from sim_arena.clusters.kube.connected import ConnectedCluster
from sim_arena.clusters.kube.mirror import Collection, Mirror
from sim_arena.clusters.kube.objects import COLLECTIONS, State
from sim_arena.clusters.kube.observing import observe
from sim_arena.clusters.kube.ownership import RUN_ANNOTATION, prefix_of, run_labels, virtual_name
from sim_arena.clusters.kube.settling import settled
from sim_arena.clusters.kube.usage import trouble_in
from sim_arena.clusters.kube.window import deletes, last_words
from sim_arena.clusters.simkube.following import Follower
from sim_arena.clusters.simkube.preflight import check
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.clusters.simkube.simulation import (
    CONTROLLER,
    STORE,
    create_simulation,
    namespaces_of,
    remove_simulations,
)
from sim_arena.clusters.simkube.traces import (
    STORE_KEY,
    duration_for,
    place,
    shortened,
    withdraw,
    withdraw_all,
)
from sim_arena.errors import PermanentError, TransientError
from sim_arena.observation import Observation
from sim_arena.spec import EpisodeSpec
from traces import Trace, load_trace
from traces.quantities import parse_cpu, parse_memory

__all__ = ["SimKubeCluster", "make", "require_webhook"]

_CLEAN_S = 120.0
_SETTLE_S = 30.0
_LOOK_S = 0.5
# Through which the driver is asked for every pod. Source: SimKube 2.7, sk-ctrl/src/objects.rs.
_WEBHOOK = "mutatepods.simkube.io"


class SimKubeCluster(ConnectedCluster):
    """Simulations on one cluster; SimKube's lease lets one run at a time.

    Args:
        context: the kubeconfig's context; None for the current one.
    """

    def preflight(self, spec: EpisodeSpec) -> list[Check]:
        """Check the cluster and whether it is fit for this trace; changes nothing."""
        return check(self.api, spec)

    def create(self, simulation: Simulation) -> None:
        """Put the trace where the driver finds it, and make the Simulation.

        While another run has the cluster, wait and say for whom; a Simulation that is none of ours
        is waited for by SimKube itself, on its own lease.

        Raises:
            TransientError: another run had the cluster for longer than the timeout.
            PermanentError: the trace cannot be put there, or there are namespaces of its names.
        """
        settings, run_id = _settings(simulation), simulation["run_id"]
        # The store too: whoever cleans up finds a trace of which no Simulation was made.
        claim = {"simulation": simulation["name"], STORE_KEY: settings.trace_store}
        self.claim(run_id, claim, simulation["timeout"])
        name, speed = prefix_of(simulation["name"]), simulation.get("speed", 1.0)
        trace = shortened(load_trace(simulation["trace"]), simulation["duration"])
        stay = simulation["duration"] / speed + settings.margin + _SETTLE_S
        url = place(trace, run_id, name, settings)
        try:
            create_simulation(
                name,
                url,
                duration_for(trace, stay, speed),
                settings.driver_namespace,
                api=self.api,
                settings=settings,
                speed=speed,
                labels=run_labels(run_id, simulation["name"]),
                annotations={
                    RUN_ANNOTATION: run_id,
                    STORE: settings.trace_store,
                    CONTROLLER: settings.controller_namespace,
                },
            )
        except PermanentError:
            withdraw(run_id, name, settings.trace_store)  # no Simulation knows of it
            raise

    def wait(self, simulation: Simulation) -> list[str]:
        """Wait until the window is over and the cluster has settled, while pods are there.

        Returns:
            what the cluster does not model, and why it was not settled, if it was not

        Raises:
            TransientError: another simulation had SimKube's lease for longer than the timeout.
            PermanentError: the simulation failed, or ended before it could be observed.
        """
        self.lease.held(simulation["run_id"])
        self.keeper(simulation["run_id"])
        follower = self._follower(simulation)
        trace = load_trace(simulation["trace"])
        begun = follower.await_beginning()
        for _ in follower.pass_time(begun + simulation["duration"] / simulation.get("speed", 1.0)):
            pass
        unsettled = self._settle(simulation, trace, follower.look)
        follower.require_running()
        follower.end_window()
        warnings = []
        if trouble_in(simulation, trace):
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
            TransientError: the simulation is not Running, or its driver does not answer, so that
                its pods mean nothing now.
            PermanentError: the window is not over, or the simulation has ended meanwhile.
        """
        follower = self._follower(simulation)
        follower.require_ended()
        trace = load_trace(simulation["trace"])
        ref = observed(simulation)
        seen = observe(
            self.api,
            ref._replace(namespace=_virtual(simulation, ref.namespace)),
            "simkube",
            float(simulation["duration"]),
            deleted=deletes(trace, ref, simulation["duration"]),
        )
        require_webhook(seen)
        follower.require_running()  # else SimKube may have deleted what was being read
        self.lease.held(simulation["run_id"])
        if trouble := trouble_in(simulation, trace):
            seen["unassessable"] = trouble
        return seen

    def delete(self, simulation: Simulation) -> None:
        """Delete the Simulation and all that it made, and give the cluster back."""
        self.clean_up(simulation["run_id"])

    def clean_up(self, run_id: str) -> None:
        """Delete a run's Simulations and all that they made, whichever process made them."""
        holder = self.lease.holder()
        try:
            remove_simulations(self.api, run_id, _CLEAN_S)
            if holder is not None and holder.run_id == run_id:
                withdraw_all(run_id, holder.progress.get(STORE_KEY))
        finally:
            self.give_back(run_id)

    def _follower(self, simulation: Simulation) -> Follower:
        return Follower(self.api, simulation, _settings(simulation))

    def _settle(
        self, simulation: Simulation, trace: Trace, look: Callable[[], object]
    ) -> str | None:
        """Wait until the virtual namespaces have settled; returns why not, after a while.

        Raises:
            TransientError: the driver had not yet done by then what the trace says: what its pods
                show is of an earlier moment.
        """
        deadline = time.monotonic() + _SETTLE_S
        while not (made := namespaces_of(self.api, prefix_of(simulation["name"]))):
            if time.monotonic() > deadline:
                raise _late("it has made no namespace yet")
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
            mirror.note(freed=True)  # perhaps: what happened before is not known
            while True:
                unsettled = settled(mirror)
                behind = _behind(simulation, trace, mirror.state())
                if unsettled is None and behind is None:
                    return None
                if time.monotonic() > deadline:
                    break
                look()
                mirror.wait_for_news(_LOOK_S)
            mirror.require_present()
        if behind is not None:
            raise _late(behind)
        return unsettled


def make(context: str | None) -> SimKubeCluster:
    """Return the cluster of a context."""
    return SimKubeCluster(context)


def _late(behind: str) -> TransientError:
    return TransientError(
        f"expected the driver to have played the window {_SETTLE_S:g} s after its end, found that "
        f"{behind}: what its pods show is of an earlier moment; is the cluster overloaded?"
    )


def require_webhook(seen: Observation) -> None:
    """Raise if pods are missing because the driver, which is asked for each, does not answer.

    Raises:
        TransientError: that is so; it says nothing of the workload.
    """
    desired, events = seen["desired"], seen["events"] or ()
    missing = desired is not None and desired > seen["total"]
    told = [*(seen["reasons"] or ()), *(events if missing else ())]
    away = next((one for one in told if _WEBHOOK in one), None)
    if away is not None:
        raise TransientError(
            f"expected SimKube's driver to let pods in, found that it does not answer ({away}): "
            "what its pods show is not the workload's doing"
        )


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
        if obj and found and _amounts(obj) != _amounts(found):
            return f"{ref} has not its requests and limits yet"
    for one in state.objects["ReplicaSet"]:
        if any(_WEBHOOK in condition.get("message", "") for condition in _conditions(one)):
            return f"the driver does not answer for the pods of {one['metadata']['name']}"
    return None


def _conditions(obj: dict[str, Any]) -> list[dict[str, Any]]:
    return (obj.get("status") or {}).get("conditions") or []


def _replicas(obj: dict[str, object]) -> object:
    spec = obj.get("spec")
    return spec.get("replicas") if isinstance(spec, dict) else None


def _amounts(obj: dict[str, Any]) -> list[dict[str, int]] | None:
    """CPU and memory of each container of a pod template; None for what has none."""
    template = (obj.get("spec") or {}).get("template")
    if not template:
        return None
    return [
        {
            f"{part}.{name}": parse(str(amounts[name]))
            for part, amounts in (container.get("resources") or {}).items()
            if part in {"requests", "limits"} and amounts
            for name, parse in (("cpu", parse_cpu), ("memory", parse_memory))
            if name in amounts
        }
        for container in template["spec"]["containers"]
    ]


def _settings(simulation: Simulation) -> SimKubeSettings:
    return SimKubeSettings.model_validate(simulation.get("simkube", {}))


def _virtual(simulation: Simulation, namespace: str) -> str:
    """The name that a namespace of the trace has in the simulation."""
    prefix = _settings(simulation).virtual_ns_prefix or prefix_of(simulation["name"])
    return virtual_name(prefix, namespace)
