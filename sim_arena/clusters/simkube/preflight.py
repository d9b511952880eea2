"""What the simkube cluster looks at before the first step."""

from sim_arena.clusters.base import Check
from sim_arena.clusters.kube import kinds, preflight
from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.commands import Commands
from sim_arena.clusters.kube.lease import LEASE, Lease
from sim_arena.clusters.kube.ownership import HOME, run_of
from sim_arena.clusters.kube.permissions import Need
from sim_arena.clusters.kwok.preflight import stages
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.clusters.simkube.simulation import lease_holder, simulations
from sim_arena.errors import SimArenaError
from sim_arena.nodes import parse_nodes
from sim_arena.spec import EpisodeSpec
from traces import Trace, events_within, find_workload, gvk, load_trace

__all__ = ["NEEDS", "check"]

_REMEDY = "have an administrator apply deploy/simkube-rbac.yaml, and use that account"
_API = "simkube.io/v1"
_CERTIFICATES = "cert-manager.io/v1"
_INSTALL = "install SimKube 2.x (https://simkube.dev)"

NEEDS = (
    Need("simkube.io", "simulations", ("create", "delete", "get", "list", "patch")),
    Need("simkube.io", "simulationroots", ("list",)),
    Need("admissionregistration.k8s.io", "mutatingwebhookconfigurations", ("delete", "list")),
    Need("cert-manager.io", "clusterissuers", ("get",)),
    Need("coordination.k8s.io", "leases", ("get",)),
    Need("coordination.k8s.io", "leases", ("create", "delete", "get", "update"), HOME),
    Need("", "namespaces", ("delete", "get", "list", "patch")),
    Need("", "nodes", ("list",)),
    Need("", "pods", ("deletecollection", "list", "watch")),
    Need("", "pods/log", ("get",)),
    Need("", "events", ("list",)),
    Need("metrics.k8s.io", "pods", ("list",)),
    Need("apps", "deployments", ("deletecollection", "list", "watch")),
    Need("apps", "replicasets", ("deletecollection", "list", "watch")),
    Need("apps", "statefulsets", ("deletecollection", "list", "watch")),
    Need("apps", "daemonsets", ("deletecollection", "list", "watch")),
    Need("batch", "jobs", ("deletecollection", "list", "watch")),
    Need("batch", "cronjobs", ("deletecollection", "list", "watch")),
)
"""What is done on the cluster; SimKube's own parts have their own accounts."""


def check(api: Api, spec: EpisodeSpec) -> list[Check]:
    """Look at everything that can be known beforehand, for one episode."""
    settings = spec.simkube
    commands = Commands.of(spec)._replace(replay="simkube")  # whatever was asked for: see _replay
    try:
        nodes = parse_nodes(spec.nodes)
    except SimArenaError as error:
        return [Check("nodes", ok=False, found=str(error), remedy="mend the nodes")]
    answers = preflight.reachable(api)
    if not answers.ok:
        return [answers]
    installed = _kinds(api)
    allowed = preflight.permitted(api, NEEDS, _REMEDY)
    if not (installed.ok and allowed.ok):
        return [answers, allowed, installed]
    trace = load_trace(spec.trace)
    ref = find_workload(trace, spec.deploy, spec.namespace)
    return [
        answers,
        allowed,
        installed,
        _controller(api, settings),
        *_cert_manager(api, settings),
        *_namespaces(api, settings),
        *preflight.node_checks(api, nodes, commands),
        stages(api, commands, required=False),  # SimKube's installation has Stages of its own
        preflight.neighbours(api),
        preflight.home(api, commands),
        kinds.applicable(api, trace, spec.duration, without_namespace=()),
        *_refused(trace, spec.duration),
        _replay(spec),
        preflight.in_time(spec),
        *_queues(api, settings, spec.run_id),
        _left_over(api, spec.run_id, commands),
        preflight.assessable(trace, ref, spec),
    ]


def _refused(trace: Trace, duration: int) -> list[Check]:
    """Look for ReplicaSets, with which SimKube itself ends a replay.

    It takes `/spec` for the place of their pod template (`traces.document`), one level short, and
    the API server refuses what it adds there.
    """
    sets = {
        obj["metadata"]["name"]
        for event in events_within(trace, duration)
        for obj in event["applied_objs"]
        if gvk(obj) == "apps/v1.ReplicaSet"
    }
    if not sets:
        return []
    found = f"SimKube cannot replay ReplicaSets: {', '.join(sorted(sets))}"
    remedy = "play the trace with --cluster kwok, or make Deployments of them"
    return [Check("replicasets", ok=False, found=found, remedy=remedy)]


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


def _cert_manager(api: Api, settings: SimKubeSettings) -> list[Check]:
    absent = [
        kind for kind in ("Certificate", "ClusterIssuer") if not api.knows(_CERTIFICATES, kind)
    ]
    if absent:
        lacking = Check(
            "cert-manager",
            ok=False,
            found=f"no kind {' and '.join(absent)} in {_CERTIFICATES}",
            remedy="install cert-manager: SimKube's webhook needs a certificate",
        )
        return [lacking]
    installed = Check("cert-manager", ok=True, found=f"Certificate in {_CERTIFICATES}")
    name = settings.cert_manager_issuer
    if api.exists({"apiVersion": _CERTIFICATES, "kind": "ClusterIssuer"}, None, name):
        return [installed, Check("issuer", ok=True, found=f"ClusterIssuer {name}")]
    missing = Check(
        "issuer",
        ok=False,
        found=f"no ClusterIssuer {name}: the webhook would get no certificate",
        remedy="make it, or name one that there is as cert_manager_issuer",
    )
    return [installed, missing]


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


def _queues(api: Api, settings: SimKubeSettings, run_id: str | None) -> list[Check]:
    """Look who has the cluster: a run of ours, or any simulation."""
    ours = preflight.queue(Lease(api, LEASE), run_id)
    holder = lease_holder(api, settings.controller_namespace)
    if holder is None:
        return [ours]
    theirs = Check(
        "SimKube's lease",
        ok=False,
        found=f"simulation {holder} has SimKube's lease: this run will wait for it",
        remedy=f"wait, or kubectl delete simulation {holder}",
        required=False,
    )
    return [ours, theirs]


def _left_over(api: Api, run_id: str | None, commands: Commands) -> Check:
    """Look for what runs left behind that do not live any more, of whichever way they replayed."""
    found = preflight.left_over(api, Lease(api, LEASE), run_id, commands)
    if not found.ok:
        return found
    holder = Lease(api, LEASE).living()
    alive = {run_id, holder.run_id} if holder else {run_id}
    dead = sorted({run_of(one) for one in simulations(api)} - alive)
    if not dead:
        return found
    return Check(
        "cluster leftovers",
        ok=False,
        found=f"Simulations left by {', '.join(dead)}",
        remedy=f"{commands.clean()} removes them",
    )
