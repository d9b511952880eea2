"""Play a row again, and compare."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results import ResultsError, Row, Run, Sweep, load_episodes, load_steps, rows_of
from results.words import many
from sim_arena import runs
from sim_arena.episode import play
from sim_arena.errors import PermanentError
from sim_arena.hooks import names_code
from sim_arena.records import EpisodeResult, to_row
from sim_arena.spec import EpisodeSpec
from sim_arena.steps import told
from sim_arena.sweeps.folder import opened
from sim_arena.sweeps.playing import local
from sim_arena.sweeps.rows import of_this_sweep

__all__ = [
    "Recorded",
    "Replayed",
    "recorded_episode",
    "recorded_rows",
    "replay",
    "require_episode",
]

# What two plays of one episode need not have alike: the clock, and where traces are written.
_OWN = {"started_at", "wall_seconds", "trace_in", "trace_out", "run_id"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """An episode as it is recorded.

    Args:
        spec: what was asked for, with the files as they are here
        rows: its steps, as `recorded_rows` gives them
        names: the name that was given for a path that is read here
        error: what ended it, if it was an error
    """

    spec: EpisodeSpec
    rows: list[Row]
    names: dict[str, str]
    error: str | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """An episode that was played again.

    Args:
        recorded: the rows of the data set
        played: the rows of now
        folder: where the traces of now are
        differences: such as `step 2, reward: 0.5, now 1.0`; none if it is the same
    """

    recorded: Sequence[Row]
    played: Sequence[Row]
    folder: Path
    differences: Sequence[str]


def replay(
    result: Run | Sweep, episode: int, folder: Path, *, allow_code: bool = False
) -> Replayed:
    """Play an episode of a run or a sweep again, one step after another.

    Args:
        result: where it is recorded
        episode: its number
        folder: where its files go
        allow_code: whether to run the policy and the hooks of its own that it names. A record may
            come from anybody, so it is off unless somebody asks for it

    Raises:
        ResultsError: there is no such episode, or a file that it needs is missing or damaged
        SimArenaError: it cannot be played, or names code that may not be run
    """
    found = recorded_episode(result, episode)
    recorded, names, error = found.rows, found.names, found.error
    if (code := names_code(found.spec)) and not allow_code:
        raise PermanentError(
            f"expected a record that names no code, found {'; '.join(code)}: --allow-code runs it "
            "(allow_code=True in Python), which only a record that you trust should be"
        )
    run_id = result.id
    times = sum(1 for _ in folder.glob(f"{run_id}-{episode}-again*"))
    again = {"runs_dir": str(folder), "run_id": f"{run_id}-{episode}-again{times or ''}"}
    spec = found.spec.model_copy(update=again)
    played = EpisodeResult(run_id, episode, str(folder))
    failure = None
    try:
        play(spec, on_step=played.add)
    except Exception as problem:
        failure = told(problem)
        for path, name in names.items():
            failure = failure.replace(path, name)
        if error is None:
            raise
    now = of_this_sweep([to_row(record) for record in played.records], run_id, names)
    differences = list(_differences(recorded, now))
    if not recorded and failure != error:
        differences.append(f"error: {error}, now {failure}")
    return Replayed(recorded, now, folder, differences)


def recorded_rows(result: Run | Sweep, episode: int) -> list[Row]:
    """Return an episode's steps in order; of one that was taken again, the last.

    Raises:
        ResultsError: a file cannot be read or is damaged
    """
    if isinstance(result, Sweep):
        import pyarrow.compute as pc  # noqa: PLC0415 # heavy: only who reads Parquet needs it

        rows = rows_of(load_steps(result, where=pc.field("episode") == episode, form="arrow"))
    else:
        rows = [row for row in result.read_steps() if row["episode"] == episode]
    latest = {row["step"]: row for row in rows}
    return [latest[step] for step in sorted(latest)]


def require_episode(result: Run | Sweep, episode: int) -> None:
    """Require that there is such an episode.

    Raises:
        ResultsError: there is none
    """
    if isinstance(result, Sweep):
        _, plan = opened(result.store.url)
        if not 0 <= episode < len(plan):
            raise ResultsError(
                f"expected an episode from 0 to {len(plan) - 1:,} of {result.id}, found {episode:,}"
            )
        return
    played = runs.spec_of(result.path).episode
    if played != episode:
        raise ResultsError(f"{result.id} has no episode {episode}; it has the episode {played}")


def recorded_episode(result: Run | Sweep, episode: int, rows: list[Row] | None = None) -> Recorded:
    """Return an episode of a run or a sweep, with all that it takes to play it again.

    Args:
        result: where it is recorded
        episode: its number
        rows: its steps, where they have been read already

    Raises:
        ResultsError: there is no such episode, or a file that it needs is missing or damaged
        SimArenaError: a file that it needs is not what was played
    """
    steps = recorded_rows(result, episode) if rows is None else rows
    if isinstance(result, Sweep):
        return _of_a_sweep(result, episode, steps)
    return _of_a_run(result, episode, steps)


def _of_a_sweep(sweep: Sweep, episode: int, steps: list[Row]) -> Recorded:
    import pyarrow.compute as pc  # noqa: PLC0415 # heavy: only a replay needs it

    require_episode(sweep, episode)
    _, plan = opened(sweep.store.url)
    asked = plan.episode(episode)
    rows = rows_of(load_episodes(sweep, where=pc.field("episode") == episode, form="arrow"))
    if not rows:
        raise ResultsError(f"episode {episode:,} of {sweep.id} has not been played: resume it")
    spec = local(sweep, plan, asked)
    if _digest(spec.trace) != plan.case(episode).sha256:
        raise ResultsError(f"{spec.trace} is damaged: it is not the trace that was played")
    names = {spec.trace: asked.trace, spec.nodes: asked.nodes}
    return Recorded(spec, steps, names, rows[0]["error"])


def _of_a_run(run: Run, episode: int, steps: list[Row]) -> Recorded:
    require_episode(run, episode)
    spec = runs.spec_of(run.path)
    if not steps:
        raise ResultsError(f"{run.id} has no steps yet: there is nothing to play again")
    if _digest(spec.trace) != run.parameters.get("trace_sha256"):
        raise PermanentError(
            f"expected {spec.trace} as it was when {run.id} was played, found another file: "
            "bring it back to play the run again"
        )
    return Recorded(spec, steps, {}, steps[-1]["error"])


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror or error}") from error


def _differences(recorded: Sequence[Row], now: Sequence[Row]) -> Any:
    if len(recorded) != len(now):
        yield f"{many(len(recorded), 'step')}, now {len(now)}"
    for old, new in zip(recorded, now, strict=False):
        for name in old.keys() - _OWN:
            if old[name] != new.get(name):
                yield f"step {old['step'] + 1}, {name}: {old[name]}, now {new.get(name)}"
