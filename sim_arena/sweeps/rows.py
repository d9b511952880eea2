"""From an episode to the rows of a sweep's tables."""

from collections.abc import Iterable, Mapping, Sequence

from results import SCHEMA_VERSION, Row, episode_rows
from results.episodes import net_changes
from sim_arena.records import EpisodeResult, to_row
from sim_arena.spec import EpisodeSpec
from sim_arena.sweeps.cases import Case

__all__ = ["episode_row", "of_this_sweep", "renamed", "step_rows"]


def step_rows(result: EpisodeResult) -> list[Row]:
    """Return the rows of an episode's steps."""
    return [to_row(record) for record in result.records]


def of_this_sweep(rows: Iterable[Row], run_id: str, names: Mapping[str, str]) -> list[Row]:
    """Return rows as a sweep has them: under its id, with the traces' and nodes' given names.

    Args:
        rows: steps
        run_id: the sweep's id
        names: the name that was given for a path that was read
    """
    named = []
    for row in rows:
        traces = {key: names.get(row[key], row[key]) for key in ("trace", "trace_in", "trace_out")}
        head = {"schema_version": SCHEMA_VERSION, "run_id": run_id}
        rest = {
            "nodes": names.get(row["nodes"], row["nodes"]),
            "error": renamed(row["error"], names),
        }
        named.append({**row, **head, **traces, **rest})
    return named


def episode_row(
    spec: EpisodeSpec, case: Case, run_id: str, steps: Sequence[Row], error: str | None
) -> Row:
    """Return the row of an episode.

    Args:
        spec: what was asked for, with the given names
        case: its case
        run_id: the sweep's id
        steps: the rows of its steps; none if it failed before the first
        error: what ended it, if it was an error
    """
    row = episode_rows(steps)[0] if steps else _unplayed(spec)
    last = steps[-1] if steps else {}
    return {
        **row,
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "episode": spec.episode,
        "error": error,
        "trace_sha256": case.sha256,
        "cluster": spec.cluster,
        "nodes": spec.nodes,
        "namespace": spec.namespace,
        "deploy": spec.deploy,
        "cause": case.cause,
        "replay": spec.replay,
        "max_steps": spec.max_steps,
        "guardrails": spec.guardrails.model_dump(mode="json"),
        "step_sizes": spec.steps.model_dump(mode="json"),
        "last_ready": last.get("obs_ready"),
        "last_pending": last.get("obs_pending"),
        "last_total": last.get("obs_total"),
        "repair": net_changes(steps),
    }


def renamed(error: str | None, names: Mapping[str, str]) -> str | None:
    """Return an error with the names that were given for the paths that were read."""
    for path, name in names.items():
        if error is not None and path != name:
            error = error.replace(path, name)
    return error


def _unplayed(spec: EpisodeSpec) -> Row:
    return {
        "trace": spec.trace,
        "policy": spec.policy,
        "seed": spec.seed,
        "reward_name": spec.reward,
        "target": spec.target,
        "duration": float(spec.duration),
        "steps": 0,
        "success": False,
        "terminated": False,
        "truncated": False,
        "steps_to_success": None,
        "total_reward": None,
        "started_at": None,
        "wall_seconds": 0.0,
    }
