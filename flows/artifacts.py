"""What the UI shows of an episode: a page in Markdown, and a table of the steps.

Names and messages come from traces that anybody may have written: they are data here, never
markup.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.cli.shown import Repair, action_text, observation_text, repair, repair_text
from results.markdown import escape, fenced, table
from results.words import many
from sim_arena.clusters import Check
from sim_arena.episode import EpisodeSpec, StepRecord

__all__ = ["cell", "escape", "fenced", "page", "publish", "publish_checks", "step_rows", "table"]


def publish(spec: EpisodeSpec, records: Sequence[StepRecord], error: Exception | None) -> None:
    """Write the artifacts of an episode, whether it ended well or not.

    Args:
        spec: what was asked for
        records: the steps, as far as it went
        error: what ended it early
    """
    create_markdown_artifact(page(spec, records, error), key="episode")
    if records:
        create_table_artifact(step_rows(records), key="episode-steps")


def publish_checks(checks: Iterable[Check]) -> None:
    """Write what a preflight found as a table artifact."""
    rows = [
        {
            "check": cell(check.name),
            "": "ok" if check.ok else "failed" if check.required else "note",
            "found": cell(check.found),
            "what to do": "" if check.ok else cell(check.remedy),
        }
        for check in checks
    ]
    create_table_artifact(rows, key="preflight")


def page(spec: EpisodeSpec, records: Sequence[StepRecord], error: Exception | None) -> str:
    """Return the episode as Markdown: how it went, its steps, the repair, where things lie."""
    parts = [f"# {escape(_headline(spec, records, error))}"]
    if error is not None:
        parts.append(fenced(f"{type(error).__name__}: {error}"))
    if records:
        rows = step_rows(records)
        parts += ["## Steps", table(list(rows[0]), [list(row.values()) for row in rows])]
        parts += _repair(spec, records)
    folder = Path(spec.runs_dir) / str(spec.run_id)
    asked = {
        "trace": spec.trace,
        "nodes": spec.nodes,
        "window": f"{spec.duration} s",
        "policy": spec.policy,
        "reward": spec.reward,
        "seed": str(spec.seed),
        "steps": str(folder / "step.jsonl"),
        "Parquet": str(folder / "steps"),
    }
    parts += ["## Asked for, and kept", table(["what", "value"], asked.items())]
    return "\n\n".join(parts) + "\n"


def step_rows(records: Iterable[StepRecord]) -> list[dict[str, str]]:
    """Return the steps as rows of text."""
    return [
        {
            "step": str(record["step"] + 1),
            "observation": cell(observation_text(record)),
            "action": cell(action_text(record)),
            "reward": "" if record["reward"] is None else f"{record['reward']:.3f}",
        }
        for record in records
    ]


def cell(text: str) -> str:
    """Return text for a cell of a table artifact, on one line.

    The newer UI shows a cell as it is, the older one as Markdown. A zero-width space where
    a link or a tag would begin keeps both from reading markup, and cannot be seen.
    """
    line = "; ".join(part.strip() for part in text.splitlines())
    return re.sub(r"([\]<])(?=\S)", "\\1\u200b", line)


def _headline(spec: EpisodeSpec, records: Sequence[StepRecord], error: Exception | None) -> str:
    if error is not None:
        return f"The episode of {spec.deploy} failed"
    if records and records[-1]["success"]:
        return f"{spec.deploy} is healthy, seen in step {len(records)}"
    if records and records[-1]["success"] is None:
        return f"{spec.deploy} cannot be assessed on {spec.cluster}"
    return f"{spec.deploy} is not healthy after {many(len(records), 'step')}"


def _repair(spec: EpisodeSpec, records: Sequence[StepRecord]) -> list[str]:
    last = records[-1]
    after = last["trace_in"] if last["success"] else last["trace_out"]
    found: Repair = repair(spec.trace, after, spec.deploy, spec.namespace)
    if not found.changes:
        return ["## What changed", "Nothing\\."]
    parts = ["## What changed", fenced(repair_text(found).plain, "diff")]
    if last["success"]:
        parts += [
            "As a patch for the real workload:",
            fenced(found.patch, "yaml"),
            fenced(f"{found.kubectl} patch.yaml", "sh"),
        ]
    return [*parts, f"Trace: {escape(after)}"]
