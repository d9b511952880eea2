"""Rounds: each takes one step of every episode of a batch that is not over."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from sim_arena import engine, policies, preflight, rewards
from sim_arena.actions import Action
from sim_arena.batches.sites import Move, Seen, Site, Sites, Variant
from sim_arena.clusters import Check
from sim_arena.errors import PermanentError, PolicyError
from sim_arena.observation import copied, is_success
from sim_arena.policies import Policy
from sim_arena.rewards import Reward
from sim_arena.spec import EpisodeSpec
from sim_arena.steps import told

__all__ = ["Episode", "Outcome", "Taken", "begin", "play_rounds"]

_AT_ONCE = 1024  # runs in one batch of the engine: their states take memory


@dataclass(slots=True, eq=False)
class Outcome:
    """What a step came to: one object for all steps that came to the same.

    Args:
        seen: what was observed; None if that failed
        success: whether it is a success
        move: what was done; None at success, or where an error came first
        reward: None where an error came first
        error: as it stands in a record
    """

    seen: Seen | None
    success: bool | None = None
    move: Move | None = None
    reward: float | None = None
    error: str | None = None


@dataclass(slots=True, eq=False)
class Taken:
    """When a round's steps were taken.

    Args:
        started_at: ISO 8601 in UTC
        wall_seconds: what the round took, divided by the episodes that took part in it
    """

    started_at: str
    wall_seconds: float = 0.0


@dataclass(slots=True, eq=False)
class Cell:
    """What episodes have in common that differ in their seed and their number alone."""

    spec: EpisodeSpec
    site: Site
    checks: list[Check]
    steps: dict[str, str | int]
    reward: Reward
    shared: Policy | None  # answers all of them; None: each has its own
    pure: bool  # the answer depends on the observation alone
    answers: dict[str, tuple[Action | None, str | None]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Episode:
    """One episode under way.

    Args:
        spec: what was asked for
        cell: what it has in common with others; None if it could not begin
        error: why it could not begin, or what ended it
        steps: what each step came to, and when
    """

    spec: EpisodeSpec
    cell: Cell | None = None
    policy: Policy | None = None
    variant: Variant | None = None
    error: str | None = None
    success: bool = False
    steps: list[tuple[Outcome, Taken]] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether no further step follows."""
        return self.error is not None or self.success or len(self.steps) >= self.spec.max_steps

    def take(self, outcome: Outcome, taken: Taken) -> None:
        """Take in a step."""
        self.steps.append((outcome, taken))
        self.error = outcome.error
        self.success = bool(outcome.success) and outcome.error is None
        if outcome.move is not None:
            self.variant = outcome.move.variant


class _Cells:
    """The cells of a batch, each made once."""

    def __init__(self, *, lean: bool) -> None:
        self._sites = Sites(lean=lean)
        self._cells: dict[EpisodeSpec, Cell | Exception] = {}
        self._policies: dict[str, Policy] = {}

    def of(self, spec: EpisodeSpec) -> Cell:
        """Return the cell of an episode; its errors are those of all its episodes."""
        alike = spec.model_copy(update={"seed": 0, "episode": 0, "run_id": None})
        found = self._cells.get(alike)
        if found is None:
            try:
                found = self._made(alike)
            except Exception as error:  # noqa: BLE001 # told in every episode's result
                found = error
            self._cells[alike] = found
        if isinstance(found, Exception):
            raise found
        return found

    def _made(self, spec: EpisodeSpec) -> Cell:
        if spec.cluster != "embedded":
            raise PermanentError(
                f"expected the embedded cluster in a batch, found {spec.cluster!r}"
            )
        if spec.pre_start or spec.post_end:
            raise PermanentError(
                "expected no hooks in a batch, found some: play such episodes singly"
            )
        checks = preflight.check(spec)
        preflight.require(checks)
        policy = policies.load(spec.policy, allow_import=True, seed=spec.seed)
        pure = policies.is_pure(policy)
        together = pure or hasattr(policy, "decide_batch")
        return Cell(
            spec=spec,
            site=self._sites.at(spec),
            checks=checks,
            steps=spec.steps.by_action(),
            reward=rewards.get(spec.reward),
            shared=self._policies.setdefault(spec.policy, policy) if together else None,
            pure=pure,
        )


def begin(specs: Iterable[EpisodeSpec], *, lean: bool) -> Iterator[Episode]:
    """Check, compile, and make the episodes ready, in order.

    Args:
        specs: the episodes
        lean: the traces themselves are not wanted, only what changes in them
    """
    cells = _Cells(lean=lean)
    for spec in specs:
        episode = Episode(spec)
        try:
            cell = cells.of(spec)
            episode.policy = cell.shared or policies.load(
                spec.policy, allow_import=True, seed=spec.seed
            )
            episode.cell, episode.variant = cell, cell.site.start
        except Exception as error:  # noqa: BLE001 # told in the result
            episode.error = told(error)
        yield episode


def play_rounds(
    episodes: Sequence[Episode],
    *,
    on_round: Callable[[Sequence[Episode]], None] | None = None,
    seconds: dict[str, float] | None = None,
) -> None:
    """Play episodes to their ends.

    Args:
        episodes: the episodes
        on_round: called after each round with the episodes that took a step
        seconds: what the engine and the policies took is added here
    """
    active = [episode for episode in episodes if not episode.over]
    spent = {} if seconds is None else seconds
    while active:
        taken = Taken(datetime.now(UTC).isoformat(timespec="microseconds"))
        begun = perf_counter()
        for start in range(0, len(active), _AT_ONCE):
            _round(active[start : start + _AT_ONCE], taken, spent)
        taken.wall_seconds = (perf_counter() - begun) / len(active)
        if on_round is not None:
            on_round(active)
        active = [episode for episode in active if not episode.over]


def _round(active: Sequence[Episode], taken: Taken, spent: dict[str, float]) -> None:
    """Take one step of each episode."""
    begun = perf_counter()
    looked = list(_look(active))
    simulated = perf_counter()
    together: dict[int, list[tuple[Episode, Outcome]]] = {}
    for episode, seen in looked:
        if isinstance(seen, str):
            episode.take(Outcome(None, error=seen), taken)
            continue
        cell = episode.cell
        outcome = seen.follows.get(cell)
        if outcome is None:
            outcome = seen.follows[cell] = _outcome(episode, cell, seen)
        if outcome.move is None and outcome.success is False and outcome.error is None:
            if hasattr(episode.policy, "decide_batch") and not cell.pure:
                together.setdefault(id(episode.policy), []).append((episode, outcome))
                continue
            outcome = _asked(episode, cell, outcome)
        episode.take(outcome, taken)
    for group in together.values():
        for episode, outcome in _asked_together(group):
            episode.take(outcome, taken)
    spent["engine"] = spent.get("engine", 0.0) + simulated - begun
    spent["policies"] = spent.get("policies", 0.0) + perf_counter() - simulated


def _look(active: Sequence[Episode]) -> Iterator[tuple[Any, Seen | str]]:
    """Simulate a window of each episode; yield what is seen at its end, or what went wrong.

    What cannot be simulated together is tried in halves: an error is of one episode.
    """
    variants: list[Any] = [episode.variant for episode in active]
    try:
        batch = engine.Batch(
            [variant.program for variant in variants], [each.spec.seed for each in active]
        )
        batch.advance()
        keys = batch.glances([variant.site.ref for variant in variants])
    except Exception as error:  # noqa: BLE001 # told in the record
        if len(active) == 1:
            yield active[0], told(error)
            return
        half = len(active) // 2
        yield from _look(active[:half])
        yield from _look(active[half:])
        return
    for i, (episode, variant) in enumerate(zip(active, variants, strict=True)):
        yield episode, variant.seen(keys[i], batch, i)


def _outcome(episode: Episode, cell: Cell, seen: Seen) -> Outcome:
    """Return what a step came to that saw this; without the move, unless it is known at once."""
    # The embedded cluster shows every trouble: what looks healthy there is.
    outcome = Outcome(seen, is_success(seen.observation, cell.spec.target))
    if not outcome.success:
        if not cell.pure:
            return outcome
        action, error = _decided(episode, cell, seen)
        if action is None:
            outcome.error = error
            return outcome
        return _done(episode, cell, outcome, action)
    return _rewarded(cell, outcome)


def _asked(episode: Episode, cell: Cell, before: Outcome) -> Outcome:
    """Ask the episode's own policy."""
    assert before.seen is not None  # noqa: S101 # for the type checker
    action, error = _decided(episode, cell, before.seen)
    if action is None:
        return Outcome(before.seen, before.success, error=error)
    return _done(episode, cell, before, action)


def _decided(episode: Episode, cell: Cell, seen: Seen) -> tuple[Action | None, str | None]:
    policy: Any = episode.policy
    try:
        answer = policies.answer_of(
            policy, lambda: policy.get_action(copied(seen.observation), cell.spec.deploy)
        )
    except PolicyError as error:  # told in the record
        return None, told(error)
    return _checked(cell, policy, answer)


def _checked(cell: Cell, policy: Policy, answer: Any) -> tuple[Action | None, str | None]:
    """Return an answer as an action, or what is wrong with it."""
    key = repr(answer) if _is_plain(answer) else None
    if key is not None and key in cell.answers:
        return cell.answers[key]
    result: tuple[Action | None, str | None]
    try:
        name = policies.name_of(policy)
        result = policies.checked(answer, cell.spec.deploy, name, steps=cell.steps), None
    except Exception as error:  # noqa: BLE001 # told in the record
        result = None, told(error)
    if key is not None:
        cell.answers[key] = result
    return result


def _is_plain(answer: Any) -> bool:
    """Say whether an answer is known by how it is written."""
    return type(answer) is dict and all(
        type(value) is str or type(value) is int for value in answer.values()
    )


def _done(episode: Episode, cell: Cell, before: Outcome, action: Action) -> Outcome:
    """Return what a step came to with its action."""
    seen, variant = before.seen, episode.variant
    assert seen is not None  # noqa: S101 # for the type checker
    assert variant is not None  # noqa: S101 # likewise
    key = repr(action)
    found: Outcome | None = seen.follows.get((cell, key))
    if found is None:
        move = variant.move(key, action)
        if move.error is not None:
            found = Outcome(seen, before.success, error=move.error)
        else:
            found = _rewarded(cell, Outcome(seen, before.success, move))
        seen.follows[cell, key] = found
    return found


def _rewarded(cell: Cell, outcome: Outcome) -> Outcome:
    assert outcome.seen is not None  # noqa: S101 # for the type checker
    spec = cell.spec
    try:
        outcome.reward = cell.reward(outcome.seen.observation, spec.target, spec.duration)
    except Exception as error:  # noqa: BLE001 # told in the record
        outcome.error = told(error)
    return outcome


def _asked_together(group: Sequence[tuple[Episode, Outcome]]) -> Iterator[tuple[Episode, Outcome]]:
    """Ask one policy for the actions of several episodes."""
    policy: Any = group[0][0].policy
    cells: list[Any] = [episode.cell for episode, _ in group]

    def ask() -> list[Any]:
        observations = [copied(before.seen.observation) for _, before in group if before.seen]
        answers = list(policy.decide_batch(observations, [cell.spec.deploy for cell in cells]))
        if len(answers) != len(group):
            raise ValueError(f"expected {len(group)} actions of decide_batch, found {len(answers)}")
        return answers

    try:
        answers = policies.answer_of(policy, ask)
    except PolicyError as error:  # told in every record that it concerns
        failed = told(error)
        for episode, before in group:
            yield episode, Outcome(before.seen, before.success, error=failed)
        return
    for (episode, before), cell, answer in zip(group, cells, answers, strict=True):
        action, problem = _checked(cell, policy, answer)
        if action is None:
            yield episode, Outcome(before.seen, before.success, error=problem)
        else:
            yield episode, _done(episode, cell, before, action)
