"""What the kwok cluster looks at before the first step."""

from collections.abc import Sequence

from sim_arena.clusters.base import Check
from sim_arena.clusters.kube import kinds, preflight
from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.cleaning import CLUSTER_KINDS
from sim_arena.clusters.kube.commands import Commands
from sim_arena.clusters.kube.errors import RefusedError
from sim_arena.clusters.kube.lease import LEASE, Lease
from sim_arena.clusters.kube.nodes import read_nodes, to_node
from sim_arena.clusters.kwok.permissions import RUNNING
from sim_arena.clusters.kwok.preparing import foreign_stages
from sim_arena.errors import PermanentError, SimArenaError
from sim_arena.nodes import Node, parse_nodes
from sim_arena.spec import EpisodeSpec
from traces import Trace, find_workload, load_trace

__all__ = ["check", "stages", "usable_nodes"]

_REMEDY = "have an administrator apply deploy/kwok-rbac.yaml, and use that account"


def check(api: Api, spec: EpisodeSpec) -> list[Check]:
    """Look at everything that can be known beforehand, for one episode."""
    try:
        nodes = parse_nodes(spec.nodes)
    except SimArenaError as error:
        return [Check("nodes", ok=False, found=str(error), remedy="mend the nodes")]
    checks = _cluster(api, nodes, spec.run_id, Commands.of(spec))
    if not all(found.ok for found in checks[:2]):
        return checks
    trace = load_trace(spec.trace)
    ref = find_workload(trace, spec.deploy, spec.namespace)
    return [
        *checks,
        *_of_trace(api, trace, spec),
        preflight.assessable(trace, ref, spec),
        preflight.in_time(spec),
    ]


def _of_trace(api: Api, trace: Trace, spec: EpisodeSpec) -> list[Check]:
    possible = kinds.applicable(
        api, trace, spec.duration, without_namespace=(("v1", "Namespace"), *CLUSTER_KINDS)
    )
    if not possible.ok:
        return [possible]
    return [possible, kinds.permitted(api, trace, spec.duration, RUNNING)]


def usable_nodes(api: Api, commands: Commands) -> list[Node]:
    """Return the KWOK nodes of a cluster that can be used as it is.

    Args:
        api: the cluster.
        commands: for this cluster: with the nodes that it has to have, and how the trace will be
            replayed.

    Raises:
        PermanentError: it cannot be used; says what was found and what to do.
    """
    asked = None if commands.nodes is None else parse_nodes(commands.nodes)
    checks = _cluster(api, asked, None, commands)
    # Other pods would take room on one side of the comparison only.
    bad = [one for one in checks if not one.ok and (one.required or one.name == "neighbours")]
    if bad:
        raise PermanentError("; ".join(f"{one.found}: {one.remedy}" for one in bad))
    virtual = commands.replay == "simkube"
    return [to_node(node, virtual=virtual) for node in read_nodes(api)]


def _cluster(
    api: Api, asked: Sequence[Node] | None, run_id: str | None, commands: Commands
) -> list[Check]:
    answers = preflight.reachable(api)
    if not answers.ok:
        return [answers]
    allowed = preflight.permitted(api, RUNNING, _REMEDY)
    if not allowed.ok:
        return [answers, allowed]
    lease = Lease(api, LEASE)
    return [
        answers,
        allowed,
        preflight.home(api, commands),
        *preflight.node_checks(api, asked, commands),
        stages(api, commands),
        preflight.neighbours(api),
        preflight.queue(lease, run_id),
        preflight.left_over(api, lease, run_id, commands),
    ]


def stages(api: Api, commands: Commands, *, required: bool = True) -> Check:
    """Look whether KWOK plays the pods as the trace's lifecycles say."""
    try:
        foreign = foreign_stages(api)
    except RefusedError as error:
        return Check("stages", ok=True, found=f"cannot be seen: {error}", required=False)
    if foreign is None:
        return Check(
            "stages",
            ok=True,
            found="the cluster has none: KWOK has to have been started with a file of them",
            required=False,
        )
    if not foreign:
        return Check("stages", ok=True, found="as `sim-arena cluster prepare` makes them")
    return Check(
        "stages",
        ok=False,
        found=f"missing, or made otherwise by somebody else: {', '.join(foreign)}; pods would "
        "come, end or go at other times than the trace says",
        remedy=f"{commands.prepare('--replace-stages')} makes them",
        required=required,
    )
