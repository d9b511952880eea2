"""How the verbs become Prefect tasks."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from sim_arena.errors import TransientError

__all__ = ["RETRIES", "is_transient", "verb"]

P = ParamSpec("P")
R = TypeVar("R")

RETRIES = 4
_FIRST_DELAY = 1.0  # seconds; then 2, 4, 8, each with jitter


def is_transient(_task: "Task[..., Any]", _run: TaskRun, state: "State[Any]") -> bool:
    """Say whether a failed task may work when it is tried again: a condition for retries."""
    return isinstance(state.data, TransientError)


def verb(
    run_name: Callable[[dict[str, Any]], str], *, touches_cluster: bool = True
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a task of a verb.

    Nothing is ever cached: the default policy would give an observation of another moment
    again. Only what touches a cluster can fail for a moment, and only that is tried again.

    Args:
        run_name: gives a run's name from the verb's arguments
        touches_cluster: whether transient errors are retried, with back-off and jitter
    """

    def name_run(parameters: dict[str, Any]) -> str:  # Prefect looks at the argument's name
        return run_name(parameters)

    def wrap(function: Callable[P, R]) -> Task[P, R]:
        return Task(
            function,
            task_run_name=cast(
                "Any", name_run
            ),  # the type that it asks for cannot be met by functions
            cache_policy=NO_CACHE,
            persist_result=False,
            retries=RETRIES if touches_cluster else 0,
            retry_delay_seconds=exponential_backoff(_FIRST_DELAY) if touches_cluster else None,
            retry_jitter_factor=0.5 if touches_cluster else None,
            retry_condition_fn=is_transient if touches_cluster else None,
        )

    return wrap
