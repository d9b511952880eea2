"""What can be known of a real cluster before anything is done on it; it changes nothing."""

from collections.abc import Iterable, Sequence

from results.words import many
from sim_arena.clusters.base import Check
from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.cleaning import leftovers
from sim_arena.clusters.kube.commands import Commands
from sim_arena.clusters.kube.errors import ApiError
from sim_arena.clusters.kube.lease import Lease
from sim_arena.clusters.kube.nodes import (
    VIRTUAL_TAINT,
    differences,
    is_prepared,
    is_up,
    is_virtual,
    read_nodes,
    to_node,
)
from sim_arena.clusters.kube.objects import TERMINAL
from sim_arena.clusters.kube.ownership import HOME, RUN_LABEL
from sim_arena.clusters.kube.permissions import Need, missing
from sim_arena.clusters.kube.usage import usage_trouble
from sim_arena.nodes import Node
from sim_arena.spec import EpisodeSpec, Replay
from traces import Trace, WorkloadRef

__all__ = [
    "assessable",
    "home",
    "in_time",
    "left_over",
    "neighbours",
    "node_checks",
    "permitted",
    "queue",
    "reachable",
    "real_nodes",
]

_SHOWN = 5
_FIRST_ANSWER_S = 8.0  # somebody waits for it, and a server that is not there never answers


def reachable(api: Api) -> Check:
    """Check that the API server answers."""
    try:
        version = api.request("get", "/version", patience_s=_FIRST_ANSWER_S)["gitVersion"]
    except ApiError as error:
        known = error.status in {401, 403}
        return Check(
            "api",
            ok=False,
            found=f"{api.server}: {error}",
            remedy="log in anew: the context's credentials are expired, or not of this cluster"
            if known
            else "start the cluster, or name another context (kubectl config get-contexts)",
        )
    return Check("api", ok=True, found=f"Kubernetes {version} at {api.server}")


def permitted(api: Api, needs: Iterable[Need], remedy: str, *, name: str = "permissions") -> Check:
    """Check that everything is permitted that will be done."""
    lacking = missing(api, needs)
    if not lacking:
        return Check(name, ok=True, found="all that is needed")
    return Check(name, ok=False, found=f"not permitted: {'; '.join(lacking)}", remedy=remedy)


def home(api: Api, commands: Commands) -> Check:
    """Check that there is a place for the lease."""
    found = api.get({"apiVersion": "v1", "kind": "Namespace"}, None, HOME)
    if found is None:
        return Check(
            "namespace",
            ok=False,
            found=f"no namespace {HOME} for the lease on which runs queue",
            remedy=f"{commands.prepare()} makes it",
        )
    return Check("namespace", ok=True, found=HOME)


def node_checks(api: Api, asked: Sequence[Node] | None, commands: Commands) -> list[Check]:
    """Check the nodes: played by KWOK, as asked for, ready, and open for the replay's pods.

    Args:
        api: the cluster.
        asked: the nodes that are asked for; None for whichever are there.
        commands: for this cluster; its replay says which taints the pods tolerate.
    """
    virtual = read_nodes(api)
    return [
        real_nodes(api, allow=commands.allow_real),
        _as_asked(virtual, asked, commands),
        _ready(virtual),
        _tolerated(virtual, commands.replay),
    ]


def real_nodes(api: Api, *, allow: bool) -> Check:
    """Check that nothing can come to run in truth: that all nodes are KWOK's."""
    nodes = [node for node in api.list("/api/v1/nodes") if not is_virtual(node)]
    if not nodes:
        return Check("real nodes", ok=True, found="all nodes are KWOK's")
    names = _some([node["metadata"]["name"] for node in nodes])
    return Check(
        "real nodes",
        ok=allow,
        found=f"{many(len(nodes), 'node')} not of KWOK: {names}",
        remedy="is this the right cluster? If it is, give --allow-real-nodes",
    )


def neighbours(api: Api) -> Check:
    """Look for pods of others on the virtual nodes: they take room.

    Those of runs are none: a run that lives is waited for, what a dead one left is told as such.
    """
    names = {node["metadata"]["name"] for node in read_nodes(api)}
    others = [
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        for pod in api.list("/api/v1/pods")
        if pod["spec"].get("nodeName") in names
        and pod["status"].get("phase") not in TERMINAL
        and RUN_LABEL not in (pod["metadata"].get("labels") or {})
    ]
    if not others:
        return Check("neighbours", ok=True, found="no other pods on these nodes", required=False)
    return Check(
        "neighbours",
        ok=False,
        found=f"{many(len(others), 'pod')} of others on these nodes: {_some(others)}",
        remedy="remove them, or read the result with that in mind: they take room",
        required=False,
    )


def queue(lease: Lease, run_id: str | None) -> Check:
    """Look whether another run has the cluster."""
    holder = lease.living()
    if holder is None or holder.run_id == run_id:
        return Check("queue", ok=True, found="no other run has the cluster", required=False)
    return Check(
        "queue",
        ok=False,
        found=f"run {holder.run_id} has the cluster: this one will wait for it",
        remedy="wait for that run, or end it",
        required=False,
    )


def left_over(api: Api, lease: Lease, run_id: str | None, commands: Commands) -> Check:
    """Look for what runs left behind that do not live any more."""
    alive = {run_id, holder.run_id} if (holder := lease.living()) else {run_id}
    found = {run: names for run, names in leftovers(api).items() if run not in alive}
    if not found:
        return Check("cluster leftovers", ok=True, found="nothing of earlier runs")
    names = [name for made in found.values() for name in made]
    return Check(
        "cluster leftovers",
        ok=False,
        found=f"left by {', '.join(sorted(found))}: {_some(names)}",
        remedy=f"{commands.clean()} removes it",
    )


def assessable(trace: Trace, ref: WorkloadRef, spec: EpisodeSpec) -> Check:
    """Look whether the workload's trouble is one that a cluster without usage cannot show."""
    found = usage_trouble(trace, ref, spec.nodes, spec.duration, spec.replay)
    if not found:
        return Check("usage", ok=True, found="the trouble is not usage", required=False)
    return Check(
        "usage",
        ok=False,
        found=f"{'; '.join(found)}: KWOK models no usage, so it would look healthy here",
        remedy="use --cluster embedded; here the steps are marked as not assessable",
        required=False,
    )


def in_time(spec: EpisodeSpec) -> Check:
    """Check that a step can be over within its timeout."""
    needed = spec.duration / spec.speed
    if needed < spec.timeout:
        return Check("time", ok=True, found=f"a step takes {needed:g} s and what it settles in")
    return Check(
        "time",
        ok=False,
        found=f"a step takes {needed:g} s, and the timeout is {spec.timeout:g} s",
        remedy="raise the timeout, or replay at a higher speed",
    )


def _as_asked(virtual: Sequence[Json], asked: Sequence[Node] | None, commands: Commands) -> Check:
    there = [to_node(node, virtual=commands.replay == "simkube") for node in virtual]
    lines = [] if asked is None else differences(asked, there)
    if there and not lines:
        return Check("nodes", ok=True, found=f"{len(there)} KWOK nodes")
    names = {node.name for node in asked or ()}
    foreign = [node["metadata"]["name"] for node in virtual if not is_prepared(node)]
    others = [name for name in foreign if name not in names]
    if asked is not None and others:
        return Check(
            "nodes",
            ok=False,
            found=f"other nodes than asked for: {_some(others)}, which somebody else has made",
            remedy="name them in --nodes as well, which takes what kubectl get nodes -l "
            "type=virtual -o yaml prints, or remove them (kubectl delete node)",
        )
    return Check(
        "nodes",
        ok=False,
        found=f"other nodes than asked for: {_some(lines)}" if lines else "no KWOK nodes",
        remedy=f"{commands.prepare()} makes them; --nodes takes a file too, such "
        "as one from kubectl get nodes -l type=virtual -o yaml",
    )


def _ready(virtual: Sequence[Json]) -> Check:
    late = [node["metadata"]["name"] for node in virtual if not is_up(node)]
    if not late:
        return Check("kwok", ok=True, found="the nodes are Ready")
    return Check(
        "kwok",
        ok=False,
        found=f"nodes that are not Ready: {_some(late)}",
        remedy="start KWOK; it has to manage the nodes with the label type=virtual",
    )


def _tolerated(virtual: Sequence[Json], replay: Replay) -> Check:
    own = VIRTUAL_TAINT["key"] if replay == "simkube" else None
    found = sorted(
        {
            taint["key"]
            for node in virtual
            for taint in node["spec"].get("taints") or ()
            if taint["key"] != own and taint["effect"] in {"NoSchedule", "NoExecute"}
        }
    )
    if not found:
        return Check("taints", ok=True, found="none that keeps the pods away", required=False)
    return Check(
        "taints",
        ok=False,
        found=f"taints that only pods with a toleration of their own come past: {', '.join(found)}",
        remedy="pods of a simulation tolerate kwok-provider and nothing else; take the others away "
        "if they are not meant",
        required=False,
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
