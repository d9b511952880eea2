"""The columns of the episodes table: a row an episode.

Those that any run has stand here; those of the arena come from the caller, as with the steps.
"""

import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from results.columns import Column, Row
from results.versions import SCHEMA_VERSION

__all__ = ["EPISODE_COLUMNS", "episode_rows", "net_changes"]

EPISODE_COLUMNS: tuple[Column, ...] = (
    Column("schema_version", "int", "", "version of this schema"),
    Column("run_id", "str", "", "the run, which is the name of its folder"),
    Column("episode", "int", "", "number of the episode in the run, from 0"),
    Column("trace", "str", "", "the trace file that the episode started with"),
    Column("policy", "str", "", "the policy that chose the actions"),
    Column("seed", "int", "", "seed of the episode"),
    Column("reward_name", "str", "", "the reward function"),
    Column("target", "int", "pods", "ready pods that count as success"),
    Column("duration", "float", "s", "simulated window of each step"),
    Column("steps", "int", "steps", "steps that were recorded"),
    Column(
        *("success", "bool", ""),
        "the last step saw ready == target and pending == 0; null where it could not be assessed",
    ),
    Column("terminated", "bool", "", "the episode ended because it succeeded"),
    Column("truncated", "bool", "", "the episode ended because it reached its step limit"),
    Column("steps_to_success", "int", "steps", "steps up to and with the one that saw success"),
    Column("total_reward", "float", "", "sum of the steps' rewards; None if no step has one"),
    Column("error", "str", "", "what ended the episode, if it was an error"),
    Column("started_at", "time", "", "when its first step started"),
    Column("wall_seconds", "float", "s", "sum of what its steps took on the clock"),
)
"""What every run records of an episode, whatever it observes."""

_OF_A_STEP = ("run_id", "episode", "trace", "policy", "seed", "reward_name", "target", "duration")


def episode_rows(steps: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return a row for each episode of some steps' rows.

    Of a step that failed and was taken again the last row counts.
    """
    ordered = sorted(steps, key=lambda row: (row["run_id"], row["episode"]))
    groups = groupby(ordered, key=lambda row: (row["run_id"], row["episode"]))
    return [_episode(list({row["step"]: row for row in rows}.values())) for _, rows in groups]


def net_changes(steps: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what is different in the end: each field's first value and its last."""
    fields: dict[str, dict[str, Any]] = {}
    for row in steps:
        for change in row["changes"] or ():
            key = json.dumps({k: v for k, v in change.items() if k not in {"before", "after"}})
            first = fields.get(key, change)
            fields[key] = {**change, "before": first["before"]}
    return [change for change in fields.values() if change["before"] != change["after"]]


def _episode(steps: list[Mapping[str, Any]]) -> Row:
    last = steps[-1]
    rewards = [row["reward"] for row in steps if row.get("reward") is not None]
    # What an error ended did not succeed; without one, only what cannot be assessed has no answer.
    success = False if last.get("error") is not None else last.get("success")
    return {
        "schema_version": SCHEMA_VERSION,
        **{name: steps[0].get(name) for name in _OF_A_STEP},
        "steps": len(steps),
        "success": success,
        "terminated": bool(last.get("terminated")),
        "truncated": bool(last.get("truncated")),
        "steps_to_success": len(steps) if success else None,
        "total_reward": sum(rewards) if rewards else None,
        "error": last.get("error"),
        "started_at": steps[0].get("started_at"),
        "wall_seconds": sum(row.get("wall_seconds") or 0.0 for row in steps),
    }
