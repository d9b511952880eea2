"""Many episodes on the embedded cluster at once.

Each round takes one step of every episode that is not over: the programs advance together, and
an action edits the compiled program instead of compiling the mutated trace again. The trace
itself is edited in memory too, for the record and for whoever wants the repaired file.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from results import new_run_id
from sim_arena import actions, engine, policies, preflight, rewards
from sim_arena.actions import Action
from sim_arena.clusters import Check
from sim_arena.errors import PermanentError, PolicyError
from sim_arena.nodes import parse_nodes
from sim_arena.observation import Observation
from sim_arena.policies import Policy
from sim_arena.records import EpisodeResult, StepRecord, complete
from sim_arena.spec import EpisodeSpec
from sim_arena.steps import Step, told
from sim_arena.verbs import mutated, save_mutated
from traces import Trace, find_workload, load_trace

__all__ = ["play_batch"]


def play_batch(
    specs: Iterable[EpisodeSpec],
    *,
    save_traces: bool = False,
    on_step: Callable[[StepRecord], None] | None = None,
) -> list[EpisodeResult]:
    """Play many episodes on the embedded cluster, with the same records as `play`.

    Episodes share nothing but the compiled code, and, where a policy offers `decide_batch`, one
    object of that policy, which is asked for all of them at once and has to answer each as
    `get_action` would.

    Args:
        specs: the episodes; on the embedded cluster, without hooks
        save_traces: write the mutated traces that the records name, into the run's folder; each
            episode then needs a run id, or an episode number, of its own. Without it nothing is
            written, and the records name files that are not there
        on_step: called with each record, in the order of the specs within each round

    Returns:
        how each episode went, in the order of `specs`. What goes wrong in one is its `error`
        and does not touch the others. The caller writes the records to a run.
    """
    shared = _Shared()
    results, begun = [], []
    named: set[tuple[str, str | None, int]] = set()
    for asked in specs:
        spec = asked.model_copy(update={"run_id": asked.run_id or new_run_id()})
        folder = str(Path(spec.runs_dir) / str(spec.run_id))
        result = EpisodeResult(str(spec.run_id), spec.episode, folder)
        results.append(result)
        try:
            if save_traces:
                _refuse_same_files(spec, named)
            begun.append(_begin(spec, result, shared))
        except Exception as error:  # noqa: BLE001 # told in the result
            result.error = told(error)
    while begun:
        _round(begun, save_traces=save_traces)
        for episode in begun:
            record = episode.close()
            if on_step is not None:
                on_step(record)
        begun = [episode for episode in begun if not episode.over]
    return results


def _refuse_same_files(spec: EpisodeSpec, named: set[tuple[str, str | None, int]]) -> None:
    """Refuse a second episode whose traces would have the first one's files."""
    name = (str(spec.runs_dir), spec.run_id, spec.episode)
    if name in named:
        raise PermanentError(
            f"expected one episode {spec.episode} of run {spec.run_id}, found two, whose traces "
            f"would have the same files: number the episodes"
        )
    named.add(name)


@dataclass
class _Shared:
    """What episodes of one batch have in common, made once."""

    traces: dict[str, Trace] = field(default_factory=dict)
    programs: dict[tuple[str, str, int, str], "engine.Program"] = field(default_factory=dict)
    checks: dict[str, list[Check]] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)

    def trace(self, path: str) -> Trace:
        """Return a copy of the trace, to be edited."""
        if path not in self.traces:
            self.traces[path] = load_trace(path)
        return deepcopy(self.traces[path])

    def program(self, spec: EpisodeSpec) -> "engine.Program":
        """Return the compiled trace."""
        key = spec.trace, spec.nodes, spec.duration, spec.replay
        if key not in self.programs:
            parameters = engine.Parameters(duration=spec.duration, replay=spec.replay)
            nodes = parse_nodes(spec.nodes)
            self.programs[key] = engine.compile_trace(self.trace(spec.trace), nodes, parameters)
        return self.programs[key]

    def preflight(self, spec: EpisodeSpec) -> list[Check]:
        """Check a specification once for all seeds and episodes."""
        alike = spec.model_copy(update={"seed": 0, "episode": 0, "run_id": None})
        key = alike.model_dump_json()
        if key not in self.checks:
            self.checks[key] = preflight.check(alike)
        return self.checks[key]

    def policy(self, spec: EpisodeSpec) -> Policy:
        """Return a policy of the episode's own, or the one that answers all of them."""
        if spec.policy not in self.policies:
            policy = policies.load(spec.policy, allow_import=True, seed=spec.seed)
            if not hasattr(policy, "decide_batch"):
                return policy
            self.policies[spec.policy] = policy
        return self.policies[spec.policy]


class _Episode:
    """One episode under way."""

    def __init__(
        self,
        spec: EpisodeSpec,
        result: EpisodeResult,
        shared: _Shared,
    ) -> None:
        self.spec = spec
        self.result = result
        self.policy = shared.policy(spec)
        self.trace = shared.trace(spec.trace)
        self.program = shared.program(spec)
        self.ref = find_workload(self.trace, spec.deploy, spec.namespace)
        self.step = Step(spec, 0, spec.trace)

    @property
    def over(self) -> bool:
        """Whether no further step follows."""
        return self.result.ended or self.result.error is not None

    @property
    def undecided(self) -> bool:
        """Whether the step was observed, and needs an action."""
        return self.step.record["success"] is False and not self.step.has_failed

    @property
    def seen(self) -> Observation:
        """The step's observation."""
        return cast("Observation", self.step.record["observation"])

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Let an error in the block fail this episode's step, and no other."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 # told in the record and the result
            self.step.failed(error)

    def act(self, action: Action, *, save: bool) -> None:
        """Edit the trace and the program."""
        mutation = actions.apply_to_trace(
            self.trace, action, namespace=self.spec.namespace, guardrails=self.spec.guardrails
        )
        if mutation.changed:
            self.program = actions.apply_to_program(
                self.program, action, ref=self.ref, guardrails=self.spec.guardrails
            )
        if mutation.changed and save:
            save_mutated(self.trace, self.step.out)
        self.step.acted(action, mutated(mutation, self.step.record["trace_in"], self.step.out))

    def reward(self) -> None:
        """Reward what was observed."""
        reward = rewards.get(self.spec.reward)
        self.step.rewarded(reward(self.seen, self.spec.target, self.spec.duration))

    def close(self) -> StepRecord:
        """End the step, and open the next one if the episode goes on."""
        record = self.step.done()
        self.result.add(record)
        if not self.over:
            self.step = Step(self.spec, len(self.result.records), record["trace_out"])
        return record


def _begin(spec: EpisodeSpec, result: EpisodeResult, shared: _Shared) -> _Episode:
    """Check and compile."""
    if spec.cluster != "embedded":
        raise PermanentError(f"expected the embedded cluster in a batch, found {spec.cluster!r}")
    if spec.pre_start or spec.post_end:
        raise PermanentError("expected no hooks in a batch, found some: play such episodes singly")
    result.checks = shared.preflight(spec)
    preflight.require(result.checks)
    return _Episode(spec, result, shared)


def _round(active: Sequence[_Episode], *, save_traces: bool) -> None:
    """Take one step of each episode."""
    batch = engine.Batch([each.program for each in active], [each.spec.seed for each in active])
    batch.advance()
    for number, episode in enumerate(active):
        with episode.attempt():
            observation = complete(batch.observe(number, episode.ref))
            warnings = list(episode.program.warnings)
            episode.step.observed(observation, episode.ref.namespace, warnings)
    for episode, action in _decide([each for each in active if each.undecided]):
        with episode.attempt():
            episode.act(action, save=save_traces)
    for episode in active:
        if not episode.step.has_failed:
            with episode.attempt():
                episode.reward()


def _decide(undecided: Iterable[_Episode]) -> Iterator[tuple[_Episode, Action]]:
    """Ask the policies: one by one, or all episodes of a policy that answers many at once."""
    together: dict[int, list[_Episode]] = {}
    for episode in undecided:
        if hasattr(episode.policy, "decide_batch"):
            together.setdefault(id(episode.policy), []).append(episode)
            continue
        with episode.attempt():
            steps = episode.spec.steps.by_action()
            action = policies.decide(episode.policy, episode.seen, episode.spec.deploy, steps=steps)
            yield episode, action
    for group in together.values():
        yield from _decide_together(group)


def _decide_together(group: Sequence[_Episode]) -> Iterator[tuple[_Episode, Action]]:
    """Ask one policy for the actions of several episodes."""
    policy = group[0].policy
    name = policies.name_of(policy)
    try:
        answers = _answers(policy, group)
    except Exception as error:  # noqa: BLE001 # told in every record that it concerns
        for episode in group:
            episode.step.failed(PolicyError(f"policy {name} failed: {told(error)}"))
        return
    for episode, answer in zip(group, answers, strict=True):
        with episode.attempt():
            steps = episode.spec.steps.by_action()
            yield episode, policies.checked(answer, episode.spec.deploy, name, steps=steps)


def _answers(policy: Any, group: Sequence[_Episode]) -> list[object]:
    observations = [deepcopy(episode.seen) for episode in group]
    answers = list(policy.decide_batch(observations, [each.spec.deploy for each in group]))
    if len(answers) != len(group):
        raise ValueError(f"expected {len(group)} actions of decide_batch, found {len(answers)}")
    return answers
