"""The task `play_chunk`: play some episodes of a sweep and write their rows."""

from functools import lru_cache
from typing import Any, cast

from httpx import HTTPError
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import task_run

from results import ResultsError, Sweep
from sim_arena import sweeps
from sim_arena.errors import TransientError
from sim_arena.sweeps import ChunkReport, Plan, Writer
from sim_arena.sweeps.versions import require_known
from tasks.turns import turn

__all__ = ["play_chunk"]

_RETRIES = 2


def _may_pass(_task: Any, _run: TaskRun, state: "State[Any]") -> bool:
    """Say whether a chunk may work when it is tried again.

    A cluster, the storage or, when it waited for its turn, Prefect's server was away.
    """
    return isinstance(state.data, TransientError | ResultsError | OSError | HTTPError)


def _name() -> str:
    given = task_run.parameters
    numbers = _opened(given["url"], given["writer"])[1].chunks[given["chunk"]]
    if len(numbers) == 1:
        return f"episode {numbers[0]}"
    return f"episodes {numbers[0]} to {numbers[-1]}"


@task(
    task_run_name=cast("Any", _name),
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=_RETRIES,
    retry_delay_seconds=[1, 10],
    retry_condition_fn=_may_pass,
)
def play_chunk(url: str, chunk: int, writer: str) -> ChunkReport:
    """Play a chunk; what was written of it before is replaced. See `sim_arena.sweeps.play_chunk`.

    An episode on a real cluster goes through the step tasks, when it is its turn there.

    Args:
        url: the sweep's folder or URL, on storage that every worker reaches
        chunk: the chunk's number
        writer: the token of the sweep that writes; once another one does, nothing is written
    """
    import tasks  # noqa: PLC0415 # this module is a part of it

    sweep, plan = _opened(url, writer)
    right = Writer(sweep.store, writer)
    first = plan.episode(plan.chunks[chunk][0])
    if first.cluster == "embedded":
        return sweeps.play_chunk(sweep, plan, chunk, right)
    with turn(first.place):
        return sweeps.play_chunk(
            sweep, plan, chunk, right, verbs=tasks, last=(task_run.run_count or 0) > _RETRIES
        )


@lru_cache(maxsize=4)
def _opened(url: str, writer: str) -> tuple[Sweep, Plan]:  # noqa: ARG001 # see below
    """Open a sweep once a process and writer: under another, another may have its name."""
    sweep, plan = sweeps.opened(url)
    require_known(sweep)  # a worker may have another version than the flow
    return sweep, plan
