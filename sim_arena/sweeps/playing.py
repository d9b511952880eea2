"""Play one chunk of a sweep and write its rows."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from results import ResultsError, Row, Run, Sweep, table_of
from sim_arena import verbs as plain_verbs
from sim_arena.batches.rounds import begin, play_rounds
from sim_arena.episode import Verbs, play
from sim_arena.errors import BusyError, TransientError
from sim_arena.spec import EpisodeSpec
from sim_arena.steps import told
from sim_arena.sweeps.cases import digest_of
from sim_arena.sweeps.fetched import input_file, played_folder
from sim_arena.sweeps.plan import Plan
from sim_arena.sweeps.progress import ChunkReport
from sim_arena.sweeps.rows import episode_row, of_this_sweep, renamed, step_rows
from sim_arena.sweeps.tables import tables
from sim_arena.sweeps.writer import Writer

if TYPE_CHECKING:
    import pyarrow as pa

    Tables = tuple[pa.Table, pa.Table]

__all__ = ["local", "play_chunk", "played_together", "run_id_of"]


def play_chunk(  # noqa: PLR0913 # each by its name
    sweep: Sweep,
    plan: Plan,
    chunk: int,
    writer: Writer,
    *,
    verbs: Verbs = plain_verbs,
    last: bool = True,
) -> ChunkReport:
    """Play a chunk's episodes and write their rows; what was written of it before is replaced.

    An episode that fails is a row with its error. On the embedded cluster the chunk is one
    batch; on any other its episodes go through the verbs, and one that was interrupted goes on.

    Args:
        sweep: the sweep
        plan: its plan
        chunk: the chunk's number
        writer: whose right to write it is
        verbs: what an episode on a real cluster is made of
        last: whether it is not tried again: then an episode that a transient error ends is a row

    Raises:
        TransientError: an episode may work when it is tried again
        BusyError: somebody else plays one of the episodes
        PermanentError: somebody else is the writer now; nothing was written
        ResultsError: a file cannot be read or written
    """
    writer.check()
    begun = perf_counter()
    given = [plan.episode(number) for number in plan.chunks[chunk]]
    seconds: dict[str, float] = {}
    play_them = (
        played_together if given[0].cluster == "embedded" else _play_singly(verbs, last=last)
    )
    steps, episodes = play_them(sweep, plan, given, seconds)
    ready = perf_counter()
    size = sweep.write_chunk(chunk, steps, episodes, writer.check)
    ended = perf_counter()
    seconds["rest"] = ready - begun - sum(seconds.values())
    return ChunkReport(
        chunk=chunk,
        episodes=episodes.num_rows,
        steps=steps.num_rows,
        successes=episodes["success"].to_pylist().count(True),
        failed=episodes.num_rows - episodes["error"].null_count,
        size=size,
        seconds=seconds | {"files": ended - ready, "whole": ended - begun},
    )


def played_together(
    sweep: Sweep, plan: Plan, given: Sequence[EpisodeSpec], seconds: dict[str, float]
) -> "Tables":
    """Play episodes on the embedded cluster, all together, and return their rows.

    Args:
        sweep: the sweep, for its columns and inputs
        plan: its plan
        given: the episodes, of the plan
        seconds: gets what each stage took
    """
    cells: dict[int, EpisodeSpec] = {}
    specs = []
    for asked in given:
        cell = plan.cell(asked.episode)
        if cell not in cells:
            cells[cell] = local(sweep, plan, asked)
        specs.append(cells[cell].model_copy(update={"episode": asked.episode, "seed": asked.seed}))
    begun = perf_counter()
    episodes = list(begin(specs, lean=True))
    seconds["begin"] = perf_counter() - begun
    play_rounds(episodes, seconds=seconds)
    played = perf_counter()
    made = tables(sweep, plan, given, episodes)
    seconds["rows"] = perf_counter() - played
    return made


def _play_singly(verbs: Verbs, *, last: bool) -> "Callable[..., Tables]":
    """Return what plays a chunk on a real cluster, one episode after another."""

    def play_them(
        sweep: Sweep, plan: Plan, given: Sequence[EpisodeSpec], seconds: dict[str, float]
    ) -> "Tables":
        begun = perf_counter()
        steps: list[Row] = []
        episodes: list[Row] = []
        for asked in given:
            spec = local(sweep, plan, asked)
            rows, error = _play_one(spec, verbs, last=last)
            names = _names(spec, asked)
            mine = of_this_sweep(rows, sweep.id, names)
            case = plan.case(asked.episode)
            episodes.append(episode_row(asked, case, sweep.id, mine, renamed(error, names)))
            steps += mine
        seconds["engine"] = perf_counter() - begun
        return table_of(steps, sweep.columns), table_of(episodes, sweep.episode_columns)

    return play_them


def local(sweep: Sweep, plan: Plan, spec: EpisodeSpec) -> EpisodeSpec:
    """Return an episode of the plan as it is played here: from the sweep's own inputs."""
    case = plan.case(spec.episode)
    changed = {
        "trace": input_file(sweep, f"{case.sha256}.sktrace"),
        "nodes": _nodes(sweep, spec.nodes),
        "runs_dir": str(played_folder(sweep)),
        "run_id": sweep.id if spec.cluster == "embedded" else run_id_of(sweep, spec),
    }
    return spec.model_copy(update=changed)


def run_id_of(sweep: Sweep, spec: EpisodeSpec) -> str:
    """Return the run's id that an episode on a real cluster has there."""
    return f"{sweep.id}-{spec.episode}"


def _nodes(sweep: Sweep, nodes: str) -> str:
    name = f"{digest_of(nodes.encode())}.nodes.yaml"
    return input_file(sweep, name) if sweep.store.exists(f"inputs/{name}") else nodes


def _names(spec: EpisodeSpec, asked: EpisodeSpec) -> dict[str, str]:
    """Return what the plan calls the files that were played, also where that began elsewhere."""
    names = {spec.trace: asked.trace, spec.nodes: asked.nodes}
    folder = Path(spec.runs_dir) / str(spec.run_id)
    if (folder / "run.json").exists():
        began = Run.open(folder).parameters
        names |= {began["trace"]: asked.trace, began["nodes"]: asked.nodes}
    return names


def _play_one(spec: EpisodeSpec, verbs: Verbs, *, last: bool) -> tuple[list[Row], str | None]:
    """Play an episode through the verbs, or go on with it.

    Only what its trace, policy, action, hook or cluster did is how it went: that the disk is full,
    or somebody else plays it, is not.
    """
    try:
        result = play(spec, verbs)
    except Exception as failure:
        passing = isinstance(failure, TransientError) and not last
        if passing or isinstance(failure, ResultsError | OSError | BusyError):
            raise
        error = told(failure)
    else:
        return step_rows(result), result.error
    folder = Path(spec.runs_dir) / str(spec.run_id)
    if not (folder / "run.json").exists():
        return [], error
    taken = {row["step"]: row for row in Run.open(folder).read_steps()}
    return list(taken.values()), error
