"""The flow `sweep`: every combination of traces, policies, seeds and the rest, in chunks."""

from collections import deque
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, cast

from prefect import Flow, flow, get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging.loggers import flow_run_logger
from prefect.runtime import flow_run as current
from prefect.states import Completed
from pydantic import Field

from flows import parameters as p
from flows.runners import Runner, runner_for, workers_of
from flows.summaries import headline, publish
from results import ResultsError, Summary, Sweep
from results.figures import summarise_sweep
from results.store import place_in
from sim_arena import clusters, spec, sweeps
from sim_arena.guardrails import Guardrails
from sim_arena.locks import is_locked
from sim_arena.spec import StepSizes
from sim_arena.sweeps import ChunkReport, Plan, Progress, TooManyFailedError
from sim_arena.sweeps.asked import Generate, SeedRange, checked
from sim_arena.sweeps.running import begin, end
from tasks.play_chunk import play_chunk

__all__ = ["sweep"]

_TELL_EVERY = 2.0  # seconds between two updates of the progress artifact
_AHEAD = 2  # chunks that are handed out, for each that is played


def _run_name() -> str:
    given = current.parameters
    if given.get("resume"):
        return f"sweep {given['resume']}, resumed"
    traces = given.get("traces") or ["generated traces"]
    what = Path(traces[0]).stem if len(traces) == 1 else f"{len(traces)} sets of traces"
    return f"sweep of {what} by {', '.join(given['policies'])}"


def clean_up_sweep(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Remove what a cancelled or crashed sweep made on real clusters.

    Prefect calls it by these names of the arguments, in a new process.
    """
    given = flow_run.parameters
    run_id = str(given.get("resume") or given.get("run_id") or flow_run.id)
    try:
        sweep, plan = sweeps.opened(place_in(given.get("runs_dir") or "runs", run_id))
    except ResultsError:  # nothing was made
        return
    if sweep.path is None or is_locked(sweep.path):  # somebody else plays it
        return
    for folder in sorted((sweep.path / "played").glob("*/run.json")):
        if not (folder.parent / "summary.json").exists():
            for cluster in set(plan.asked.clusters) - {"embedded"}:
                context = plan.asked.context
                place = f"{cluster}:{context}" if context else cluster
                clusters.get(place).clean_up(folder.parent.name)
    flow_run_logger(flow_run, flow).info("cleaned up sweep %s: %s", run_id, state.name)


@flow(
    name="sweep",
    flow_run_name=_run_name,
    persist_result=False,
    on_cancellation=[clean_up_sweep],
    on_crashed=[clean_up_sweep],
)
def sweep(  # noqa: PLR0913, PLR0917 # each is a field of the form in the UI
    traces: list[spec.TracePath] | None = None,
    generate: Generate | None = None,
    policies: Annotated[list[p.PolicyName], Field(min_length=1)] = ["heuristic"],  # noqa: B006 # Prefect copies it
    rewards: Annotated[list[p.RewardName], Field(min_length=1)] = ["binary"],  # noqa: B006 # likewise
    seeds: SeedRange | list[spec.Seed] | None = None,
    targets: list[spec.Target] | None = None,
    nodes: list[spec.Nodes] | None = None,
    step_sizes: list[StepSizes] | None = None,
    clusters: Annotated[list[p.ClusterName], Field(min_length=1)] = ["embedded"],  # noqa: B006 # likewise
    context: spec.Context = None,
    speed: spec.Speed = 1.0,
    deploy: spec.Deploy | None = None,
    namespace: spec.Namespace = None,
    duration: spec.Duration | None = None,
    max_steps: spec.MaxSteps | None = None,
    guardrails: Guardrails = p.GUARDRAILS,
    replay: spec.Replay = "simkube",
    timeout: spec.Timeout = 600,
    sample: Annotated[int, Field(ge=1)] | None = None,
    sample_seed: spec.Seed = 0,
    chunk: Annotated[int, Field(ge=1, le=10_000)] = 1000,
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 4,
    max_failed: Annotated[float, Field(ge=0, le=1)] = 0.1,
    runner: Runner = "threads",
    workers: Annotated[int, Field(ge=1, le=1000)] | None = None,
    address: str | None = None,
    runs_dir: spec.RunsDir = "runs",
    run_id: spec.RunId = None,
    resume: spec.RunId = None,
) -> Summary:
    """Play every combination of what is listed, or a sample of them.

    What a folder's manifest says of a trace is used where nothing is given.

    Args:
        traces: files, folders and patterns
        generate: traces to generate
        policies: who chooses the actions
        rewards: what an observation is worth
        seeds: a range or a list; by default the seed 0
        targets: ready pods that count as success
        nodes: the clusters' nodes
        step_sizes: how far an action goes when the policy does not say
        clusters: where the traces are replayed
        context: the kubeconfig's context of the real ones; the current one if not given
        speed: on real clusters, divides the pauses and the pods' running times
        deploy: the workload, of traces without a manifest
        namespace: the workload's namespace, likewise
        duration: simulated window of each step, in seconds
        max_steps: steps at most
        guardrails: the bounds that no action crosses
        replay: `simkube` rewrites the objects as SimKube does, `plain` does not
        timeout: real seconds that one simulation may take
        sample: play so many of the combinations, drawn at random
        sample_seed: for the draw
        chunk: episodes that are played and written together on the embedded cluster
        concurrency: episodes of a real cluster that wait for their turn at once
        max_failed: the sweep stops when more than this share of its episodes has failed
        runner: where the chunks are played: `threads` of this process, or `dask`
        workers: threads or Dask workers; by default one for each core
        address: of a Dask scheduler that is there already
        runs_dir: folder of all runs, or its URL
        run_id: the sweep's name, by default the flow run's id
        resume: the name of a sweep to go on with; all but where it is played is then its own

    Returns:
        the figures

    Raises:
        SimArenaError, TraceError, ResultsError: what went wrong. What was played is written
    """
    given = dict(locals())  # at this point these are the arguments
    p.check_sweep_source(given)
    if resume is not None:
        found, plan = sweeps.opened(place_in(runs_dir, resume))
    else:
        names = sweeps.SweepSpec.model_fields
        asked = {name: given[name] for name in names if given[name] is not None}
        found, plan = sweeps.create(checked(asked), runs_dir, run_id or str(current.id))
    figures = _play(found, plan, runner, workers, address)
    message = headline(found, figures)
    return cast("Summary", Completed(message=message, data=figures))


def _play(
    sweep: Sweep, plan: Plan, kind: Runner, workers: int | None, address: str | None
) -> Summary:
    """Play the chunks that are missing, and end the sweep."""
    logger = get_run_logger()
    with sweeps.writing(sweep):
        progress, missing = begin(sweep, plan)
        teller = _Teller(progress)
        runs: dict[int, str] = {}
        logger.info(
            "sweep %s: %s, in %d chunks", sweep.store.url, progress.line(), len(plan.chunks)
        )
        # On real clusters they wait for their turn; the rest, a core each.
        for cluster, chunks in groupby(missing, lambda chunk: _cluster(plan, chunk)):
            limit = None if cluster == "embedded" else plan.asked.concurrency
            with runner_for(kind, workers=workers, address=address, at_once=limit) as runner:
                at_once = limit or _AHEAD * workers_of(runner, kind)
                try:
                    for report, run in _reports(runner, sweep, chunks, at_once):
                        runs[report.chunk] = run
                        teller.add(report)
                except TooManyFailedError:
                    publish(sweep, plan, summarise_sweep(sweep), progress, runs)
                    raise
        figures = end(sweep)
    teller.end()
    publish(sweep, plan, figures, progress, runs)
    return figures


def _cluster(plan: Plan, chunk: int) -> str:
    return plan.episode(plan.chunks[chunk][0]).cluster


def _reports(
    runner: Any, sweep: Sweep, chunks: Iterator[int], at_once: int
) -> Iterator[tuple[ChunkReport, str]]:
    """Hand chunks out, never more than so many at once, and yield what comes of them in order.

    With each report comes the id of the task run that played the chunk.
    """
    under_way: deque[Any] = deque()
    for chunk in chunks:
        if len(under_way) >= at_once:
            yield _ended(under_way.popleft())
        given = {"url": sweep.store.url, "chunk": chunk}
        under_way.append(runner.submit(play_chunk, parameters=given))
    while under_way:
        yield _ended(under_way.popleft())


def _ended(future: Any) -> tuple[ChunkReport, str]:
    return future.result(), str(future.task_run_id)


class _Teller:
    """Keeps the progress artifact and the log up to date."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._logger = get_run_logger()
        self._told = monotonic()
        made: Any = create_progress_artifact(
            progress=100 * progress.share, key="sweep-progress", description=progress.line()
        )
        self._artifact = made

    def add(self, report: ChunkReport) -> None:
        """Count a chunk; tell of it if some time has passed."""
        self._progress.add(report)
        if monotonic() - self._told >= _TELL_EVERY:
            self._tell()

    def end(self) -> None:
        """Tell how it ended."""
        self._tell()

    def _tell(self) -> None:
        self._told = monotonic()
        line = self._progress.line()
        self._logger.info(line)
        update_progress_artifact(
            self._artifact, progress=round(100 * self._progress.share, 2), description=line
        )
