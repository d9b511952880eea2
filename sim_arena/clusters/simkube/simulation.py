"""SimKube's Simulation resource: made, looked at and deleted.

Source: SimKube 2.7, `sk-api/src/v1/simulations.rs` and `sk-ctrl/src/controller.rs`.
"""

import math
import time
from collections.abc import Mapping
from typing import Any

from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.errors import ApiError
from sim_arena.clusters.kube.ownership import of_run
from sim_arena.clusters.simkube.settings import DEFAULT_PORT, SimKubeHooks, SimKubeSettings
from sim_arena.errors import TransientError

__all__ = [
    "SIMULATION",
    "create_simulation",
    "delete_simulation",
    "failure",
    "lease_holder",
    "manifest",
    "namespaces_of",
    "remove_simulations",
    "state_of",
]

SIMULATION: Json = {"apiVersion": "simkube.io/v1", "kind": "Simulation"}
VIRTUAL_LABEL = "simkube.io/virtual"
_LEASE: Json = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
_WEBHOOK: Json = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "MutatingWebhookConfiguration",
}
_LEASE_NAME = "sk-lease"
_LOOK_S = 0.3
_TOLD = 5


def manifest(  # noqa: PLR0913, PLR0917 # each is a field
    name: str,
    trace_path: str,
    duration_s: float,
    prefix: str,
    settings: SimKubeSettings,
    speed: float = 1.0,
    labels: Mapping[str, str] | None = None,
) -> Json:
    """A Simulation with every field that the settings give.

    Args:
        name: the simulation's name.
        trace_path: the trace's URL, as the driver sees it.
        duration_s: for how long pods are to be there, in seconds of the trace.
        prefix: goes before the namespaces' names.
        settings: how SimKube is run.
        speed: divides the pauses.
        labels: of the owner.
    """
    args = list(settings.driver_args)
    if settings.port != DEFAULT_PORT:
        args += ["--admission-webhook-port", str(settings.port)]
    driver = {
        "image": settings.driver_image,
        "namespace": settings.driver_namespace,
        "port": settings.port,
        "tracePath": trace_path,
        "virtualNsPrefix": prefix,
        "certManagerIssuer": settings.cert_manager_issuer,
        **({"args": args} if args else {}),
        **({"secrets": list(settings.secrets)} if settings.secrets else {}),
    }
    spec: Json = {
        "driver": driver,
        "duration": f"+{math.ceil(duration_s)}s",
        "speed": speed,
        "repetitions": settings.repetitions,
        "lifecycleParams": {
            _camel(key): value for key, value in settings.lifecycle.model_dump().items()
        },
    }
    if hooks := _hooks(settings.hooks):
        spec["hooks"] = hooks
    metadata = {"name": name, "labels": dict(labels or {})}
    return {**SIMULATION, "metadata": metadata, "spec": spec}


def create_simulation(api: Api, wanted: Json) -> None:
    """Make a Simulation; one of that name that is there already is left as it is."""
    if not api.exists(SIMULATION, None, wanted["metadata"]["name"]):
        api.apply(wanted)


def delete_simulation(api: Api, name: str, deadline_s: float) -> bool:
    """Delete a Simulation, and wait until its namespaces, webhook and driver are gone too.

    Returns:
        False if there was none.

    Raises:
        TransientError: they were still there at the deadline.
    """
    found = api.delete(SIMULATION, None, name, propagation_policy="Background")
    # With its driver gone it would refuse every change of the pods, their deletion included.
    api.delete(_WEBHOOK, None, f"sk-{name}-mutatepods")
    deadline = time.monotonic() + deadline_s
    while left := _left(api, name):
        if time.monotonic() > deadline:
            raise TransientError(
                f"expected what the simulation {name} made to go within {deadline_s:g} s, found "
                f"{', '.join(left)}"
            )
        time.sleep(_LOOK_S)
    return found


def remove_simulations(api: Api, run_id: str, deadline_s: float) -> list[str]:
    """Delete a run's Simulations and all that they made; nothing where there is no SimKube.

    Returns:
        what was deleted, by kind and name.
    """
    if not api.knows(SIMULATION["apiVersion"], SIMULATION["kind"]):
        return []
    found = api.list(api.path(SIMULATION, None), of_run(run_id))
    names = [str(one["metadata"]["name"]) for one in found]
    for name in names:
        delete_simulation(api, name, deadline_s)
    return [f"Simulation {name}" for name in names]


def state_of(simulation: Json) -> str | None:
    """Blocked, Initializing, Running, Paused, Retrying, Finished or Failed; None before any."""
    state: str | None = (simulation.get("status") or {}).get("state")
    return state


def namespaces_of(api: Api, name: str) -> list[Json]:
    """The virtual namespaces of a simulation, whose prefix is its name and nobody else's."""
    found = api.list("/api/v1/namespaces", VIRTUAL_LABEL)
    return [one for one in found if one["metadata"]["name"].startswith(f"{name}-")]


def lease_holder(api: Api, settings: SimKubeSettings) -> str | None:
    """The simulation that has SimKube's lease."""
    found = api.get(_LEASE, settings.controller_namespace, _LEASE_NAME)
    return None if found is None else found["spec"].get("holderIdentity")


def failure(api: Api, name: str, settings: SimKubeSettings) -> str:
    """What the driver's log and the events say of a simulation that failed."""
    namespace = settings.driver_namespace
    told: list[str] = []
    for pod in api.list(f"/api/v1/namespaces/{namespace}/pods", f"job-name=sk-{name}-driver"):
        path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}"
        try:
            log = api.text(f"{path}/log?tailLines=20")
            told.append(f"the driver's log ends with: {log.strip()}")
        except ApiError as error:
            told.append(f"the driver's log cannot be read ({error})")
        ended = [s["state"].get("terminated") for s in pod["status"].get("containerStatuses") or ()]
        told += [f"it ended with exit code {end['exitCode']}" for end in ended if end]
    events = [
        f"{event.get('reason')}: {event.get('message') or event.get('note')}"
        for event in api.list("/api/v1/events")
        if name in str(event["involvedObject"].get("name"))
    ]
    told += [f"events: {'; '.join(events[-_TOLD:])}"] if events else []
    return "; ".join(told) or "neither a driver nor an event was found"


def _left(api: Api, name: str) -> list[str]:
    found = [f"namespace {one['metadata']['name']}" for one in namespaces_of(api, name)]
    for version, kind in (
        ("simkube.io/v1", "Simulation"),
        ("simkube.io/v1", "SimulationRoot"),
        ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
    ):
        for obj in api.list(api.path({"apiVersion": version, "kind": kind}, None)):
            own = obj["metadata"]["name"]
            if own == name or own.startswith(f"sk-{name}-"):
                found.append(f"{kind} {own}")
    return found


def _hooks(hooks: SimKubeHooks) -> Json:
    made: Json = {}
    for name, some in hooks.model_dump(mode="json").items():
        if some:
            made[_camel(name)] = [
                {_camel(key): value for key, value in one.items() if value is not None}
                for one in some
            ]
    return made


def _camel(name: str) -> Any:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
