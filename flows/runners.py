"""Where a sweep's chunks are played: threads of this process, or the workers of Dask."""

import os
from typing import Any, Literal, cast

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from sim_arena.errors import PermanentError

__all__ = ["Runner", "runner_for", "workers_of"]

Runner = Literal["threads", "dask"]


def runner_for(
    kind: Runner, *, workers: int | None, address: str | None, at_once: int | None = None
) -> TaskRunner[Any]:
    """Return what plays chunks.

    Args:
        kind: `threads` or `dask`
        workers: threads, or Dask workers to start; by default one for each core
        address: of a Dask scheduler that is there already, such as `tcp://host:8786`
        at_once: with threads, how many in place of `workers`

    Raises:
        PermanentError: Dask is asked for and not installed, or an address without Dask
    """
    count = workers or os.cpu_count() or 1
    if kind == "threads":
        if address is not None:
            raise PermanentError(f"expected --runner dask with an address, found {address!r} alone")
        return cast("TaskRunner[Any]", ThreadPoolTaskRunner(max_workers=at_once or count))
    try:
        from prefect_dask.task_runners import DaskTaskRunner  # noqa: PLC0415 # optional
    except ImportError as error:
        raise PermanentError(
            f"expected prefect-dask for the runner 'dask', found {error}: "
            "pip install 'sim-arena[dask]'"
        ) from error
    if address is not None:
        return cast("TaskRunner[Any]", DaskTaskRunner(address=address))
    cluster = {"n_workers": count, "threads_per_worker": 1, "dashboard_address": None}
    return cast("TaskRunner[Any]", DaskTaskRunner(cluster_kwargs=cluster))


def workers_of(runner: TaskRunner[Any], kind: Runner) -> int:
    """Return how many chunks a started runner plays at once."""
    if kind == "dask":
        threads: dict[str, int] = cast("Any", runner).client.nthreads()
        return max(1, sum(threads.values()))
    return int(cast("Any", runner)._max_workers)  # noqa: SLF001 # it has no name for it
