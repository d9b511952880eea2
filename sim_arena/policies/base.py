"""What a policy is, and how it is asked."""

import inspect
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar, cast, runtime_checkable

from sim_arena.actions import Action, validate
from sim_arena.errors import ActionError, PolicyError
from sim_arena.observation import Observation, copied

__all__ = [
    "FunctionPolicy",
    "Policy",
    "PolicyFunction",
    "adapt",
    "answer_of",
    "checked",
    "decide",
    "is_pure",
    "name_of",
    "pure",
    "reset",
]

_FAILURES = (Exception, SystemExit)  # one that calls `exit()` ends no sweep

Answer = TypeVar("Answer")

PolicyFunction = Callable[[Observation, str], Action]
"""The simplest policy: maps an observation and the workload's name to an action."""


@runtime_checkable
class Policy(Protocol):
    """An object that chooses actions.

    It may also have `reset(seed: int)`, called before each episode,
    `decide_batch(observations, deploys)`, which answers many episodes at once, and `pure = True`,
    which says that the answer depends on the observation and the name alone: in a batch it is
    then asked once for equal observations.
    """

    def get_action(self, obs: Observation, deploy: str) -> Action:
        """Return the action for an observation of the workload `deploy`."""
        ...


def pure(function: PolicyFunction) -> PolicyFunction:
    """Mark a function as a policy whose answer depends on its arguments alone."""
    function.pure = True  # type: ignore[attr-defined] # functions take attributes
    return function


def is_pure(policy: Policy) -> bool:
    """Say whether a policy's answer depends on the observation and the name alone."""
    marked = policy.function if isinstance(policy, FunctionPolicy) else policy
    return getattr(marked, "pure", False) is True


class FunctionPolicy:
    """A function as a policy."""

    def __init__(self, function: PolicyFunction) -> None:
        self.function = function

    def get_action(self, obs: Observation, deploy: str) -> Action:
        """Return the function's answer."""
        return self.function(obs, deploy)


def adapt(candidate: object, name: str) -> Policy:
    """Return a policy for a function, a class or an object that has `get_action`.

    Args:
        candidate: a class is called without arguments, a function becomes a policy
        name: where it came from, for the error

    Raises:
        PolicyError: it is none of these, or the class could not be called
    """
    if isinstance(candidate, type):
        candidate = _instance(candidate, name)
    if isinstance(candidate, Policy):
        return candidate
    if callable(candidate):
        _require_two_arguments(candidate, name)
        return FunctionPolicy(cast("PolicyFunction", candidate))
    raise PolicyError(
        f"policy {name!r}: expected a function policy(obs, deploy) or an object with "
        f"get_action(obs, deploy), found {type(candidate).__name__}"
    )


def _require_two_arguments(candidate: Callable[..., object], name: str) -> None:
    """Refuse what cannot be called with an observation and a name, before anything is played."""
    try:
        signature = inspect.signature(candidate)
    except (TypeError, ValueError):  # some that are written in C do not say
        return
    try:
        signature.bind(None, None)
    except TypeError as error:
        raise PolicyError(
            f"policy {name!r}: expected a function policy(obs, deploy), found one of {signature}"
        ) from error


def _instance(candidate: Callable[[], object], name: str) -> object:
    try:
        return candidate()
    except _FAILURES as error:
        raise PolicyError(
            f"policy {name!r}: the class could not be called: {_told(error)}; "
            "a policy class is called without arguments"
        ) from error


def reset(policy: Policy, seed: int) -> None:
    """Tell a policy that an episode begins; one without `reset` has nothing to forget."""
    method = getattr(policy, "reset", None)
    if method is None:
        return
    try:
        method(seed)
    except _FAILURES as error:
        name = name_of(policy)
        raise PolicyError(f"policy {name}: reset({seed}) failed: {_told(error)}") from error


def answer_of(policy: Policy, question: Callable[[], Answer]) -> Answer:
    """Return what a policy answers to a question: a call of one of its methods.

    Raises:
        PolicyError: it failed
    """
    try:
        return question()
    except _FAILURES as error:
        raise PolicyError(f"policy {name_of(policy)} failed: {_told(error)}") from error


def decide(
    policy: Policy,
    obs: Observation,
    deploy: str,
    *,
    steps: Mapping[str, str | int] | None = None,
) -> Action:
    """Ask a policy for an action, and check the answer.

    Args:
        policy: the policy; it gets a copy of the observation
        obs: what was observed
        deploy: the workload's name
        steps: step sizes by action, used where the answer names none

    Returns:
        a valid action on `deploy`, with its step filled in

    Raises:
        PolicyError: the policy failed, or its answer is not an action on this workload
    """
    answer = answer_of(policy, lambda: policy.get_action(copied(obs), deploy))
    return checked(answer, deploy, name_of(policy), steps=steps)


def checked(
    answer: object, deploy: str, name: str, *, steps: Mapping[str, str | int] | None = None
) -> Action:
    """Return a policy's answer as a valid action on `deploy`.

    Raises:
        PolicyError: the answer is not an action, or on another workload
    """
    try:
        action = validate(cast("Mapping[str, object]", answer), steps=steps)
    except ActionError as error:
        raise PolicyError(f"policy {name} gave a wrong answer: {error}") from error
    if action["deploy"] != deploy:
        raise PolicyError(
            f"policy {name} gave a wrong answer: expected an action on {deploy!r}, "
            f"found one on {action['deploy']!r}"
        )
    return action


def name_of(policy: Policy) -> str:
    """Return what a person would call the policy."""
    if isinstance(policy, FunctionPolicy):
        return getattr(policy.function, "__name__", repr(policy.function))
    return type(policy).__name__


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
