"""The task `compare_trace`: play a trace on a real cluster and on the embedded one, and compare."""

from pathlib import Path
from typing import Any, cast

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run
from prefect.tasks import exponential_backoff

from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.commands import Commands
from sim_arena.clusters.kwok.preflight import usable_nodes
from sim_arena.fidelity import Comparison, compare, record
from sim_arena.spec import Replay
from tasks.options import is_transient
from traces import load_trace

__all__ = ["compare_trace"]


def _name() -> str:
    return f"compare {Path(task_run.parameters['trace']).stem}"


@task(
    task_run_name=cast("Any", _name),
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=2,
    retry_delay_seconds=exponential_backoff(5),
    retry_condition_fn=is_transient,
)
def compare_trace(  # noqa: PLR0913 # each is needed
    trace: str,
    run_id: str,
    *,
    context: str | None,
    nodes: str | None,
    duration: int | None,
    seeds: int,
    replay: Replay,
    allow_real_nodes: bool,
) -> Comparison:
    """Play a trace on both, and remove it again. See `sim_arena.fidelity`.

    Args:
        trace: the trace file
        run_id: under which everything on the real cluster is labelled
        context: the kubeconfig's context; the current one if None
        nodes: the nodes that the cluster has to have; None for whichever are there
        duration: later events are left out, in seconds
        seeds: runs of the embedded cluster
        replay: `simkube` rewrites the objects as SimKube does, `plain` does not
        allow_real_nodes: whether there may be nodes that are not KWOK's

    Raises:
        TraceError: the file cannot be read
        ClusterError: the cluster cannot be used as it is, or could not be read
    """
    document = load_trace(trace)
    api = Api.from_kubeconfig(context=context)
    try:
        there = usable_nodes(api, Commands(context, nodes, replay, allow_real_nodes))
        recording = record(api, document, there, run_id, replay=replay, duration=duration)
    finally:
        api.close()
    return compare(recording, seeds)
