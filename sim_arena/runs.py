"""An episode's folder: made, found again after an interruption, and ended."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from results import Run, new_run_id
from results.journal import iter_lines
from results.run import checked_id, make_folder
from sim_arena.errors import PermanentError
from sim_arena.nodes import manifests
from sim_arena.policies import Policy, decide
from sim_arena.records import COLUMNS, StepRecord, from_row
from sim_arena.spec import EpisodeSpec

__all__ = [
    "catch_up",
    "end_run",
    "ended_by_errors",
    "named",
    "open_run",
    "recorded",
    "spec_of",
    "where",
]

_DIGEST, _NODES_DIGEST = "trace_sha256", "nodes_sha256"


def named(spec: EpisodeSpec) -> tuple[EpisodeSpec, Path]:
    """Return the specification with the run's id in it, and the run's folder, which is made.

    Raises:
        ResultsError: the id is no name for a folder, or the folder cannot be made
    """
    run_id = new_run_id() if spec.run_id is None else checked_id(spec.run_id)
    folder = Path(spec.runs_dir) / run_id
    if not folder.is_dir():
        make_folder(folder, exist_ok=True)
    return spec.model_copy(update={"run_id": run_id}), folder


def open_run(spec: EpisodeSpec) -> Run:
    """Make the run, or open it again if it is there. Its folder's lock is held by the caller.

    Raises:
        PermanentError: the run was asked for something else than `spec`
        ResultsError: its files cannot be made or read
    """
    asked = spec.asked() | {_DIGEST: hashlib.sha256(Path(spec.trace).read_bytes()).hexdigest()}
    if (nodes := manifests(spec.nodes)) is not None:
        asked[_NODES_DIGEST] = hashlib.sha256(nodes).hexdigest()
    run = Run.create(spec.runs_dir, spec.run_id, columns=COLUMNS, parameters=asked, exist_ok=True)
    # Files are compared by what is in them: their paths have many spellings, and may be moved.
    decisive = asked.keys() - {"timeout", "trace"}
    if _NODES_DIGEST not in run.parameters:  # made by a version that did not record it
        decisive -= {_NODES_DIGEST}
    elif nodes is not None:
        decisive -= {"nodes"}
    other = sorted(key for key in decisive if run.parameters.get(key) != asked[key])
    if other:
        was = ", ".join(f"{key} {run.parameters.get(key)!r}" for key in other)
        raise PermanentError(
            f"run {run.id} was started with {was}; expected the same to go on with it: "
            "ask for the same again, or give another run id"
        )
    return run


def spec_of(folder: str | Path) -> EpisodeSpec:
    """Return what a run was asked for.

    Raises:
        ResultsError: there is no such run
    """
    run = Run.open(folder)
    digests = (_DIGEST, _NODES_DIGEST)
    asked = {key: value for key, value in run.parameters.items() if key not in digests}
    return EpisodeSpec.model_validate(asked | {"runs_dir": str(run.path.parent), "run_id": run.id})


def recorded(run: Run, episode: int) -> list[StepRecord]:
    """Return the episode's finished steps in order; those that ended in an error are not."""
    # Parquet may be older: an error ends the run, and going on with it begins anew.
    rows = [row for row in iter_lines(run.journal_path) if row["episode"] == episode]
    records = [from_row(row) for row in rows if row["error"] is None]
    return sorted(records, key=lambda record: record["step"])


def catch_up(policy: Policy, records: list[StepRecord], spec: EpisodeSpec) -> None:
    """Show a policy what it saw before the interruption, so that its state is as it was then."""
    for record in records:
        if record["observation"] is not None and record["action"] is not None:
            decide(policy, record["observation"], spec.deploy, steps=spec.steps.by_action())


def where(folder: str | Path, path: str, first: str) -> str:
    """Return a recorded trace's path, also after the folder of the runs was moved.

    Args:
        folder: the run's folder
        path: as it was recorded
        first: where the trace is now that the run began with
    """
    if Path(path).exists():
        return path
    here = Path(folder) / "traces" / Path(path).name
    if here.exists():
        return str(here)
    return first if path == Run.open(folder).parameters.get("trace") else path


@contextmanager
def ended_by_errors(run: Run) -> Iterator[None]:
    """End the run if the block raises an error.

    An interruption leaves it unfinished, without a summary; the steps so far can be read as
    Parquet all the same.
    """
    try:
        yield
    except Exception:
        end_run(run)
        raise
    except BaseException:
        if run.journal_path.exists():
            run.write_parquet()
        raise


def end_run(run: Run) -> None:
    """Write the Parquet data set and the summary, which end the run."""
    run.write_parquet()
    run.write_summary()
