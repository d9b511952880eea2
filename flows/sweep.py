"""The flow `sweep`: every combination of traces, policies, seeds and the rest, in chunks."""

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, NamedTuple, cast

from prefect import Flow, flow, get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging.loggers import flow_run_logger
from prefect.runtime import flow_run as current
from prefect.states import Completed
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from flows import parameters as p
from flows.runners import Runner, started
from flows.summaries import headline, publish
from results import Store, Summary, Sweep
from results.figures import summarise_sweep
from results.store import LocalStore, place_in, store_at
from sim_arena import clusters, spec, sweeps
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.errors import PermanentError, SimArenaError
from sim_arena.guardrails import Guardrails
from sim_arena.spec import StepSizes
from sim_arena.steps import told
from sim_arena.sweeps import ChunkReport, Plan, Progress, TooManyFailedError, Writer
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

    Raises:
        ResultsError: what it may have begun is not known, as its folder cannot be read
        PermanentError: something could not be removed; the rest was
    """
    given = flow_run.parameters
    run_id = str(given.get("resume") or given.get("run_id") or flow_run.id)
    place = place_in(given.get("runs_dir") or "runs", run_id)
    if not store_at(place).exists("run.json"):  # nothing was made
        return
    sweep, plan = sweeps.opened(place)
    if sweeps.is_written(sweep, besides=str(flow_run.id)):  # somebody else plays it
        return
    logger = flow_run_logger(flow_run, flow)
    left: list[str] = []
    for number in _maybe_begun(sweep, plan):
        one = plan.episode(number)
        try:
            clusters.get(one.place).clean_up(sweeps.run_id_of(sweep, one))
        except SimArenaError as error:
            logger.warning("episode %d could not be cleaned up: %s", number, error)
            left.append(str(number))
    if left:
        raise PermanentError(
            f"expected sweep {run_id} to be cleaned up, found episodes {', '.join(left)} left; the "
            "log says why, and 'sim-arena cluster clean' removes them"
        )
    logger.info("cleaned up sweep %s: %s", run_id, state.name)


def _maybe_begun(sweep: Sweep, plan: Plan) -> list[int]:
    """Return the episodes that a real cluster may have something of.

    They are handed out in order, so many at once, and each is a chunk: of those that are missing,
    all before the last that is finished, and so many after it. Where they were played does not
    matter.
    """
    missing = [chunk for chunk in sweep.missing_chunks() if _cluster(plan, chunk) != "embedded"]
    last = max(sweep.finished_chunks(), default=-1)
    after = [chunk for chunk in missing if chunk > last][: plan.asked.concurrency]
    return [plan.chunks[chunk][0] for chunk in missing if chunk < last or chunk in after]


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
    simkube: SimKubeSettings = p.SIMKUBE,
    allow_real_nodes: bool = False,  # noqa: FBT001, FBT002 # a field of the form
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
    max_failed: Annotated[float, Field(ge=0, le=1)] | None = None,
    runner: Runner = "threads",
    workers: Annotated[int, Field(ge=1, le=1000)] | None = None,
    address: str | None = None,
    runs_dir: spec.RunsDir = "runs",
    run_id: spec.RunId = None,
    resume: spec.RunId = None,
    *,
    retry_failed: bool = False,
    allow_other_version: bool = False,
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
        simkube: on the cluster `simkube`, how SimKube is run
        allow_real_nodes: whether a real cluster may have nodes that are not KWOK's
        deploy: the workload; else the manifest's, or the only Deployment
        namespace: the workload's namespace, if several have one of the name
        duration: simulated window of each step, in seconds
        max_steps: steps at most
        guardrails: the bounds that no action crosses
        replay: `simkube` rewrites the objects as SimKube does, `plain` does not
        timeout: real seconds that one simulation may take
        sample: play so many of the combinations, drawn at random
        sample_seed: for the draw
        chunk: episodes that are played and written together on the embedded cluster
        concurrency: episodes of a real cluster that wait for their turn at once
        max_failed: the sweep stops when more than this share of its episodes has failed; 0.1, or
            what the sweep that is resumed was given
        runner: where the chunks are played: `threads` of this process, `dask` or `ray`
        workers: threads, or workers of Dask or Ray; by default one for each core
        address: of a Dask scheduler or a Ray head that is there already
        runs_dir: folder of all runs, or its URL
        run_id: the sweep's name, by default the flow run's id
        resume: the name of a sweep to go on with; all but where it is played and `max_failed` is
            then its own
        retry_failed: with `resume`, play the chunks again that have failed episodes
        allow_other_version: with `resume`, go on with what another version of the program began

    Returns:
        the figures

    Raises:
        SimArenaError, TraceError, ResultsError: what went wrong. What was played is written
    """
    given = dict(locals())  # at this point these are the arguments
    p.check_sweep_source(given)
    if resume is None:
        for name in ("retry_failed", "allow_other_version"):
            if given[name]:
                raise PermanentError(f"expected {name} with resume, found it alone: name the sweep")
    if resume is not None:
        p.check_resumed(resume)
        found, plan = sweeps.opened(place_in(runs_dir, resume))
        p.check_plan(plan.asked)
    else:
        names = sweeps.SweepSpec.model_fields
        asked = {name: given[name] for name in names if given[name] is not None}
        found, plan = sweeps.create(checked(asked), runs_dir, run_id or str(current.id))
    where = _Where(runner, workers, address)
    how = {name: given[name] for name in ("max_failed", "retry_failed", "allow_other_version")}
    figures = _play(found, plan, where, how)
    message = headline(found, figures)
    return cast("Summary", Completed(message=message, data=figures))


class _Where(NamedTuple):
    """Where chunks are played, as for `started`."""

    kind: Runner
    workers: int | None
    address: str | None


def _play(sweep: Sweep, plan: Plan, where: _Where, how: dict[str, Any]) -> Summary:
    """Play the chunks that are missing, as `begin` is told, and end the sweep."""
    logger = get_run_logger()
    with sweeps.writing(sweep, str(current.id)) as writer:
        progress, missing = begin(sweep, plan, writer, **how)
        teller = _Teller(plan, progress)
        runs: dict[int, str] = {}
        logger.info(
            "sweep %s: %s, in %d chunks", sweep.store.url, progress.line(), len(plan.chunks)
        )
        # On real clusters they wait for their turn; the rest, a core each.
        for cluster, chunks in groupby(missing, lambda chunk: _cluster(plan, chunk)):
            limit = None if cluster == "embedded" else plan.asked.concurrency
            with started(**where._asdict(), at_once=limit) as (runner, count):
                at_once = limit or _AHEAD * count
                reports = _reports(runner, writer, chunks, at_once)
                try:
                    with closing(reports):
                        for chunk, outcome, run in reports:
                            runs[chunk] = run
                            teller.add(chunk, outcome)
                except TooManyFailedError:
                    publish(sweep, plan, summarise_sweep(sweep), progress, runs)
                    raise
        teller.end()
        if progress.lost:
            publish(sweep, plan, summarise_sweep(sweep), progress, runs)
        progress.require_all()
        figures = end(sweep, writer)
    publish(sweep, plan, figures, progress, runs)
    return figures


def _cluster(plan: Plan, chunk: int) -> str:
    return plan.episode(plan.chunks[chunk][0]).cluster


def _reports(
    runner: Any, writer: Writer, chunks: Iterator[int], at_once: int
) -> Generator[tuple[int, ChunkReport | Exception, str]]:
    """Hand chunks out, never more than so many at once, and yield what comes of them in order.

    With each chunk come its report, or why there is none: it failed in all its tries, or its worker
    is gone; and the id of the task run that played it. However it ends, nothing
    is under way any more when it has ended: who began it is the writer for as long.
    """
    given = {"url": _whole(writer.store), "writer": writer.token}
    under_way: deque[tuple[int, Any]] = deque()
    try:
        for chunk in chunks:
            if len(under_way) >= at_once:
                yield _ended(*under_way.popleft())
            writer.check()
            future = runner.submit(play_chunk, parameters={**given, "chunk": chunk})
            under_way.append((chunk, future))
        while under_way:
            yield _ended(*under_way.popleft())
    finally:
        if not isinstance(runner, ThreadPoolTaskRunner):  # that one drops what has not begun
            for _, future in under_way:
                future.wait()


def _whole(store: Store) -> str:
    """Return the place of a sweep as it is named in whatever folder a worker was started."""
    return str(store.root.absolute()) if isinstance(store, LocalStore) else store.url


def _ended(chunk: int, future: Any) -> tuple[int, ChunkReport | Exception, str]:
    outcome: ChunkReport | Exception
    try:
        outcome = future.result()
    except Exception as error:  # noqa: BLE001 # counted, and told in the end
        outcome = error
    return chunk, outcome, str(future.task_run_id)


class _Teller:
    """Counts what comes of the chunks, and keeps the progress artifact and the log up to date."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self._plan = plan
        self._progress = progress
        self._logger = get_run_logger()
        self._told = monotonic()
        self._artifact: Any = None
        self._show()

    def add(self, chunk: int, outcome: ChunkReport | Exception) -> None:
        """Count a chunk; tell of it if some time has passed."""
        if isinstance(outcome, Exception):
            problem = told(outcome)
            self._logger.warning("chunk %d could not be played: %s", chunk, problem)
            self._progress.lose(len(self._plan.chunks[chunk]), problem)
        else:
            self._progress.add(outcome)
        if monotonic() - self._told >= _TELL_EVERY:
            self._tell()

    def end(self) -> None:
        """Tell how it ended."""
        self._tell()

    def _tell(self) -> None:
        self._told = monotonic()
        self._logger.info(self._progress.line())
        self._show()

    def _show(self) -> None:
        """Write the artifact. That the UI shows less is no reason to end the sweep."""
        share, line = round(100 * self._progress.share, 2), self._progress.line()
        try:
            if self._artifact is None:
                made: Any = create_progress_artifact(share, key="sweep-progress", description=line)
                self._artifact = made
            else:
                update_progress_artifact(self._artifact, progress=share, description=line)
        except Exception as error:  # noqa: BLE001 # told in the log
            self._logger.warning("the progress could not be shown: %s", error)
