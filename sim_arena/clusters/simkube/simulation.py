"""SimKube's Simulation resource: made, looked at and deleted.

Source: SimKube 2.7, `sk-api/src/v1/simulations.rs`, `sk-ctrl/src/controller.rs` and
`sk-driver/src/runner.rs`.
"""

import datetime as dt
import math
import time
from collections.abc import Mapping
from typing import Any

from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.cleaning import remove
from sim_arena.clusters.kube.errors import RefusedError
from sim_arena.clusters.kube.ownership import RUN_ANNOTATION, RUN_LABEL, of_run, run_of
from sim_arena.clusters.kube.simkube_objects import SIMKUBE_LABEL, SIMULATION, VIRTUAL_LABEL
from sim_arena.clusters.simkube.settings import DEFAULT_PORT, SimKubeHooks, SimKubeSettings
from sim_arena.clusters.simkube.traces import withdraw
from sim_arena.errors import PermanentError, TransientError

__all__ = [
    "CONTROLLER",
    "STORE",
    "annotate",
    "begun_at",
    "create_simulation",
    "delete_simulation",
    "is_ending",
    "lease_holder",
    "manifest",
    "namespaces_of",
    "remove_simulations",
    "simulations",
]

STORE = "sim-arena.io/trace-store"
"""The annotation with the place into which a Simulation's trace was written."""
CONTROLLER = "sim-arena.io/controller-namespace"
"""The annotation with the namespace in which sk-ctrl has its lease."""

_LEASE: Json = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
_LEASE_NAME = "sk-lease"
_WEBHOOK: Json = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "MutatingWebhookConfiguration",
}
_ROOT: Json = {"apiVersion": "simkube.io/v1", "kind": "SimulationRoot"}
_NAMESPACE: Json = {"apiVersion": "v1", "kind": "Namespace"}
_MERGE = "application/merge-patch+json"
_LOOK_S = 0.3


def manifest(  # noqa: PLR0913, PLR0917 # each is a field
    name: str,
    trace_path: str,
    duration_s: float,
    namespace: str,
    settings: SimKubeSettings,
    speed: float = 1.0,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Json:
    """A Simulation with every field that the settings give.

    Args:
        name: the simulation's name, and what goes before its namespaces' names if the settings
            do not say.
        trace_path: the trace's URL, as the driver sees it.
        duration_s: for how long pods are to be there, in seconds of the trace.
        namespace: where the driver runs.
        settings: how SimKube is run.
        speed: divides the pauses.
        labels: of the owner.
        annotations: what else to say of it.
    """
    args = list(settings.driver_args)
    if settings.port != DEFAULT_PORT:
        args += ["--admission-webhook-port", str(settings.port)]
    driver = {
        "image": settings.driver_image,
        "namespace": namespace,
        "port": settings.port,
        "tracePath": trace_path,
        "virtualNsPrefix": settings.virtual_ns_prefix or name,
        "certManagerIssuer": settings.cert_manager_issuer,
        **({"args": args} if args else {}),
        **({"secrets": list(settings.secrets)} if settings.secrets else {}),
    }
    optional = {
        "hooks": _hooks(settings.hooks) or None,
        "metrics": settings.metrics,
        "rescheduleInterruptedBarePods": settings.reschedule_interrupted_bare_pods,
    }
    spec: Json = {
        "driver": driver,
        "duration": f"+{math.ceil(duration_s)}s",
        "speed": speed,
        "repetitions": settings.repetitions,
        "lifecycleParams": {
            _camel(key): value for key, value in settings.lifecycle.model_dump().items()
        },
        **{key: value for key, value in optional.items() if value is not None},
    }
    metadata = {
        "name": name,
        "labels": dict(labels or {}),
        "annotations": dict(annotations or {}),
    }
    return {**SIMULATION, "metadata": metadata, "spec": spec}


def create_simulation(  # noqa: PLR0913 # each is a field
    name: str,
    trace_path: str,
    duration_s: float,
    namespace: str,
    *,
    api: Api,
    settings: SimKubeSettings,
    speed: float = 1.0,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> None:
    """Make a Simulation; one of that name that is there already is left as it is.

    Args:
        name: the simulation's name.
        trace_path: the trace's URL, as the driver sees it.
        duration_s: for how long pods are to be there, in seconds of the trace.
        namespace: where the driver runs.
        api: the cluster.
        settings: how SimKube is run.
        speed: divides the pauses.
        labels: of the owner.
        annotations: what else to say of it.

    Raises:
        PermanentError: there are namespaces already into which SimKube would write.
    """
    if api.exists(SIMULATION, None, name):
        return
    wanted = manifest(name, trace_path, duration_s, namespace, settings, speed, labels, annotations)
    _require_free(api, wanted["spec"]["driver"]["virtualNsPrefix"])
    api.apply(wanted)


def _require_free(api: Api, prefix: str) -> None:
    there = [one["metadata"]["name"] for one in api.list("/api/v1/namespaces")]
    if found := [other for other in there if other.startswith(f"{prefix}-")]:
        raise PermanentError(
            f"expected no namespaces whose names begin with {prefix}-, found {', '.join(found)}: "
            "SimKube would write into them; give another virtual_ns_prefix, or none"
        )


def delete_simulation(api: Api, name: str, deadline_s: float) -> bool:
    """Delete a Simulation, and wait until all that it made is gone, and its trace.

    Its namespaces get the run's label first, so that they can be found again if one is stuck.

    Returns:
        False if there was none.

    Raises:
        TransientError: something was still there at the deadline; says what, and what holds it.
    """
    found = api.get(SIMULATION, None, name)
    if found is None:
        return False
    deadline = time.monotonic() + deadline_s
    adopted = _adopt(api, found)
    # The Simulation alone knows where its trace is, so it goes after that.
    store = (found["metadata"].get("annotations") or {}).get(STORE)
    kept = withdraw(run_of(found), name, store)
    api.delete(SIMULATION, None, name, propagation_policy="Background")
    # With its driver gone it would refuse every change of the pods, their deletion included.
    api.delete(_WEBHOOK, None, f"sk-{name}-mutatepods")
    while True:
        if adopted:
            # The namespace controller would take half a minute, as pods may take that to end.
            remove(api, run_of(found), max(0.0, deadline - time.monotonic()), kinds=())
        if not (left := _left(api, found)):
            break
        if time.monotonic() > deadline:
            raise TransientError(
                f"expected what the simulation {name} made to go within {deadline_s:g} s, found "
                f"{', '.join(left)}"
            )
        # The driver may have made another namespace when it was about to be ended.
        adopted = _adopt(api, found)
        time.sleep(_LOOK_S)
    if kept is not None:
        raise PermanentError(kept)
    return True


def remove_simulations(api: Api, run_id: str, deadline_s: float) -> list[str]:
    """Delete a run's Simulations and all that they made; nothing where there is no SimKube.

    Returns:
        what was deleted, by kind and name.

    Raises:
        TransientError: something did not go.
    """
    removed = []
    for one in simulations(api, run_id):
        name = str(one["metadata"]["name"])
        delete_simulation(api, name, deadline_s)
        removed.append(f"Simulation {name}")
    # What an earlier attempt left: a namespace that was stuck then.
    return removed + remove(api, run_id, deadline_s, kinds=())


def simulations(api: Api, run_id: str | None = None) -> list[Json]:
    """A run's Simulations, or those of all runs; none where there is no SimKube."""
    if not api.knows(SIMULATION["apiVersion"], SIMULATION["kind"]):
        return []
    return api.list(api.path(SIMULATION, None), of_run(run_id))


def annotate(api: Api, name: str, annotations: Mapping[str, str]) -> None:
    """Write something down at a Simulation."""
    body = {"metadata": {"annotations": dict(annotations)}}
    api.request("patch", api.path(SIMULATION, None, name), body, content_type=_MERGE)


def namespaces_of(api: Api, name: str) -> list[Json]:
    """The virtual namespaces of a simulation: its driver labels them with its pod's name."""
    found = api.list("/api/v1/namespaces", f"{VIRTUAL_LABEL}=true")
    mine = f"sk-{name}-driver-"[:59]  # as SimKube cuts labels
    return [
        one for one in found if one["metadata"]["labels"].get(SIMKUBE_LABEL, "").startswith(mine)
    ]


def is_ending(api: Api, simulation: Json) -> bool:
    """Whether the driver takes away what it made; the Simulation may be Running until later.

    Source: SimKube 2.7, `cleanup_trace` in `sk-driver/src/runner.rs`: the SimulationRoot is
    deleted in the foreground, so it stays, marked, until its pods have gone.
    """
    name = simulation["metadata"]["name"]
    made = namespaces_of(api, name)
    made += [
        one
        for one in api.list(api.path(_ROOT, None))
        if one["metadata"]["name"].startswith(f"sk-{name}-")
    ]
    return not made or any("deletionTimestamp" in one["metadata"] for one in made)


def lease_holder(api: Api, namespace: str) -> str | None:
    """The simulation that has SimKube's lease, which is in sk-ctrl's namespace."""
    found = api.get(_LEASE, namespace, _LEASE_NAME)
    return None if found is None else found["spec"].get("holderIdentity")


def begun_at(api: Api, simulation: Json, settings: SimKubeSettings) -> float | None:
    """When the driver began with the trace, in seconds since 1970; None if it has not yet.

    It says so by giving SimKube's lease a duration, just before the first event. A lease that is
    older than the Simulation is of another one that had its name, and about to go.
    """
    found = api.get(_LEASE, settings.controller_namespace, _LEASE_NAME)
    if found is None or _made_at(found) < _made_at(simulation):
        return None
    spec = found["spec"]
    if spec.get("holderIdentity") != simulation["metadata"]["name"]:
        return None
    if spec.get("leaseDurationSeconds") is None:
        return None
    return dt.datetime.fromisoformat(spec["renewTime"]).timestamp()


def _made_at(obj: Json) -> dt.datetime:
    """When an object was made, to the second, by the API server's clock."""
    return dt.datetime.fromisoformat(obj["metadata"]["creationTimestamp"])


def _adopt(api: Api, simulation: Json) -> bool:
    """Give a simulation's namespaces its run's labels; returns whether there were any."""
    labels = simulation["metadata"].get("labels") or {}
    if RUN_LABEL not in labels:
        return False
    annotations = {RUN_ANNOTATION: run_of(simulation)}
    found = namespaces_of(api, simulation["metadata"]["name"])
    for one in found:
        path = api.path(_NAMESPACE, None, one["metadata"]["name"])
        body = {"metadata": {"labels": labels, "annotations": annotations}}
        try:
            api.request("patch", path, body, content_type=_MERGE)
        except RefusedError as error:
            if error.status != 404:  # gone meanwhile
                raise
    return bool(found)


def _left(api: Api, simulation: Json) -> list[str]:
    """What a simulation made that is still there."""
    name = simulation["metadata"]["name"]
    found = [f"namespace {one['metadata']['name']}" for one in namespaces_of(api, name)]
    for kind, path in (
        ("Simulation", api.path(SIMULATION, None)),
        ("SimulationRoot", api.path(_ROOT, None)),
        ("MutatingWebhookConfiguration", api.path(_WEBHOOK, None)),
        ("Job", f"/apis/batch/v1/namespaces/{simulation['spec']['driver']['namespace']}/jobs"),
    ):
        for obj in api.list(path):
            own = obj["metadata"]["name"]
            if own == name or own.startswith(f"sk-{name}-"):
                found.append(f"{kind} {own}")
    # sk-ctrl would take it for that of the next simulation of this name.
    noted = simulation["metadata"].get("annotations") or {}
    namespace = noted.get(CONTROLLER, SimKubeSettings().controller_namespace)
    if lease_holder(api, namespace) == name:
        found.append(f"Lease {namespace}/{_LEASE_NAME}")
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
