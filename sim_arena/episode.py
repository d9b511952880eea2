"""The loop, written once.

One step is: simulate the trace and wait for the end of the window, observe, decide, mutate,
reward, record, clean up. A preflight comes before the first. An episode carries the mutated
trace forward and ends at success (`terminated`) or at its step limit (`truncated`).

`play` plays one episode over any set of verbs: `sim_arena.verbs`, plain functions, or `tasks`,
the same as Prefect tasks. `play_batch` plays many on the embedded cluster at once. Their
records are equal.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sim_arena import policies, runs
from sim_arena import verbs as plain_verbs
from sim_arena.actions import Action
from sim_arena.afterwards import afterwards
from sim_arena.batch import play_batch
from sim_arena.clusters import Check, Simulation
from sim_arena.hooks import context, run_hooks
from sim_arena.locks import locked
from sim_arena.observation import Observation
from sim_arena.policies import Policy
from sim_arena.preflight import require
from sim_arena.records import EpisodeResult, StepRecord
from sim_arena.spec import EpisodeSpec, Hook, StepSizes
from sim_arena.steps import Step
from sim_arena.verbs import Mutated

__all__ = [
    "EpisodeResult",
    "EpisodeSpec",
    "Hook",
    "StepRecord",
    "StepSizes",
    "Verbs",
    "play",
    "play_batch",
    "resume",
]


class Verbs(Protocol):
    """What the loop is made of; each verb is described in `sim_arena.verbs`."""

    @property
    def preflight(self) -> Callable[[EpisodeSpec], list[Check]]:
        """Checks what can be known before the first simulation."""

    @property
    def simulate(self) -> Callable[[EpisodeSpec, str, int], Simulation]:
        """Starts replaying a trace."""

    @property
    def wait(self) -> Callable[[Simulation], list[str]]:
        """Waits for the end of the window."""

    @property
    def observe(self) -> Callable[[Simulation], Observation]:
        """Reads the workload's state."""

    @property
    def decide(self) -> Callable[[EpisodeSpec, Policy, Observation], Action]:
        """Asks the policy for an action."""

    @property
    def mutate(self) -> Callable[[EpisodeSpec, str, Action, str], Mutated]:
        """Applies an action to a trace file."""

    @property
    def reward(self) -> Callable[[str, Observation, int, float], float]:
        """Rewards an observation."""

    @property
    def record(self) -> Callable[[str, StepRecord], None]:
        """Writes a step to its run's folder."""

    @property
    def clean_up(self) -> Callable[[str, str], None]:
        """Removes whatever a run made."""


def play(
    spec: EpisodeSpec,
    verbs: Verbs = plain_verbs,
    *,
    policy: object | None = None,
    on_step: Callable[[StepRecord], None] | None = None,
) -> EpisodeResult:
    """Play one episode, or go on with one that was interrupted.

    If `spec.run_id` names a run that is there, its recorded steps are not played again; the
    next one is. The policy is shown what it saw before, so that its state is the same.

    Args:
        spec: the episode. A caller who did not write it himself has to check
            `sim_arena.hooks.names_code` first: hooks and a `module:attribute` policy are run.
        verbs: what the loop is made of
        policy: a function `policy(obs, deploy)` or an object with `get_action`, in place of the
            one that `spec.policy` names
        on_step: called with each record once it is written

    Returns:
        how the episode went; its `trace` is the one that was observed to succeed

    Raises:
        PermanentError: the preflight found something that makes the episode impossible
        SimArenaError, TraceError, ResultsError: what went wrong in a step. It is recorded, what
            the step made is cleaned up, and the same run id goes on from that step.
    """
    checks = verbs.preflight(spec)
    require(checks)
    chosen = _policy(spec, policy)
    if policy is not None:  # what the record names is what decided
        spec = spec.model_copy(update={"policy": policies.name_of(chosen)})
    spec, folder = runs.named(spec)

    def write(step: Step) -> None:
        record = step.done()
        verbs.record(str(run.path), record)
        if on_step is not None:
            on_step(record)

    with locked(folder):  # before anything is written: the run may be somebody else's
        run = runs.open_run(spec)
        result = EpisodeResult(run.id, spec.episode, str(run.path), checks=checks)
        for record in runs.recorded(run, spec.episode):
            result.add(record)
        if not result.ended:
            runs.catch_up(chosen, result.records, spec)
            run.summary_path.unlink(missing_ok=True)
            with runs.ended_by_errors(run):
                _play_on(spec, verbs, chosen, result, write)
        runs.end_run(run)
    return result


def resume(
    folder: str | Path,
    verbs: Verbs = plain_verbs,
    *,
    policy: object | None = None,
    on_step: Callable[[StepRecord], None] | None = None,
) -> EpisodeResult:
    """Go on with an interrupted run: repeat no step, skip none.

    Args:
        folder: the run's folder
        verbs: as for `play`
        policy: as for `play`; needed again if the run was started with one
        on_step: as for `play`

    Raises:
        ResultsError: there is no such run
    """
    return play(runs.spec_of(folder), verbs, policy=policy, on_step=on_step)


def _policy(spec: EpisodeSpec, given: object | None) -> Policy:
    if given is None:
        return policies.load(spec.policy, allow_import=True, seed=spec.seed)
    chosen = policies.adapt(given, spec.policy)
    policies.reset(chosen, spec.seed)
    return chosen


def _play_on(
    spec: EpisodeSpec,
    verbs: Verbs,
    policy: Policy,
    result: EpisodeResult,
    write: Callable[[Step], None],
) -> None:
    """Play the steps that are missing, and clean up after each."""

    def clean_up() -> None:
        verbs.clean_up(spec.place, result.run_id)

    clean_up()  # what an interrupted step may have left
    while not result.ended:
        trace = runs.where(result.folder, result.last_trace or spec.trace, spec.trace)
        step = Step(spec, len(result.records), trace)
        with afterwards(clean_up, BaseException):
            _take(step, spec, verbs, policy, write)
        result.add(step.record)


def _take(
    step: Step, spec: EpisodeSpec, verbs: Verbs, policy: Policy, write: Callable[[Step], None]
) -> None:
    """Take one step, and write it down whether it goes well or not."""
    try:
        observation = _observe(step, spec, verbs)
        if step.undecided:
            action = verbs.decide(spec, policy, observation)
            step.acted(action, verbs.mutate(spec, step.record["trace_in"], action, step.out))
        if step.assessed:
            step.rewarded(verbs.reward(spec.reward, observation, spec.target, spec.duration))
    except Exception as error:
        step.failed(error)
        write(step)
        raise
    write(step)


def _observe(step: Step, spec: EpisodeSpec, verbs: Verbs) -> Observation:
    """Replay the trace that came in, between the hooks."""
    number, trace = step.record["step"], step.record["trace_in"]
    about = context(spec, step=number, trace=trace)
    with afterwards(lambda: run_hooks(spec.post_end, "post_end", about), Exception):
        run_hooks(spec.pre_start, "pre_start", about)
        simulation = verbs.simulate(spec, trace, number)
        warnings = verbs.wait(simulation)
        observation = verbs.observe(simulation)
        step.observed(observation, simulation["namespace"], warnings)
    return observation
