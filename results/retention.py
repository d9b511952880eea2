"""Which runs may go: those that have ended and are old, or too many."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from results.errors import ResultsError
from results.latest import read_latest
from results.run import RunInfo, list_runs, run_info

__all__ = ["delete_run", "outdated"]


def outdated(
    runs_dir: str | Path,
    *,
    keep: int | None = None,
    older_than: timedelta | None = None,
    now: datetime | None = None,
) -> Sequence[RunInfo]:
    """Return the runs that retention would delete, the oldest first.

    A run that has not ended may be under way or be resumed, a damaged one may be mended, and
    `latest` is in use: none of them is ever among those.

    Args:
        runs_dir: the folder of the runs
        keep: so many of the newest stay
        older_than: only those that started longer ago go
        now: the present if not given

    Raises:
        ResultsError: there is no such folder, or nothing says what may go
    """
    if keep is None and older_than is None:
        raise ResultsError("expected how many runs to keep, or how old they may be, found neither")
    folder = Path(runs_dir)
    runs = list_runs(folder)
    ended = [info for info in runs if _may_go(info, _latest(folder))]
    old = ended
    if keep is not None:
        newest = {info.id for info in runs[max(0, len(runs) - keep) :]}
        old = [info for info in old if info.id not in newest]
    if older_than is not None:
        limit = (now or datetime.now(UTC)) - older_than
        old = [info for info in old if _started(info) < limit]
    return old


def delete_run(path: Path) -> bool:
    """Delete a run that `outdated` named; who calls it holds the run's lock.

    It is renamed first, so that one that is deleted in part is a run no more. What an earlier
    deletion left, because it was stopped, goes too.

    Args:
        path: the run's folder

    Returns:
        Whether it is gone. One that has been gone on with since, or is `latest` now, stays.

    Raises:
        OSError: a file cannot be deleted
    """
    for left in path.parent.glob(_going("*")):
        shutil.rmtree(left)
    if not _may_go(run_info(path), _latest(path.parent)):
        return False
    going = path.with_name(_going(path.name))
    path.rename(going)
    shutil.rmtree(going)
    return True


def _going(name: str) -> str:
    return f".{name}.deleted"


def _may_go(info: RunInfo, latest: str | None) -> bool:
    return info.state == "ended" and info.id != latest


def _latest(folder: Path) -> str | None:
    try:
        return read_latest(folder)
    except ResultsError:  # nothing is
        return None


def _started(info: RunInfo) -> datetime:
    return datetime.fromisoformat(str(info.started_at))
