"""Many episodes on the embedded cluster at once, with the records of `play`.

The programs advance together, and an action edits the compiled program instead of compiling the
mutated trace again. The trace itself is edited in memory too, for the record and for whoever
wants the repaired file.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from results import new_run_id
from sim_arena.batches.rounds import Episode, Outcome, Taken, begin, play_rounds
from sim_arena.errors import PermanentError
from sim_arena.observation import copied
from sim_arena.records import ChangeRecord, EpisodeResult, StepRecord
from sim_arena.spec import EpisodeSpec
from sim_arena.steps import told, trace_path
from sim_arena.verbs import save_mutated

__all__ = ["play_batch"]


def play_batch(
    specs: Iterable[EpisodeSpec],
    *,
    save_traces: bool = False,
    on_step: Callable[[StepRecord], None] | None = None,
) -> list[EpisodeResult]:
    """Play many episodes on the embedded cluster, with the same records as `play`.

    Episodes share the compiled code, what they see and do alike, and, where a policy offers
    `decide_batch`, one object of that policy, which is asked for all of them at once and has to
    answer each as `get_action` would. A policy that says it is `pure` is asked once for equal
    observations.

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
    asked = [spec.model_copy(update={"run_id": spec.run_id or new_run_id()}) for spec in specs]
    episodes = list(begin(asked, lean=not save_traces))
    if save_traces:
        _refuse_same_files(episodes)
    results = [_begun(episode) for episode in episodes]
    of = {id(episode): result for episode, result in zip(episodes, results, strict=True)}

    def tell(active: Sequence[Episode]) -> None:
        for episode in active:
            record = _record(episode, of[id(episode)], save=save_traces)
            of[id(episode)].add(record)
            if on_step is not None:
                on_step(record)

    play_rounds(episodes, on_round=tell)
    return results


def _begun(episode: Episode) -> EpisodeResult:
    spec = episode.spec
    folder = str(Path(spec.runs_dir) / str(spec.run_id))
    result = EpisodeResult(str(spec.run_id), spec.episode, folder, error=episode.error)
    if episode.cell is not None:
        result.checks = list(episode.cell.checks)
    return result


def _refuse_same_files(episodes: Iterable[Episode]) -> None:
    """Refuse a second episode whose traces would have the first one's files."""
    named: set[tuple[str, str | None, int]] = set()
    for episode in episodes:
        spec = episode.spec
        name = (str(spec.runs_dir), spec.run_id, spec.episode)
        if name in named and episode.error is None:
            error = PermanentError(
                f"expected one episode {spec.episode} of run {spec.run_id}, found two, whose "
                f"traces would have the same files: number the episodes"
            )
            episode.error = told(error)
        named.add(name)


def _record(episode: Episode, result: EpisodeResult, *, save: bool) -> StepRecord:
    """Return the record of an episode's last step."""
    spec, (outcome, taken) = episode.spec, episode.steps[-1]
    step = len(episode.steps) - 1
    trace_in = result.last_trace or spec.trace
    record = _opened(spec, step, trace_in, taken)
    if outcome.seen is not None and episode.cell is not None:
        site = episode.cell.site
        last = step + 1 >= spec.max_steps
        failed = outcome.error is not None
        record["observation"] = copied(outcome.seen.observation)
        record["namespace"] = site.ref.namespace
        record["warnings"] = list(site.start.program.warnings)
        record["success"] = outcome.success
        record["terminated"] = bool(outcome.success) and not failed
        record["truncated"] = last and not outcome.success and not failed
    _add_move(record, outcome, trace_path(spec, step + 1))
    record["reward"] = outcome.reward
    record["error"] = outcome.error
    if save and record["changed"] and episode.variant is not None:
        save_mutated(episode.variant.trace, record["trace_out"])
    return record


def _add_move(record: StepRecord, outcome: Outcome, out: str) -> None:
    """Tell what the policy decided and what it did to the trace."""
    move = outcome.move
    if move is None or move.done is None:
        return
    record["action"] = move.action.copy()
    record["action_type"] = move.action["type"]
    record["changed"] = move.done["changed"]
    record["trace_out"] = out if move.done["changed"] else record["trace_in"]
    record["changes"] = [ChangeRecord(**change) for change in move.done["changes"]]
    record["notes"] = list(move.done["notes"])


def _opened(spec: EpisodeSpec, step: int, trace_in: str, taken: Taken) -> StepRecord:
    return StepRecord(
        run_id=str(spec.run_id),
        episode=spec.episode,
        step=step,
        trace=spec.trace,
        trace_in=trace_in,
        trace_out=trace_in,
        cluster=spec.cluster,
        nodes=spec.nodes,
        namespace=spec.namespace,
        deploy=spec.deploy,
        policy=spec.policy,
        seed=spec.seed,
        reward_name=spec.reward,
        target=spec.target,
        duration=float(spec.duration),
        observation=None,
        action=None,
        action_type=None,
        changed=False,
        changes=[],
        notes=[],
        warnings=[],
        reward=None,
        success=None,
        terminated=False,
        truncated=False,
        error=None,
        started_at=taken.started_at,
        wall_seconds=taken.wall_seconds,
    )
