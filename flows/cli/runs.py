"""`sim-arena runs`: what was played."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli import options, output
from flows.cli.errors import FAILED, fail_as

if TYPE_CHECKING:
    from results import Row, RunInfo

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List runs, and show one.")


@app.command("list")
def list_(
    *,
    runs_dir: options.RunsDir = options.RUNS,
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="The last N runs.", show_default=True)
    ] = 20,
    json: options.AsJson = False,
) -> None:
    """List the runs, the newest last."""
    from results import list_runs

    infos = list_runs(runs_dir)[-limit:]
    if json:
        output.print_json([_entry(info) for info in infos])
    elif infos:
        output.show(output.table(None, _LIST_COLUMNS, [_list_row(info) for info in infos]))
        output.warn(info.problem for info in infos if info.problem)
    else:
        output.show(f"no runs in {runs_dir}")


@app.command()
def show(
    *,
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id, the start of it, or its folder.")
    ] = "latest",
    runs_dir: options.RunsDir = options.RUNS,
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="At most N steps in the table.")
    ] = 50,
    json: options.AsJson = False,
) -> None:
    """Show a run: its figures, its steps, its files."""
    from results import find_run, summarise

    found = find_run(runs_dir, run)
    with fail_as(FAILED):
        steps = found.read_steps()
        summary = found.read_summary() or dict(summarise(steps))
    state = "ended" if found.summary_path.exists() else "unfinished"
    if json:
        output.print_json(
            {
                "run_id": found.id,
                "path": str(found.path),
                "state": state,
                "started_at": found.started_at,
                "parameters": found.parameters,
                "summary": summary,
                "steps": steps,
            }
        )
        return
    output.show(f"Run {found.id}, {state}, started {found.started_at[:19].replace('T', ' ')} UTC")
    output.show(_figures(summary), _steps(steps[:limit]))
    if len(steps) > limit:
        output.show(f"... and {len(steps) - limit} more steps; --limit shows more")
    output.warn(f"step failed: {step['error']}" for step in steps if step.get("error"))
    output.show("Files:", *(f"  {path}" for path in _files(found.path)))


_LIST_COLUMNS = ("Run", "Started (UTC)", "State", "Episodes#", "Steps#", "Success#", "Reward#")


def _list_row(info: "RunInfo") -> Sequence[str]:
    summary = info.summary or {}
    return (
        info.id,
        (info.started_at or output.UNKNOWN)[:19].replace("T", " "),
        info.state,
        output.number(summary.get("episodes")),
        output.number(summary.get("steps")),
        _share(summary.get("success_rate")),
        output.number(summary.get("mean_reward")),
    )


def _entry(info: "RunInfo") -> dict[str, Any]:
    return {
        "run_id": info.id,
        "path": str(info.path),
        "state": info.state,
        "started_at": info.started_at,
        "parameters": info.parameters,
        "summary": info.summary,
        "problem": info.problem,
    }


def _figures(summary: Mapping[str, Any]) -> Any:
    rows = [("all", summary)]
    rows += [(f"policy {name}", group) for name, group in summary["by_policy"].items()]
    rows += [(f"trace {name}", group) for name, group in summary["by_trace"].items()]
    columns = ("", "Episodes#", "Steps#", "Success#", "Reward#", "Steps to success#", "Errors#")
    return output.table(None, columns, [_figures_row(name, group) for name, group in rows])


def _figures_row(name: str, figures: Mapping[str, Any]) -> Sequence[str]:
    took = figures["steps_to_success"]
    return (
        name,
        output.number(figures["episodes"]),
        output.number(figures["steps"]),
        _share(figures["success_rate"]),
        output.number(figures["mean_reward"]),
        output.UNKNOWN if took is None else output.number(took["mean"], 1),
        output.number(figures["errors"]),
    )


def _steps(steps: Sequence["Row"]) -> Any:
    columns = ("Episode#", "Step#", "Ready#", "Pending#", "Total#", "Action", "Reward#", "Notes")
    rows = [
        (
            output.number(step["episode"]),
            output.number(step["step"]),
            output.number(step.get("obs_ready")),
            output.number(step.get("obs_pending")),
            output.number(step.get("obs_total")),
            step["action_type"] or output.UNKNOWN,
            output.number(step["reward"]),
            "\n".join(step["notes"] or []),
        )
        for step in steps
    ]
    return output.table(None, columns, rows)


def _files(folder: Any) -> list[Any]:
    names = ("step.jsonl", "steps", "summary.json")
    return [folder / name for name in names if (folder / name).exists()]


def _share(value: float | None) -> str:
    return output.UNKNOWN if value is None else f"{value:.0%}"
