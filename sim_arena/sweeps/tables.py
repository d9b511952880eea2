"""The tables of a chunk that was played as a batch, made column by column.

Steps that came to the same share one `Outcome`, and episodes that went alike one path of them:
each is turned into a row once, and the columns are put together by number.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from results import SCHEMA_VERSION, Column, Row, Sweep, arrow_schema, table_of
from results.episodes import net_changes
from sim_arena.batches.rounds import Episode, Outcome, Taken
from sim_arena.observation import FIELDS
from sim_arena.spec import EpisodeSpec
from sim_arena.sweeps.plan import Plan
from sim_arena.sweeps.rows import renamed

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["tables"]

_OBSERVED = tuple(f"obs_{field.name}" for field in FIELDS)
_OF_AN_OUTCOME = ("action", "action_type", "changed", "changes", "notes", "reward", "success")


class _Numbers:
    """Numbers things by identity, in order of appearance."""

    def __init__(self) -> None:
        self.things: list[Any] = []
        self._known: dict[int, int] = {}

    def of(self, thing: object) -> int:
        number = self._known.get(id(thing))
        if number is None:
            number = self._known[id(thing)] = len(self.things)
            self.things.append(thing)
        return number


class _Steps:
    """The steps of a chunk, by the numbers of what they are made of."""

    def __init__(self) -> None:
        self.outcomes, self.seen, self.taken = _Numbers(), _Numbers(), _Numbers()
        self.outcome: list[int] = []
        self.saw: list[int | None] = []
        self.took: list[int] = []
        self.cell: list[int] = []
        self.episode: list[int] = []
        self.seed: list[int] = []
        self.step: list[int] = []
        self.ended: list[bool] = []
        self.changed_before: list[bool] = []
        self.changed_after: list[bool] = []

    def add(self, episode: Episode, cell: int) -> tuple[int, ...]:
        """Add an episode's steps; return the numbers of its outcomes."""
        changed = False
        last = episode.spec.max_steps - 1
        numbers = []
        for step, (outcome, taken) in enumerate(episode.steps):
            number = self.outcomes.of(outcome)
            numbers.append(number)
            self.saw.append(None if outcome.seen is None else self.seen.of(outcome.seen))
            self.took.append(self.taken.of(taken))
            self.step.append(step)
            self.ended.append(step == last and not outcome.success and outcome.error is None)
            self.changed_before.append(changed)
            changed = changed or _changed(outcome)
            self.changed_after.append(changed)
        count = len(numbers)
        self.outcome += numbers
        self.cell += [cell] * count
        self.episode += [episode.spec.episode] * count
        self.seed += [episode.spec.seed] * count
        return tuple(numbers)


def tables(
    sweep: Sweep, plan: Plan, asked: Sequence[EpisodeSpec], played: Sequence[Episode]
) -> "tuple[pa.Table, pa.Table]":
    """Return the steps and the episodes of a chunk.

    The traces between an episode's first and its last are not kept; where `trace_in` or
    `trace_out` would name one, it is null.

    Args:
        sweep: the sweep, with its columns
        plan: its plan
        asked: the episodes with the names that were given
        played: the same, played
    """
    cells: dict[Hashable, int] = {}
    rows: list[Row] = []
    steps = _Steps()
    paths: dict[tuple[int, ...], int] = {}
    of_paths: list[Row] = []
    columns: dict[str, list[Any]] = {
        name: [] for name in ("cell", "path", "episode", "seed", "error", "started_at", "wall")
    }
    for given, episode in zip(asked, played, strict=True):
        key = plan.cell(given.episode)
        if key not in cells:
            cells[key] = len(rows)
            rows.append(_of_a_cell(plan, given, episode))
        path = steps.add(episode, cells[key])
        if path not in paths:
            paths[path] = len(of_paths)
            of_paths.append(_of_a_path([outcome for outcome, _ in episode.steps], given.max_steps))
        names = {episode.spec.trace: given.trace, episode.spec.nodes: given.nodes}
        taken = [one for _, one in episode.steps]
        columns["cell"].append(cells[key])
        columns["path"].append(paths[path])
        columns["episode"].append(given.episode)
        columns["seed"].append(given.seed)
        columns["error"].append(renamed(episode.error, names))
        columns["started_at"].append(taken[0].started_at if taken else None)
        columns["wall"].append(sum(one.wall_seconds for one in taken))
    names = {one.spec.trace: given.trace for given, one in zip(asked, played, strict=True)}
    return (
        _steps_table(sweep, steps, rows, names),
        _episodes_table(sweep, columns, rows, of_paths),
    )


def _steps_table(
    sweep: Sweep, steps: _Steps, cells: Sequence[Row], names: dict[str, str]
) -> "pa.Table":
    of_cells = _part(sweep.columns, cells)
    of_outcomes = _part(sweep.columns, [_of_an_outcome(o, names) for o in steps.outcomes.things])
    of_seen = _part(
        sweep.columns,
        [{f"obs_{k}": v for k, v in seen.observation.items()} for seen in steps.seen.things],
        _OBSERVED,
    )
    of_taken = _part(sweep.columns, [_of_a_round(taken) for taken in steps.taken.things])
    made: dict[str, Any] = {}
    for part, numbers in (
        (of_cells, steps.cell),
        (of_outcomes, steps.outcome),
        (of_seen, steps.saw),
        (of_taken, steps.took),
    ):
        made |= _taken(part, numbers)
    kept = zip(steps.cell, steps.changed_before, steps.changed_after, strict=True)
    traces = [(cells[cell]["trace"], before, after) for cell, before, after in kept]
    made["trace_in"] = [None if before else trace for trace, before, _ in traces]
    made["trace_out"] = [None if after else trace for trace, _, after in traces]
    made["episode"], made["seed"], made["step"] = steps.episode, steps.seed, steps.step
    made["truncated"] = steps.ended
    return _whole(sweep, sweep.columns, made, len(steps.step))


def _episodes_table(
    sweep: Sweep, columns: dict[str, list[Any]], cells: Sequence[Row], paths: Sequence[Row]
) -> "pa.Table":
    wanted = sweep.episode_columns
    made = _taken(_part(wanted, cells), columns["cell"])
    made |= _taken(_part(wanted, paths), columns["path"])
    moments = [{"started_at": moment} for moment in dict.fromkeys(columns["started_at"])]
    number = {row["started_at"]: at for at, row in enumerate(moments)}
    made |= _taken(_part(wanted, moments), [number[moment] for moment in columns["started_at"]])
    made |= {name: columns[name] for name in ("episode", "seed", "error")}
    made["wall_seconds"] = columns["wall"]
    return _whole(sweep, wanted, made, len(columns["episode"]))


def _of_a_cell(plan: Plan, given: EpisodeSpec, episode: Episode) -> Row:
    """Return what the rows of a cell have in common."""
    case = plan.case(given.episode)
    warnings = episode.cell.site.start.program.warnings if episode.cell else ()
    return {
        "trace": given.trace,
        "policy": given.policy,
        "reward_name": given.reward,
        "target": given.target,
        "duration": float(given.duration),
        "cluster": given.cluster,
        "nodes": given.nodes,
        "namespace": given.namespace,
        "deploy": given.deploy,
        "warnings": list(warnings),
        "trace_sha256": case.sha256,
        "cause": case.cause,
        "replay": given.replay,
        "max_steps": given.max_steps,
        "guardrails": given.guardrails.model_dump(mode="json"),
        "step_sizes": given.steps.model_dump(mode="json"),
    }


def _of_an_outcome(outcome: Outcome, names: dict[str, str]) -> Row:
    done = outcome.move.done if outcome.move is not None else None
    return {
        "action": outcome.move.action if outcome.move is not None else None,
        "action_type": outcome.move.action["type"] if outcome.move is not None else None,
        "changed": done["changed"] if done is not None else False,
        "changes": done["changes"] if done is not None else [],
        "notes": done["notes"] if done is not None else [],
        "reward": outcome.reward,
        "success": outcome.success,
        "terminated": bool(outcome.success) and outcome.error is None,
        "error": renamed(outcome.error, names),
    }


def _of_a_round(taken: Taken) -> Row:
    return {"started_at": taken.started_at, "wall_seconds": taken.wall_seconds}


def _of_a_path(outcomes: Sequence[Outcome], max_steps: int) -> Row:
    """Return what the episodes have in common whose steps came to the same."""
    last = outcomes[-1] if outcomes else Outcome(None)
    success = bool(last.success) and last.error is None
    rewards = [outcome.reward for outcome in outcomes if outcome.reward is not None]
    seen = last.seen.observation if last.seen is not None else None
    moves = [outcome.move.done for outcome in outcomes if outcome.move is not None]
    return {
        "steps": len(outcomes),
        "success": success,
        "terminated": success,
        "truncated": not success and last.error is None and len(outcomes) == max_steps,
        "steps_to_success": len(outcomes) if success else None,
        "total_reward": sum(rewards) if rewards else None,
        "last_ready": seen["ready"] if seen else None,
        "last_pending": seen["pending"] if seen else None,
        "last_total": seen["total"] if seen else None,
        "repair": net_changes(done for done in moves if done is not None),
    }


def _changed(outcome: Outcome) -> bool:
    move = outcome.move
    return move is not None and move.done is not None and move.done["changed"]


def _part(
    columns: Iterable[Column], rows: Sequence[Row], names: Iterable[str] | None = None
) -> "pa.Table":
    """Return rows as a table of those columns that they have."""
    wanted = set(names if names is not None else (rows[0] if rows else ()))
    kept = [column for column in columns if column.name in wanted]
    known = {column.name for column in kept}
    return table_of(
        ({name: value for name, value in row.items() if name in known} for row in rows), kept
    )


def _taken(part: "pa.Table", numbers: Sequence[int | None]) -> "dict[str, Any]":
    """Return the columns of the rows with these numbers."""
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who writes Parquet pays for it

    taken = part.take(pa.array(numbers, pa.int64()))
    return dict(zip(taken.column_names, taken.columns, strict=True))


def _whole(
    sweep: Sweep, columns: Sequence[Column], made: "dict[str, Any]", count: int
) -> "pa.Table":
    """Return the table with the columns in their order; those that nobody made are null."""
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who writes Parquet pays for it

    schema = arrow_schema(columns)
    head = {"schema_version": SCHEMA_VERSION, "run_id": sweep.id}
    arrays = []
    for field in schema:
        if field.name in head:
            arrays.append(pa.repeat(pa.scalar(head[field.name], field.type), count))
        elif field.name not in made:
            arrays.append(pa.nulls(count, field.type))
        elif isinstance(made[field.name], list):
            arrays.append(pa.array(made[field.name], field.type))
        else:
            arrays.append(made[field.name])
    return pa.Table.from_arrays(arrays, schema=schema)
