"""`sim-arena report`: what came of a run, as a page for people."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.cli import options, output
from flows.cli.errors import FAILED, fail_as, refuse
from flows.cli.runs import result_of

if TYPE_CHECKING:
    from results import Row, Run, Sweep

__all__ = ["report", "write"]


def report(
    *,
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id, the start of it, its folder or URL.")
    ] = "latest",
    runs_dir: options.RunsPlace = options.PLACE,
    form: Annotated[
        Literal["html", "md"],
        typer.Option("--format", help="A page, or Markdown for a pull request."),
    ] = "html",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to; - for stdout.",
            show_default="report.html in the run's folder; Markdown to stdout",
        ),
    ] = None,
    episode: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="The episode to show from within.",
            show_default="of the best policy the longest that succeeded",
        ),
    ] = None,
) -> None:
    """Write what came of a run or a sweep, as one HTML page that needs nothing else.

    Success by policy with confidence intervals, steps to success, rewards, slack, OOM kills,
    failures by reason, and one episode from within: its steps, its pods on each node, the
    cluster's packing before and after.
    """
    result = result_of(runs_dir, run)
    with fail_as(FAILED):
        text = _written(result, form, episode)
    if str(out) == "-" or (form == "md" and out is None):
        output.write(text)
    else:
        output.show(f"Report: {write(result, text, out)}")


def write(result: "Run | Sweep", text: str, out: Path | None) -> str:
    """Write a page, and return where it is: in the run's folder, if nothing else is said."""
    from results import Sweep
    from results.files import write_atomically
    from results.store import write_bytes

    if out is None and isinstance(result, Sweep):
        write_bytes(result.store, "report.html", text.encode())
        return f"{result.store.url}/report.html"
    path = out if out is not None else Path(str(getattr(result, "path", "."))) / "report.html"
    if path.is_dir():
        refuse(f"{path} is a folder; name a file with --out")
    with fail_as(FAILED):
        write_atomically(path, lambda place: _save(place, text))
    return str(path)


def _written(result: "Run | Sweep", form: str, episode: int | None) -> str:
    from results.report import markdown, measure, page
    from results.report import report as made

    measures = measure(result)
    number = measures.example if episode is None else episode
    rows, windows, missing = ([], [], None) if number is None else _within(result, number)
    if episode is not None and not rows:
        refuse(f"there are no steps of episode {episode}: {missing or 'it failed before one'}")
    note = None if missing is None else f"Cannot be drawn: {missing}"
    document = made(result, measures, rows, windows, note)
    return markdown(document) if form == "md" else page(document)


def _within(result: "Run | Sweep", number: int) -> tuple[list["Row"], Sequence[Any], str | None]:
    """Return an episode's steps and its windows, or why there are none."""
    from results import ResultsError
    from sim_arena.errors import SimArenaError
    from sim_arena.sweeps.replay import recorded_episode, recorded_rows
    from sim_arena.timeline import timelines
    from traces import TraceError

    rows = recorded_rows(result, number)
    try:
        return rows, timelines(recorded_episode(result, number, rows)), None
    except (ResultsError, SimArenaError, TraceError) as error:
        return rows, [], str(error)


def _save(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
