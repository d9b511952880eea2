"""`sim-arena runs`: what was played."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.cli import options, output
from flows.cli.errors import FAILED, fail_as, refuse
from flows.cli.figures import figures_table, share

if TYPE_CHECKING:
    from results import Row, Run, RunInfo, Sweep

__all__ = ["app", "result_of"]

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List runs, show, replay and keep them."
)

_Run = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, the start of it, its folder or URL.")
]


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
    run: _Run = "latest",
    runs_dir: options.RunsPlace = options.PLACE,
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="At most N steps in the table.")
    ] = 50,
    json: options.AsJson = False,
) -> None:
    """Show a run: its figures, its steps, its files."""
    from results import Sweep, summarise

    found = result_of(runs_dir, run)
    if isinstance(found, Sweep):
        _show_sweep(found, json=json)
        return
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
    output.show(f"Run {found.id}, {state}, started {output.moment(found.started_at)} UTC")
    output.show(figures_table(summary, by=("policy", "trace")), _steps(steps[:limit]))
    if len(steps) > limit:
        output.show(f"... and {len(steps) - limit} more steps; --limit shows more")
    output.warn(f"step failed: {step['error']}" for step in steps if step.get("error"))
    output.warn(
        f"not assessable: {why}; --cluster embedded models usage" for why in _unknown(steps)
    )
    output.show("Files:", *(f"  {path}" for path in _files(found.path)))


@app.command()
def replay(
    *,
    row: Annotated[
        str,
        typer.Argument(
            metavar="ROW",
            help="RUN:EPISODE or RUN:EPISODE:STEP, such as latest:17.",
            show_default=False,
        ),
    ],
    runs_dir: options.RunsPlace = options.PLACE,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep its traces and steps there.", show_default=False),
    ] = None,
    allow_code: Annotated[
        bool,
        typer.Option("--allow-code", help="Run a policy or hooks of its own that the row names."),
    ] = False,
    json: options.AsJson = False,
) -> None:
    """Play a row again, from what was recorded with it, and compare.

    Exit code 0 if it is the same, 1 if it is not.
    """
    from tempfile import TemporaryDirectory

    run, episode, step = _row(row)
    found = result_of(runs_dir, run)
    from results.words import many
    from sim_arena.sweeps.replay import replay, require_episode

    require_episode(found, episode)
    with fail_as(FAILED), TemporaryDirectory() as folder:
        again = replay(found, episode, out or Path(folder), allow_code=allow_code)
    rows = [one for one in again.played if step is None or one["step"] == step]
    if not rows and again.recorded:
        refuse(f"{row}: the episode has {many(len(again.recorded), 'step')}, from 0")
    if json:
        output.print_json(
            {"same": not again.differences, "differences": again.differences, "steps": rows}
        )
    else:
        output.show(_steps(rows))
        output.show(*(again.differences or ["the same as recorded"]))
    if again.differences:
        raise typer.Exit(FAILED)


@app.command()
def compact(*, run: _Run = "latest", runs_dir: options.RunsPlace = options.PLACE) -> None:
    """Join the small files of a sweep that has ended into few large ones."""
    from results import Sweep
    from results.compaction import compact
    from results.words import many
    from sim_arena.sweeps import writing

    found = result_of(runs_dir, run)
    if not isinstance(found, Sweep):
        refuse(f"{found.id} is a run of one episode; only sweeps have files to join")
    with fail_as(FAILED), writing(found) as writer:
        before, after = compact(found, writer.check)
    output.show(f"{found.id}: {many(before, 'file')} before, {after:,} after")


@app.command()
def export(  # noqa: PLR0913 # each option is an argument
    *,
    run: _Run = "latest",
    runs_dir: options.RunsPlace = options.PLACE,
    csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="A JSON object a line.")] = False,
    table: Annotated[Literal["steps", "episodes"], typer.Option(help="Which table.")] = "steps",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to; stdout if not given.", show_default=False),
    ] = None,
) -> None:
    """Write a run's rows as CSV or JSON lines."""
    import sys

    from results import Sweep
    from results.export import export_rows, write_rows
    from results.files import write_atomically
    from results.words import many

    if csv == jsonl:
        raise typer.BadParameter("name one of --csv and --jsonl", param_hint="--csv")
    form: Literal["csv", "jsonl"] = "csv" if csv else "jsonl"
    found = result_of(runs_dir, run)
    with fail_as(FAILED):
        if isinstance(found, Sweep):  # also of the table that is not written
            _warn_of_damage(found)
        names, rows = export_rows(found, table)
        if out is None:
            write_rows(sys.stdout, names, rows, form)
            return
        count = 0

        def fill(place: Path) -> None:
            nonlocal count
            with place.open("w", encoding="utf-8", newline="") as file:
                count = write_rows(file, names, rows, form)

        if out.exists() and not out.is_file():  # a pipe, say; or a folder, which is told
            try:
                fill(out)
            except OSError as error:
                refuse(f"cannot write {out}: {error.strerror or error}")
        else:
            write_atomically(out, fill)
    output.show(f"{many(count, table.removesuffix('s'))} written to {out}")


@app.command()
def prune(
    *,
    runs_dir: options.RunsDir = options.RUNS,
    keep: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Keep the N newest runs.")
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(min=0, metavar="DAYS", help="Delete only what is older.", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete old runs. Those that have not ended stay, and so does the last one."""
    from datetime import timedelta

    from results.retention import delete_run, outdated
    from results.words import many
    from sim_arena.locks import locked

    age = None if older_than is None else timedelta(days=older_than)
    old = outdated(runs_dir, keep=keep, older_than=age)
    if not old:
        output.show("nothing to delete")
        return
    output.show(output.table(None, _LIST_COLUMNS, [_list_row(info) for info in old]))
    if not (yes or _confirmed(f"Delete {many(len(old), 'run')}?")):
        output.show("nothing deleted")
        return
    gone = 0
    with fail_as(FAILED):
        for info in old:
            with locked(info.path):  # somebody may be resuming, or compacting, it
                try:
                    gone += delete_run(info.path)
                except OSError as error:
                    refuse(f"cannot delete {error.filename}: {error.strerror or error}", FAILED)
    output.show(f"{many(gone, 'run')} deleted")


def _confirmed(question: str) -> bool:
    """Ask; where nobody can answer, say how to do without."""
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        refuse("nobody answered; --yes deletes without asking")


def _row(text: str) -> tuple[str, int, int | None]:
    """Return the run, the episode and the step that a row is named by."""
    run, _, rest = text.rpartition(":") if text.count(":") == 1 else text.partition(":")
    numbers = rest.split(":")
    if not run or len(numbers) > 2 or not all(number.isdecimal() for number in numbers):
        raise typer.BadParameter(
            f"expected RUN:EPISODE or RUN:EPISODE:STEP, found {text!r}", param_hint="ROW"
        )
    return run, int(numbers[0]), int(numbers[1]) if len(numbers) == 2 else None


def result_of(runs_dir: str, name: str) -> "Run | Sweep":
    """Return a run or a sweep by its id, the start of it, its folder or its URL.

    Raises:
        ResultsError: there is none, or no single one; a store is not searched, so that there it
            goes by its whole id
    """
    from results import find_run, open_result
    from results.store import is_url, place_in

    if is_url(name):
        return open_result(name)
    if is_url(runs_dir):
        return open_result(place_in(runs_dir, name))
    return open_result(find_run(runs_dir, name).path)


def _show_sweep(sweep: "Sweep", *, json: bool) -> None:
    from results.figures import summarise_sweep
    from results.summary import told_errors

    with fail_as(FAILED):
        summary = sweep.read_summary()
        figures: Any = summary or summarise_sweep(sweep)
    state = "unfinished" if summary is None or sweep.missing_chunks() else "ended"
    if json:
        head = {"run_id": sweep.id, "path": sweep.store.url, "state": state, "kind": "sweep"}
        started = {"started_at": sweep.started_at, "parameters": sweep.parameters}
        damaged = list(sweep.damaged())
        output.print_json({**head, **started, "summary": figures, "damaged": damaged})
        return
    when = output.moment(sweep.started_at)
    if state == "unfinished":
        state += f": {figures['episodes']:,} of {_planned(sweep)} episodes"
    output.show(f"Sweep {sweep.id}, {state}, started {when} UTC", figures_table(figures))
    output.warn(told_errors(figures, 20))
    output.show("Files:", *(f"  {sweep.store.url}/{name}" for name in ("steps", "episodes")))
    _warn_of_damage(sweep)


def _planned(sweep: "Sweep") -> str:
    return f"{sweep.read_plan()['episodes']:,}"


def _warn_of_damage(sweep: "Sweep") -> None:
    output.warn(
        f"{sweep.store.url}/{name} is damaged: delete it, and sim-arena sweep --resume {sweep.id} "
        "plays its episodes again"
        for name in sweep.damaged()
    )


_LIST_COLUMNS = ("Run", "Started (UTC)", "State", "Episodes#", "Steps#", "Success#", "Reward#")


def _list_row(info: "RunInfo") -> Sequence[str]:
    summary = info.summary or {}
    return (
        info.id,
        output.moment(info.started_at),
        info.state,
        output.number(summary.get("episodes")),
        output.number(summary.get("steps")),
        share(summary.get("success_rate")),
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


def _unknown(steps: Sequence["Row"]) -> Iterable[str]:
    """Say, each reason once, why steps show neither health nor trouble."""
    untold = [step for step in steps if step["success"] is None]
    return dict.fromkeys(why for step in untold for why in step.get("obs_unassessable") or ())


def _files(folder: Any) -> list[Any]:
    names = ("step.jsonl", "steps", "summary.json")
    return [folder / name for name in names if (folder / name).exists()]
