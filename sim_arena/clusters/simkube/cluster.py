"""The cluster `simkube`: SimKube's controller and driver replay the trace.

The Simulation resource carries all that is known of a simulation: the run's labels, and whether its
window is over. Pods are there from some seconds after its state is Running until its duration
ends, when SimKube deletes them: they are observed in between, and nothing else is.
"""

import datetime as dt
import logging
import time
from collections.abc import Callable

from sim_arena.clusters.base import Check, Simulation
from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.mirror import Collection, Mirror
from sim_arena.clusters.kube.objects import COLLECTIONS
from sim_arena.clusters.kube.observing import observe
from sim_arena.clusters.kube.ownership import prefix_of, run_labels
from sim_arena.clusters.kube.usage import usage_trouble
from sim_arena.clusters.kwok.settling import settled
from sim_arena.clusters.simkube.preflight import check
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.clusters.simkube.simulation import (
    SIMULATION,
    create_simulation,
    delete_simulation,
    failure,
    lease_holder,
    manifest,
    namespaces_of,
    remove_simulations,
    state_of,
)
from sim_arena.clusters.simkube.traces import place, shortened, withdraw
from sim_arena.errors import PermanentError, TransientError
from sim_arena.observation import Observation
from sim_arena.spec import EpisodeSpec
from traces import WorkloadRef, load_trace

__all__ = ["SimKubeCluster", "make"]

_LOG = logging.getLogger(__name__)
_CLEAN_S = 120.0
_SETTLE_S = 30.0
_LOOK_S = 0.5
_ENDED = "sim-arena.io/window-ended"
_RUNNING = "Running"


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
        """Put the trace where the driver finds it, and make the Simulation."""
        settings = _settings(simulation)
        name, speed = _name(simulation), simulation.get("speed", 1.0)
        trace = shortened(load_trace(simulation["trace"]), simulation["duration"])
        url = place(trace, name, settings)
        lasting = simulation["duration"] + (settings.margin + _SETTLE_S) * speed
        labels = run_labels(simulation["run_id"], simulation["name"])
        create_simulation(
            self.api, manifest(name, url, lasting, name, settings, speed, labels=labels)
        )

    def wait(self, simulation: Simulation) -> list[str]:
        """Wait until the window is over and the cluster has settled, while pods are there.

        Returns:
            what the cluster does not model, and why it was not settled, if it was not

        Raises:
            TransientError: another simulation had SimKube's lease for longer than the timeout.
            PermanentError: the simulation failed, or ended before it could be observed.
        """
        deadline = time.monotonic() + simulation["timeout"]
        begun = self._await_pods(simulation, deadline)
        window = simulation["duration"] / simulation.get("speed", 1.0)
        end = begun + window
        while (left := end - time.time()) > 0:
            self._require_running(simulation)
            time.sleep(min(left, _LOOK_S))
        unsettled = self._settle(simulation, lambda: self._require_running(simulation))
        self._require_running(simulation)
        self._note(_name(simulation), {_ENDED: repr(window)})
        trouble = usage_trouble(load_trace(simulation["trace"]), _ref(simulation))
        warnings = ["usage: KWOK's pods use nothing"] if trouble else []
        return warnings + ([f"not settled at the end: {unsettled}"] if unsettled else [])

    def observe(self, simulation: Simulation) -> Observation:
        """Read the workload at the end of the window, while SimKube keeps the pods.

        Raises:
            PermanentError: the window is not over, or the simulation has ended meanwhile.
        """
        found = self._require_running(simulation)
        if _ENDED not in (found["metadata"].get("annotations") or {}):
            raise PermanentError(
                f"expected the window of {_name(simulation)} to be over, found it open: wait first"
            )
        trace = load_trace(simulation["trace"])
        ref = _ref(simulation)
        there = ref._replace(namespace=f"{_name(simulation)}-{ref.namespace}")
        seen = observe(self.api, there, "simkube", float(simulation["duration"]))
        if trouble := usage_trouble(trace, ref):
            seen["unassessable"] = trouble
        self._require_running(simulation)  # else SimKube may have deleted what was being read
        return seen

    def delete(self, simulation: Simulation) -> None:
        """Delete the Simulation and all that it made."""
        delete_simulation(self.api, _name(simulation), _CLEAN_S)
        withdraw(_name(simulation), _settings(simulation))

    def clean_up(self, run_id: str) -> None:
        """Delete a run's Simulations and all that they made, whichever process made them."""
        remove_simulations(self.api, run_id, _CLEAN_S)

    def _await_pods(self, simulation: Simulation, deadline: float) -> float:
        """Wait until the driver has made its first namespace; returns when, since 1970."""
        told: str | None = None
        while True:
            found = self._get(simulation)
            state = state_of(found)
            self._refuse_ended(simulation, found)
            if state == _RUNNING and (made := namespaces_of(self.api, _name(simulation))):
                return min(_seconds(one["metadata"]["creationTimestamp"]) for one in made)
            if state == "Blocked":
                holder = lease_holder(self.api, _settings(simulation))
                if holder != told:
                    told = holder
                    _LOG.warning("waiting for simulation %s, which has SimKube's lease", holder)
            if time.monotonic() > deadline:
                waited = f"{simulation['timeout']:g} s"
                if state == "Blocked":
                    raise TransientError(
                        f"expected SimKube's lease within {waited}, found that simulation {told} "
                        "has it: wait for it, or delete it"
                    )
                raise PermanentError(
                    f"expected pods of {_name(simulation)} within {waited}, found it in state "
                    f"{state or 'unknown to sk-ctrl: does sk-ctrl run?'}; "
                    + failure(self.api, _name(simulation), _settings(simulation))
                )
            time.sleep(_LOOK_S)

    def _settle(self, simulation: Simulation, go_on: Callable[[], object]) -> str | None:
        """Wait until the virtual namespaces have settled; returns why not, after a while."""
        deadline = time.monotonic() + _SETTLE_S
        names = [one["metadata"]["name"] for one in namespaces_of(self.api, _name(simulation))]
        watched = [
            Collection(kind, f"{root}/namespaces/{name}/{plural}")
            for name in names
            for kind, path in COLLECTIONS.items()
            for root, _, plural in [path.rpartition("/")]
        ]
        with Mirror(self.api, watched) as mirror:
            mirror.wait_for_lists()
            while (reason := settled(mirror)) is not None and time.monotonic() < deadline:
                go_on()
                mirror.wait_for_news(_LOOK_S)
        return reason

    def _require_running(self, simulation: Simulation) -> Json:
        found = self._get(simulation)
        self._refuse_ended(simulation, found)
        if state_of(found) != _RUNNING:
            raise TransientError(
                f"expected the simulation {_name(simulation)} to be Running, found "
                f"{state_of(found)}: what its pods show now is not the window's end"
            )
        return found

    def _refuse_ended(self, simulation: Simulation, found: Json) -> None:
        state = state_of(found)
        if state == "Failed":
            raise PermanentError(
                f"the simulation {_name(simulation)} failed; "
                + failure(self.api, _name(simulation), _settings(simulation))
            )
        if state == "Finished":
            raise PermanentError(
                f"expected the simulation {_name(simulation)} to be there for the observation, "
                "found it finished and its pods deleted: give a larger margin"
            )

    def _get(self, simulation: Simulation) -> Json:
        found = self.api.get(SIMULATION, None, _name(simulation))
        if found is None:
            raise PermanentError(
                f"expected the Simulation {_name(simulation)}, found none: somebody deleted it"
            )
        return found

    def _note(self, name: str, annotations: dict[str, str]) -> None:
        path = self.api.path(SIMULATION, None, name)
        body = {"metadata": {"annotations": annotations}}
        self.api.request("patch", path, body, content_type="application/merge-patch+json")


def make(context: str | None) -> SimKubeCluster:
    """Return the cluster of a context."""
    return SimKubeCluster(context)


def _name(simulation: Simulation) -> str:
    """The name of the Simulation, and what goes before its namespaces' names."""
    return prefix_of(simulation["name"])


def _settings(simulation: Simulation) -> SimKubeSettings:
    return SimKubeSettings.model_validate(simulation.get("simkube", {}))


def _ref(simulation: Simulation) -> WorkloadRef:
    return WorkloadRef(simulation["kind"], simulation["namespace"], simulation["deploy"])


def _seconds(timestamp: str) -> float:
    return dt.datetime.fromisoformat(timestamp).timestamp()
