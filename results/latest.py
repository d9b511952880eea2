"""`runs/latest`: the run that was started last."""

from pathlib import Path
from secrets import token_hex

from results.errors import ResultsError
from results.files import write_atomically

__all__ = ["LATEST", "point_latest", "read_latest"]

LATEST = "latest"


def point_latest(runs_dir: Path, run_id: str) -> None:
    """Let `latest` point to a run, in one atomic step.

    It is a symbolic link; where the system makes none, a text file that holds the id.

    Raises:
        ResultsError: `latest` cannot be written, for instance because it is a real folder.
    """
    temporary = runs_dir / f".{LATEST}.{token_hex(4)}.tmp"
    try:
        temporary.symlink_to(run_id, target_is_directory=True)
    except (OSError, NotImplementedError):  # a file system or a user without symbolic links
        write_atomically(runs_dir / LATEST, lambda file: _write_id(file, run_id))
        return
    try:
        temporary.replace(runs_dir / LATEST)
    except OSError as error:
        raise ResultsError(
            f"cannot replace {runs_dir / LATEST}: {error.strerror or error}; "
            "it should be a link to a run: remove what is there"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def read_latest(runs_dir: Path) -> str:
    """Return the id of the run that was started last.

    Raises:
        ResultsError: There is none.
    """
    pointer = runs_dir / LATEST
    if pointer.is_symlink():
        return pointer.readlink().name
    if pointer.is_file():
        return pointer.read_text(encoding="utf-8").strip()
    raise ResultsError(
        f"there is no {pointer}, so no run yet; play an episode, or name another runs folder"
    )


def _write_id(path: Path, run_id: str) -> None:
    path.write_text(run_id + "\n", encoding="utf-8")
