"""What the kwok cluster looks at before the first step."""

from collections.abc import Sequence

from sim_arena.clusters.base import Check
from sim_arena.clusters.kube import preflight
from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.lease import Lease
from sim_arena.clusters.kube.nodes import read_nodes, to_node
from sim_arena.clusters.kwok.permissions import RUNNING
from sim_arena.clusters.kwok.preparing import STAGE_API
from sim_arena.errors import PermanentError, SimArenaError
from sim_arena.nodes import Node, parse_nodes
from sim_arena.spec import EpisodeSpec, Replay
from traces import find_workload, load_trace

__all__ = ["LEASE", "check", "usable_nodes"]

LEASE = "kwok"
"""The name of the lease on which runs queue."""

_MANIFEST = "deploy/kwok-rbac.yaml"


def check(api: Api, spec: EpisodeSpec) -> list[Check]:
    """Look at everything that can be known beforehand, for one episode."""
    try:
        nodes = parse_nodes(spec.nodes)
    except SimArenaError as error:
        return [Check("nodes", ok=False, found=str(error), remedy="mend the nodes")]
    checks = _cluster(api, nodes, spec.replay, spec.run_id, allow_real=spec.allow_real_nodes)
    if not all(found.ok for found in checks[:2]):
        return checks
    trace = load_trace(spec.trace)
    ref = find_workload(trace, spec.deploy, spec.namespace)
    return [*checks, preflight.assessable(trace, ref), _time(spec)]


def usable_nodes(
    api: Api, nodes: str | None, replay: Replay, *, allow_real_nodes: bool
) -> list[Node]:
    """Return the KWOK nodes of a cluster that can be used as it is.

    Args:
        api: the cluster.
        nodes: the nodes that it has to have; None for whichever are there.
        replay: how the trace will be replayed.
        allow_real_nodes: whether there may be nodes that are not KWOK's.

    Raises:
        PermanentError: it cannot be used; says what was found and what to do.
    """
    asked = None if nodes is None else parse_nodes(nodes)
    checks = _cluster(api, asked, replay, None, allow_real=allow_real_nodes)
    # Other pods would take room on one side of the comparison only.
    bad = [one for one in checks if not one.ok and (one.required or one.name == "neighbours")]
    if bad:
        raise PermanentError("; ".join(f"{one.found}: {one.remedy}" for one in bad))
    return [to_node(node, virtual=replay == "simkube") for node in read_nodes(api)]


def _cluster(
    api: Api,
    asked: Sequence[Node] | None,
    replay: Replay,
    run_id: str | None,
    *,
    allow_real: bool,
) -> list[Check]:
    answers = preflight.reachable(api)
    if not answers.ok:
        return [answers]
    allowed = preflight.permitted(api, RUNNING, _MANIFEST)
    if not allowed.ok:
        return [answers, allowed]
    lease = Lease(api, LEASE)
    return [
        answers,
        allowed,
        preflight.home(api),
        *preflight.node_checks(api, asked, replay, allow_real=allow_real),
        _stages(api),
        preflight.neighbours(api, run_id),
        preflight.queue(lease, run_id),
        preflight.left_over(api, lease, run_id),
    ]


def _stages(api: Api) -> Check:
    if not api.knows(STAGE_API, "Stage"):
        return Check(
            "stages",
            ok=True,
            found="the cluster has none: KWOK has to have been started with a file of them",
            required=False,
        )
    try:
        there = {stage["metadata"]["name"] for stage in api.list(f"/apis/{STAGE_API}/stages")}
    except SimArenaError as error:
        return Check("stages", ok=True, found=f"cannot be seen: {error}", required=False)
    needed = {"pod-ready", "pod-delete"}
    if needed <= there:
        return Check("stages", ok=True, found=", ".join(sorted(there)))
    return Check(
        "stages",
        ok=False,
        found=f"no Stage {', '.join(sorted(needed - there))}: pods would not become ready or go",
        remedy="`sim-arena cluster prepare` makes them",
    )


def _time(spec: EpisodeSpec) -> Check:
    needed = spec.duration / spec.speed
    if needed < spec.timeout:
        return Check("time", ok=True, found=f"a step takes {needed:g} s and what it settles in")
    return Check(
        "time",
        ok=False,
        found=f"a step takes {needed:g} s, and the timeout is {spec.timeout:g} s",
        remedy="raise the timeout, or replay at a higher speed",
    )
