"""`sim-arena trace`: look at trace files, check, compare, edit and generate them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli import options, output
from flows.cli.errors import FAILED, USAGE, refuse

if TYPE_CHECKING:
    from traces import Change, Trace

__all__ = ["app", "change_document", "change_table"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look at trace files, check, compare, edit and generate them.",
)

_File = Annotated[Path, typer.Argument(metavar="FILE", help="A trace file.", show_default=False)]


def _action_names(incomplete: str) -> list[str]:
    from sim_arena.actions import REGISTRY

    return [name for name in REGISTRY if name.startswith(incomplete)]


@app.command()
def show(*, file: _File, json: options.AsJson = False) -> None:
    """Show the workloads of a trace, and what they request."""
    from traces import load_trace

    trace = load_trace(options.existing(file, "FILE"))
    summary = _summary(trace)
    if json:
        output.print_json({"file": str(file), **summary})
        return
    output.show(
        f"{file}: version {summary['version']}, {summary['events']} events over "
        f"{output.duration(summary['seconds'])}, {summary['lifecycles']} pods with a lifecycle; "
        "CPU and memory are shown as request / limit"
    )
    if summary["workloads"]:
        output.show(output.table(None, _SHOW_COLUMNS, _show_rows(summary["workloads"])))
    others = ", ".join(f"{count} x {kind}" for kind, count in summary["other_objects"].items())
    if others:
        output.show(f"Other objects: {others}")


@app.command()
def validate(
    *,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Trace files.", show_default=False)
    ],
    json: options.AsJson = False,
) -> None:
    """Check trace files; say what is wrong and where.

    A file that can be read may still hold what SimKube or the API server would refuse (codes
    E...), or what is suspicious (W...).

    Exit code 0 if all are valid, 1 if one is not, 2 if one is missing.
    """
    from traces import TraceError, findings, load_trace

    for file in files:
        options.existing(file, "FILE")
    checked: list[dict[str, Any]] = []
    for file in files:
        try:
            found = [one._asdict() for one in findings(load_trace(file))]
            fine = {"valid": True, "where": None, "error": None, "findings": found}
            checked.append({"file": str(file), **fine})
        except TraceError as error:
            problem = {"valid": False, "where": error.where or None, "error": error.problem}
            checked.append({"file": str(file), **problem, "findings": []})
    if json:
        output.print_json(checked)
    else:
        for entry in checked:
            place = f"{entry['where']}: " if entry["where"] else ""
            output.show(f"{entry['file']}: {'valid' if entry['valid'] else place + entry['error']}")
            for one in entry["findings"]:
                output.show(f"  {one['code']} {one['where']}: {one['problem']}")
    if not all(entry["valid"] for entry in checked):
        raise typer.Exit(FAILED)


@app.command()
def diff(
    *,
    before: Annotated[Path, typer.Argument(metavar="BEFORE", show_default=False)],
    after: Annotated[Path, typer.Argument(metavar="AFTER", show_default=False)],
    json: options.AsJson = False,
) -> None:
    """Compare the requests, limits and replicas of two traces.

    Amounts are compared and not their spelling: 1000m and 1 are the same.
    """
    from traces import diff as differences
    from traces import load_trace

    traces = [
        load_trace(options.existing(file, name))
        for file, name in ((before, "BEFORE"), (after, "AFTER"))
    ]
    changes = differences(*traces)
    if json:
        output.print_json([change_document(change) for change in changes])
    elif changes:
        output.show(change_table(changes))
    else:
        output.show("no differences in requests, limits and replicas")


@app.command()
def generate(
    *,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder to write to.", show_default=False)
    ],
    seed: options.Seed = 0,
    count: Annotated[int, typer.Option(min=1, metavar="N", help="How many traces.")] = 100,
    json: options.AsJson = False,
) -> None:
    """Generate broken workloads with known fixes.

    A manifest names their causes and fixes. The same seed and count give the same files,
    byte for byte.
    """
    from traces import load_manifest, write_demo

    if out.exists() and not out.is_dir():
        raise typer.BadParameter(f"{out} is no folder; name one", param_hint="--out")
    write_demo(out, seed, count)
    causes = Counter(entry.cause for entry in load_manifest(out))
    if json:
        output.print_json({"out": str(out), "seed": seed, "count": count, "causes": dict(causes)})
        return
    rows = [(cause, str(number)) for cause, number in sorted(causes.items())]
    output.show(f"{count} traces and their manifest are in {out}")
    output.show(output.table(None, ("Cause", "Traces#"), rows))


@app.command()
def edit(  # noqa: PLR0913 # each option is an argument
    *,
    file: _File,
    action: Annotated[
        str,
        typer.Option(
            metavar="ACTION",
            help="What to do; 'sim-arena actions' lists all.",
            autocompletion=_action_names,
            show_default=False,
        ),
    ],
    deploy: options.Deploy,
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Where to write the edited trace.", show_default=False),
    ],
    namespace: options.Namespace = None,
    container: Annotated[
        str | None, typer.Option(metavar="NAME", help="The container.", show_default="the first")
    ] = None,
    step: Annotated[
        str | None, typer.Option(metavar="STEP", help="How far: 500m, 256Mi, or replicas.")
    ] = None,
    json: options.AsJson = False,
) -> None:
    """Apply one action to a workload.

    Every event that carries it is edited, within the default guardrails.
    """
    from sim_arena.actions import apply_to_trace
    from traces import containers, find_workload, load_trace, save_trace

    trace = load_trace(options.existing(file, "FILE"))
    ref = find_workload(trace, deploy, namespace)
    names = containers(trace, ref)
    if container is not None and container not in names:
        refuse(f"{ref} has no container {container!r}; it has: {', '.join(names)}", USAGE)
    asked = {"type": action, "deploy": deploy, "container": container, "step": step}
    mutation = apply_to_trace(trace, asked, namespace=namespace)
    if not mutation.changed:
        why = "; ".join(mutation.notes) or f"{action} changes nothing"
        refuse(f"{why}; {out} is not written", FAILED)
    save_trace(trace, out)
    if json:
        changes = [change_document(change) for change in mutation.changes]
        output.print_json({"out": str(out), "changes": changes, "notes": mutation.notes})
        return
    output.show(change_table(mutation.changes), *mutation.notes, f"written to {out}")


def change_document(change: "Change") -> dict[str, Any]:
    """Return a change as JSON values."""
    return {
        "event": change.event,
        **change.workload._asdict(),
        "container": change.container,
        "field": change.field,
        "before": change.before,
        "after": change.after,
    }


def change_table(changes: Iterable["Change"]) -> Any:
    """Return changes as a table; a change that several events share is one line."""
    events: dict[tuple[str, ...], list[int]] = {}
    for change in changes:
        key = (
            str(change.workload),
            change.container or "",
            change.field,
            change.before or "not set",
            change.after or "not set",
        )
        events.setdefault(key, []).append(change.event)
    columns = ("Workload", "Container", "Field", "Before#", "After#", "Event")
    rows = [(*key, _ranges(positions)) for key, positions in events.items()]
    return output.table(None, columns, rows)


_SHOW_COLUMNS = (
    "Workload",
    "From#",
    "Replicas#",
    "Container",
    "CPU",
    "Memory",
)


def _summary(trace: "Trace") -> dict[str, Any]:
    from traces.workloads import WORKLOAD_KINDS, applications

    events = trace["events"]
    start = events[0]["ts"] if events else 0
    workloads: dict[Any, dict[str, Any]] = {}
    for position, ref, obj in applications(trace):
        first = workloads.get(ref, {}).get("first_seen", events[position]["ts"] - start)
        workloads[ref] = {**ref._asdict(), "first_seen": first, **_resources(obj)}
    kinds = Counter(
        f"{obj['apiVersion']}.{obj['kind']}" for event in events for obj in event["applied_objs"]
    )
    return {
        "version": trace["version"],
        "events": len(events),
        "seconds": events[-1]["ts"] - start if events else 0,
        "lifecycles": len(trace["pod_lifecycles"]),
        "workloads": list(workloads.values()),
        "other_objects": {
            kind: count for kind, count in kinds.items() if kind not in WORKLOAD_KINDS
        },
    }


def _resources(obj: dict[str, Any]) -> dict[str, Any]:
    from traces import pod_template

    containers = []
    for container in pod_template(obj)["spec"]["containers"]:
        resources = container.get("resources") or {}
        parts = {part: resources.get(part) or {} for part in ("requests", "limits")}
        containers.append({"name": container["name"], **parts})
    return {"replicas": obj["spec"].get("replicas"), "containers": containers}


def _show_rows(workloads: Sequence[dict[str, Any]]) -> Iterable[Sequence[str]]:
    for workload in workloads:
        head = [f"{workload['kind']} {workload['namespace']}/{workload['name']}"]
        head += [output.duration(workload["first_seen"]), output.number(workload["replicas"])]
        for container in workload["containers"]:
            amounts = [
                " / ".join(
                    str(container[part].get(resource, output.UNKNOWN))
                    for part in ("requests", "limits")
                )
                for resource in ("cpu", "memory")
            ]
            yield [*head, container["name"], *amounts]
            head = [""] * len(head)


def _ranges(positions: Sequence[int]) -> str:
    """Return positions as people write them: `0-3, 7`."""
    parts: list[list[int]] = []
    for position in sorted(set(positions)):
        if parts and position == parts[-1][1] + 1:
            parts[-1][1] = position
        else:
            parts.append([position, position])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in parts)
