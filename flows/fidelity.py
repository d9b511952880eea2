"""The flow `fidelity`: how far the embedded cluster is from a real one, for a set of traces."""

import random
from contextlib import closing
from typing import Annotated, Any, cast

from prefect import Flow, flow, get_run_logger
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging.loggers import flow_run_logger
from prefect.runtime import flow_run as current
from prefect.states import Completed, Failed
from pydantic import Field

from flows import parameters as p
from flows.agreement import Compared, headline, publish
from sim_arena import clusters, spec
from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.commands import Commands
from sim_arena.clusters.kwok.preflight import usable_nodes
from sim_arena.sweeps.cases import trace_files
from tasks.compare_trace import compare_trace
from tasks.turns import turn

__all__ = ["clean_up_fidelity", "fidelity"]


def _run_name() -> str:
    given = current.parameters
    count = given["sample"]
    which = f"{count} traces of " if count else ""
    return f"fidelity of {which}{', '.join(given['traces'])}"


def clean_up_fidelity(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Remove what a cancelled or crashed run made on the cluster.

    Prefect calls it by these names of the arguments, in a new process.
    """
    clusters.get(_place(flow_run.parameters.get("context"))).clean_up(str(flow_run.id))
    flow_run_logger(flow_run, flow).info("cleaned up run %s: %s", flow_run.id, state.name)


@flow(
    name="fidelity",
    flow_run_name=_run_name,
    persist_result=False,
    on_cancellation=[clean_up_fidelity],
    on_crashed=[clean_up_fidelity],
)
def fidelity(  # noqa: PLR0913, PLR0917 # each is a field of the form in the UI
    traces: Annotated[list[spec.TracePath], Field(min_length=1)],
    sample: Annotated[int, Field(ge=1)] | None = None,
    sample_seed: spec.Seed | None = None,
    context: spec.Context = None,
    nodes: spec.Nodes | None = None,
    duration: spec.Duration | None = None,
    seeds: Annotated[int, Field(ge=1, le=100_000)] = 256,
    replay: spec.Replay = "simkube",
    allow_real_nodes: bool = False,  # noqa: FBT001, FBT002 # a field of the form
) -> list[Compared]:
    """Play traces on a real cluster with KWOK nodes and on the embedded one, and compare.

    After every event, what the real cluster shows of each workload must be among what the embedded
    one gives for so many seeds. Where it is not, the run fails and its page says what differs.

    Args:
        traces: files, folders and patterns
        sample: compare so many of them, drawn at random
        sample_seed: for the draw; another one each time if not given
        context: the kubeconfig's context; the current one if not given
        nodes: the nodes that the cluster has to have; whichever are there if not given
        duration: later events are left out, in seconds
        seeds: runs of the embedded cluster for each trace
        replay: `simkube` rewrites the objects as SimKube does, `plain` does not
        allow_real_nodes: whether the cluster may have nodes that are not KWOK's

    Returns:
        what came of each trace; where something differs the run's final state is Failed

    Raises:
        SimArenaError, TraceError: there are no such files, or no such cluster
    """
    paths = p.paths_in([] if nodes is None else [nodes])
    p.check_places([*traces, *paths])
    files = [str(file) for place in traces for file in trace_files(place)]
    if sample is not None and sample < len(files):
        files = sorted(random.Random(sample_seed).sample(files, sample))  # noqa: S311 # no secret
    logger = get_run_logger()
    found: list[Compared] = []
    with turn(_place(context)):
        with closing(Api.from_kubeconfig(context=context)) as api:  # no trace can do without
            usable_nodes(api, Commands(context, nodes, replay, allow_real_nodes))
        for file in files:
            state: Any = compare_trace(
                file,
                str(current.id),
                context=context,
                nodes=nodes,
                duration=duration,
                seeds=seeds,
                replay=replay,
                allow_real_nodes=allow_real_nodes,
                return_state=True,
            )
            found.append(Compared.of(file, state))
            logger.info(found[-1].line())
    publish(found)
    if not all(one.agrees for one in found):
        return cast("list[Compared]", Failed(message=headline(found)))
    return cast("list[Compared]", Completed(message=headline(found), data=found))


def _place(context: str | None) -> str:
    return f"kwok:{context}" if context else "kwok"
