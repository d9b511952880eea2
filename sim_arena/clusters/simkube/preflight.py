"""What the simkube cluster looks at before the first step."""

from sim_arena.clusters.base import Check
from sim_arena.clusters.kube import preflight
from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.ownership import RUN_LABEL, label_value, run_of
from sim_arena.clusters.kube.permissions import Need
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.clusters.simkube.simulation import is_alive, lease_holder, simulations
from sim_arena.errors import SimArenaError
from sim_arena.nodes import parse_nodes
from sim_arena.spec import EpisodeSpec
from traces import find_workload, load_trace

__all__ = ["NEEDS", "check"]

_MANIFEST = "deploy/simkube-rbac.yaml"
_API = "simkube.io/v1"
_CERTIFICATES = "cert-manager.io/v1"
_INSTALL = "install SimKube 2.x (https://simkube.dev)"

NEEDS = (
    Need("simkube.io", "simulations", ("create", "delete", "get", "list", "patch")),
    Need("simkube.io", "simulationroots", ("list",)),
    Need("admissionregistration.k8s.io", "mutatingwebhookconfigurations", ("delete", "list")),
    Need("coordination.k8s.io", "leases", ("get",)),
    Need("", "namespaces", ("delete", "get", "list", "patch")),
    Need("", "nodes", ("list",)),
    Need("", "pods", ("deletecollection", "list", "watch")),
    Need("", "pods/log", ("get",)),
    Need("", "events", ("list",)),
    Need("metrics.k8s.io", "pods", ("list",)),
    Need("apps", "deployments", ("deletecollection", "get", "list", "watch")),
    Need("apps", "replicasets", ("deletecollection", "get", "list", "watch")),
    Need("apps", "statefulsets", ("deletecollection", "get", "list", "watch")),
    Need("apps", "daemonsets", ("deletecollection", "list", "watch")),
    Need("batch", "jobs", ("deletecollection", "list", "watch")),
    Need("batch", "cronjobs", ("deletecollection", "list", "watch")),
)
"""What is done on the cluster; SimKube's own parts have their own accounts."""


def check(api: Api, spec: EpisodeSpec) -> list[Check]:
    """Look at everything that can be known beforehand, for one episode."""
    settings = spec.simkube
    try:
        nodes = parse_nodes(spec.nodes)
    except SimArenaError as error:
        return [Check("nodes", ok=False, found=str(error), remedy="mend the nodes")]
    answers = preflight.reachable(api)
    if not answers.ok:
        return [answers]
    kinds = _kinds(api)
    allowed = preflight.permitted(api, NEEDS, _MANIFEST)
    if not (kinds.ok and allowed.ok):
        return [answers, allowed, kinds]
    trace = load_trace(spec.trace)
    ref = find_workload(trace, spec.deploy, spec.namespace)
    return [
        answers,
        allowed,
        kinds,
        _controller(api, settings),
        _cert_manager(api),
        *_namespaces(api, settings),
        *preflight.node_checks(api, nodes, "simkube", allow_real=spec.allow_real_nodes),
        preflight.neighbours(api, spec.run_id),
        _replay(spec),
        _lease(api, settings),
        _left_over(api, spec.run_id),
        preflight.assessable(trace, ref),
    ]


def _kinds(api: Api) -> Check:
    if api.knows(_API, "Simulation") and api.knows(_API, "SimulationRoot"):
        return Check("simkube", ok=True, found=f"Simulation and SimulationRoot in {_API}")
    return Check(
        "simkube",
        ok=False,
        found=f"no kinds Simulation and SimulationRoot in {_API}",
        remedy=f"{_INSTALL}; `skctl crd | kubectl apply -f -` makes the kinds",
    )


def _controller(api: Api, settings: SimKubeSettings) -> Check:
    """Look for sk-ctrl's Deployment; it may run otherwise, so that its absence is a warning."""
    path = f"/apis/apps/v1/namespaces/{settings.controller_namespace}/deployments"
    found = [one for one in api.list(path) if "sk-ctrl" in one["metadata"]["name"]]
    ready = [one for one in found if (one.get("status") or {}).get("readyReplicas")]
    if ready:
        return Check("sk-ctrl", ok=True, found="runs")
    return Check(
        "sk-ctrl",
        ok=False,
        found=f"no ready Deployment sk-ctrl in {settings.controller_namespace}",
        remedy=f"{_INSTALL}, unless sk-ctrl runs in another way",
        required=False,
    )


def _cert_manager(api: Api) -> Check:
    if api.knows(_CERTIFICATES, "Certificate"):
        return Check("cert-manager", ok=True, found=f"Certificate in {_CERTIFICATES}")
    return Check(
        "cert-manager",
        ok=False,
        found=f"no kind Certificate in {_CERTIFICATES}",
        remedy="install cert-manager: SimKube's webhook needs a certificate",
    )


def _namespaces(api: Api, settings: SimKubeSettings) -> list[Check]:
    kind: Json = {"apiVersion": "v1", "kind": "Namespace"}
    wanted = {
        "driver namespace": settings.driver_namespace,
        "metrics namespace": settings.metrics_namespace,
    }
    return [
        Check(what, ok=True, found=name)
        if api.exists(kind, None, name)
        else Check(
            what, ok=False, found=f"no namespace {name}", remedy=f"kubectl create namespace {name}"
        )
        for what, name in wanted.items()
    ]


def _replay(spec: EpisodeSpec) -> Check:
    ok = spec.replay == "simkube"
    return Check(
        "replay", ok=ok, found=spec.replay, remedy="SimKube always rewrites: give replay simkube"
    )


def _lease(api: Api, settings: SimKubeSettings) -> Check:
    holder = lease_holder(api, settings)
    if holder is None:
        return Check("queue", ok=True, found="no simulation has SimKube's lease", required=False)
    return Check(
        "queue",
        ok=False,
        found=f"simulation {holder} has SimKube's lease: this run will wait for it",
        remedy=f"wait, or kubectl delete simulation {holder}",
        required=False,
    )


def _left_over(api: Api, run_id: str | None) -> Check:
    own = None if run_id is None else label_value(run_id)
    found = [one for one in simulations(api) if one["metadata"]["labels"][RUN_LABEL] != own]
    dead = sorted({run_of(one) for one in found if not is_alive(one)})
    if not dead:
        return Check("cluster leftovers", ok=True, found="nothing of earlier runs")
    return Check(
        "cluster leftovers",
        ok=False,
        found=f"Simulations left by {', '.join(dead)}",
        remedy="`sim-arena cluster clean` removes them",
    )
