"""Where a sweep's chunks are played: threads of this process, or the workers of Dask or Ray."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, cast

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from sim_arena.errors import PermanentError

__all__ = ["Runner", "own_dask", "runner_for", "started"]

Runner = Literal["threads", "dask", "ray"]


def runner_for(
    kind: Runner, *, workers: int | None, address: str | None, at_once: int | None = None
) -> TaskRunner[Any]:
    """Return what plays chunks.

    Args:
        kind: `threads`, `dask` or `ray`
        workers: threads, or workers to start; by default one for each core
        address: of a cluster that is there already: a Dask scheduler such as `tcp://host:8786`,
            or a Ray head such as `host:6379`
        at_once: with threads, how many in place of `workers`

    Raises:
        PermanentError: Dask or Ray is asked for and not installed, or an address without them
    """
    count = workers or os.cpu_count() or 1
    if kind == "threads":
        if address is not None:
            raise PermanentError(
                f"expected --runner dask or ray with an address, found {address!r} alone"
            )
        return cast("TaskRunner[Any]", ThreadPoolTaskRunner(max_workers=at_once or count))
    try:
        return _dask(count, address) if kind == "dask" else _ray(count, address)
    except ImportError as error:
        raise PermanentError(
            f"expected prefect-{kind} for the runner {kind!r}, found {error}: "
            f"pip install 'sim-arena[{kind}]'"
        ) from error


@contextmanager
def started(
    kind: Runner, *, workers: int | None, address: str | None, at_once: int | None = None
) -> Iterator[tuple[TaskRunner[Any], int]]:
    """Start what plays chunks, and stop it in the end.

    Args:
        kind: as for `runner_for`, like the rest
        workers: likewise
        address: likewise
        at_once: likewise

    Yields:
        the runner, and how many chunks it plays at once

    Raises:
        PermanentError: as for `runner_for`, or nothing answers at the address
    """
    runner = runner_for(kind, workers=workers, address=address, at_once=at_once)
    with ExitStack() as stack:
        try:
            stack.enter_context(runner)
            count = _workers_of(runner, kind)  # Dask connects only now
        except OSError as error:  # what both raise when they have waited long enough
            where = f"at {address}" if address is not None else "on this machine"
            found = " ".join(str(error).split())
            raise PermanentError(
                f"expected a cluster of {kind.capitalize()} {where}, found {found}"
            ) from error
        yield runner, count


def _workers_of(runner: TaskRunner[Any], kind: Runner) -> int:
    """Return how many chunks a started runner plays at once."""
    if kind == "dask":
        threads: dict[str, int] = cast("Any", runner).client.nthreads()
        return max(1, sum(threads.values()))
    if kind == "ray":
        import ray  # noqa: PLC0415 # optional

        return max(1, int(ray.cluster_resources().get("CPU", 1)))
    return int(cast("Any", runner)._max_workers)  # noqa: SLF001 # it has no name for it


def own_dask(workers: int) -> dict[str, Any]:
    """Return the arguments for a `distributed.LocalCluster` of so many workers, a thread each.

    It is nobody else's business: on loopback, without a dashboard. Its scheduler serves its health
    over HTTP all the same, by default on a port that another cluster may have.
    """
    return {
        "n_workers": workers,
        "threads_per_worker": 1,
        "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0",
        "scheduler_kwargs": {"dashboard": False},
    }


def _dask(count: int, address: str | None) -> TaskRunner[Any]:
    from prefect_dask.task_runners import DaskTaskRunner  # noqa: PLC0415 # optional

    if address is not None:
        return cast("TaskRunner[Any]", DaskTaskRunner(address=address))
    return cast("TaskRunner[Any]", DaskTaskRunner(cluster_kwargs=own_dask(count)))


def _ray(count: int, address: str | None) -> TaskRunner[Any]:
    from prefect_ray.task_runners import RayTaskRunner  # noqa: PLC0415 # optional

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would call home
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # `ray start` asks for it, its clients do not
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        own = {"num_cpus": count, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        return cast("TaskRunner[Any]", RayTaskRunner(init_kwargs=quiet | own))
    if address == "auto":  # Ray would start a second cluster and say nothing
        raise PermanentError("expected the address of a Ray head such as host:6379, found 'auto'")
    return cast("TaskRunner[Any]", RayTaskRunner(address=address, init_kwargs=quiet))
