"""Play one chunk of a sweep and write its rows."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import gettempdir
from time import perf_counter
from typing import TYPE_CHECKING

from results import Row, Run, Sweep, table_of
from results.store import LocalStore
from sim_arena import verbs as plain_verbs
from sim_arena.batches.rounds import begin, play_rounds
from sim_arena.episode import Verbs, play
from sim_arena.spec import EpisodeSpec
from sim_arena.steps import told
from sim_arena.sweeps.cases import digest_of
from sim_arena.sweeps.folder import input_file
from sim_arena.sweeps.plan import Plan
from sim_arena.sweeps.progress import ChunkReport
from sim_arena.sweeps.rows import episode_row, of_this_sweep, renamed, step_rows
from sim_arena.sweeps.tables import tables

if TYPE_CHECKING:
    import pyarrow as pa

    Tables = tuple[pa.Table, pa.Table]

__all__ = ["local", "play_chunk"]


def play_chunk(sweep: Sweep, plan: Plan, chunk: int, *, verbs: Verbs = plain_verbs) -> ChunkReport:
    """Play a chunk's episodes and write their rows; what was written of it before is replaced.

    An episode that fails is a row with its error. On the embedded cluster the chunk is one
    batch; on any other its episodes go through the verbs, and one that was interrupted goes on.

    Args:
        sweep: the sweep
        plan: its plan
        chunk: the chunk's number
        verbs: what an episode on a real cluster is made of

    Raises:
        ResultsError: a file cannot be read or written
    """
    begun = perf_counter()
    given = [plan.episode(number) for number in plan.chunks[chunk]]
    seconds: dict[str, float] = {}
    play_them = _play_batch if given[0].cluster == "embedded" else _play_singly(verbs)
    steps, episodes = play_them(sweep, plan, given, seconds)
    ready = perf_counter()
    size = sweep.write_chunk(chunk, steps, episodes)
    ended = perf_counter()
    seconds["rest"] = ready - begun - sum(seconds.values())
    return ChunkReport(
        chunk=chunk,
        episodes=episodes.num_rows,
        steps=steps.num_rows,
        successes=sum(episodes["success"].to_pylist()),
        failed=episodes.num_rows - episodes["error"].null_count,
        size=size,
        seconds=seconds | {"files": ended - ready, "whole": ended - begun},
    )


def _play_batch(
    sweep: Sweep, plan: Plan, given: Sequence[EpisodeSpec], seconds: dict[str, float]
) -> "Tables":
    """Play a chunk on the embedded cluster, all of its episodes together."""
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


def _play_singly(verbs: Verbs) -> "Callable[..., Tables]":
    """Return what plays a chunk on a real cluster, one episode after another."""

    def play_them(
        sweep: Sweep, plan: Plan, given: Sequence[EpisodeSpec], seconds: dict[str, float]
    ) -> "Tables":
        begun = perf_counter()
        steps: list[Row] = []
        episodes: list[Row] = []
        for asked in given:
            spec = local(sweep, plan, asked)
            rows, error = _play_one(spec, verbs)
            names = {spec.trace: asked.trace, spec.nodes: asked.nodes}
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
        "runs_dir": str(_played(sweep)),
        "run_id": sweep.id if spec.cluster == "embedded" else f"{sweep.id}-{spec.episode}",
    }
    return spec.model_copy(update=changed)


def _nodes(sweep: Sweep, nodes: str) -> str:
    name = f"{digest_of(nodes.encode())}.nodes.yaml"
    return input_file(sweep, name) if sweep.store.exists(f"inputs/{name}") else nodes


def _played(sweep: Sweep) -> Path:
    """Return where the episodes on real clusters have their own folders."""
    if isinstance(sweep.store, LocalStore):
        return sweep.store.root / "played"
    return Path(gettempdir()) / f"sim-arena-played-{sweep.id}"


def _play_one(spec: EpisodeSpec, verbs: Verbs) -> tuple[list[Row], str | None]:
    """Play an episode through the verbs, or go on with it."""
    try:
        result = play(spec, verbs)
    except Exception as failure:  # noqa: BLE001 # told in the row
        error = told(failure)
    else:
        return step_rows(result), result.error
    folder = Path(spec.runs_dir) / str(spec.run_id)
    if not (folder / "run.json").exists():
        return [], error
    taken = {row["step"]: row for row in Run.open(folder).read_steps()}
    return list(taken.values()), error
