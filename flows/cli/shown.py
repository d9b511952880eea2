"""How a step and an episode look to a person: the steps, the repair, where things lie."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.cli import output

if TYPE_CHECKING:
    from traces import Change

__all__ = [
    "Repair",
    "action_text",
    "observation_text",
    "repair",
    "repair_text",
    "step_table",
]


@dataclass(frozen=True)
class Repair:
    """What is different between the first trace and the last, for the workload in question.

    Args:
        workload: Such as `Deployment test-ns/web`.
        kubectl: The command that applies the patch, without its file.
        changes: The changes where the workload is applied last.
        patch: A strategic merge patch; empty if nothing differs.
    """

    workload: str
    kubectl: str
    changes: Sequence["Change"]
    patch: str


def repair(before: str | Path, after: str | Path, deploy: str, namespace: str | None) -> Repair:
    """Compare two trace files.

    Raises:
        TraceError: One of them cannot be read, or does not have the workload.
    """
    from traces import diff, find_workload, load_trace, patch

    old, new = load_trace(before), load_trace(after)
    ref = find_workload(new, deploy, namespace)
    last: dict[tuple[str | None, str], Change] = {}
    for change in diff(old, new):
        if change.workload == ref:
            last[change.container, change.field] = change
    words = ("kubectl", "patch", ref.kind.lower(), ref.name, "-n", ref.namespace, "--patch-file")
    kubectl = shlex.join(words)  # a trace may name them anything
    return Repair(str(ref), kubectl, list(last.values()), patch(old, new, ref))


def repair_text(found: Repair) -> Any:
    """Return the repair as a diff, red and green."""
    from rich.text import Text

    workload = output.printable(found.workload)
    text = Text(f"--- {workload} before\n+++ {workload} after\n", style="bold")
    container: str | None = None
    for change in sorted(found.changes, key=lambda change: change.container or ""):
        if change.container != container:
            container = change.container
            text.append(f"  container {output.printable(container or '')}\n", style="cyan not bold")
        indent = "  " if change.container is None else "    "
        if change.before is not None:
            text.append(f"-{indent}{change.field}: {change.before}\n", style="red not bold")
        if change.after is not None:
            text.append(f"+{indent}{change.field}: {change.after}\n", style="green not bold")
    text.rstrip()
    return text


def step_table(records: Iterable[Mapping[str, Any]]) -> Any:
    """Return the steps: observation, action, reward."""
    rows = [
        (
            str(record["step"] + 1),
            observation_text(record),
            action_text(record),
            output.number(record["reward"]),
        )
        for record in records
    ]
    return output.table(None, ("Step#", "Observation", "Action", "Reward#"), rows)


def observation_text(record: Mapping[str, Any]) -> str:
    """Return what a step saw, as a few lines."""
    seen = record["observation"]
    if seen is None:
        return f"failed: {record['error']}"
    lines = [f"{seen['ready']} of {record['target']} ready, {seen['pending']} pending"]
    if seen["total"] != seen["ready"] + seen["pending"]:
        lines[0] += f", {seen['total']} in total"
    if seen.get("reasons"):
        lines.append(output.counted(seen["reasons"]))
    if seen.get("oom_killed"):
        lines.append(f"{seen['oom_killed']} killed for memory")
    if seen.get("evicted"):
        lines.append(f"{seen['evicted']} evicted")
    if seen.get("throttled"):
        lines.append(f"CPU throttled by {seen['throttled']:.0%}")
    return "\n".join(lines)


def action_text(record: Mapping[str, Any]) -> str:
    """Return what a step did, as a few lines."""
    action = record["action"]
    if action is None:
        return output.UNKNOWN if record["error"] is None else f"failed: {record['error']}"
    words = [action["type"], action.get("container"), action.get("step")]
    lines = [" ".join(str(word) for word in words if word is not None), *record["notes"]]
    return "\n".join(lines)
