"""`sim-arena compare`: what is different between two runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli import options, output
from flows.cli.errors import FAILED, fail_as, refuse
from flows.cli.runs import result_of

if TYPE_CHECKING:
    from results.comparison import Comparison
    from results.report import Document

__all__ = ["compare"]


def compare(
    *,
    run_a: Annotated[
        str,
        typer.Argument(
            metavar="RUN_A",
            help="A run's id, the start of it, its folder or URL.",
            show_default=False,
        ),
    ],
    run_b: Annotated[
        str, typer.Argument(metavar="RUN_B", help="The other one.", show_default=False)
    ],
    runs_dir: options.RunsPlace = options.PLACE,
    form: Annotated[
        Literal["text", "md", "json", "html"],
        typer.Option("--format", help="For the terminal, a pull request, a program, a browser."),
    ] = "text",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to.", show_default="stdout")
    ] = None,
) -> None:
    """Show what is different between two runs or sweeps, paired by trace and seed.

    Differences in success, reward, steps to success and requests, by policy, with confidence
    intervals; and the episodes that ended differently.
    """
    from results.comparison import compare

    a, b = result_of(runs_dir, run_a), result_of(runs_dir, run_b)
    with fail_as(FAILED):
        found = compare(a, b)
    if form == "text":
        if out is not None:
            refuse("the terminal's tables go to stdout; name another --format for --out")
        _show(_document(found))
        return
    text = _written(found, form)
    if out is None:
        output.write(text)
        return
    from flows.cli.report import write

    output.show(f"Comparison: {write(a, text, out)}")


def _written(found: "Comparison", form: str) -> str:
    import json

    from results.comparison import as_document
    from results.report import markdown, page

    if form == "json":
        return json.dumps(as_document(found), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return markdown(_document(found)) if form == "md" else page(_document(found))


def _document(found: "Comparison") -> "Document":
    from results.report.compared import compared

    return compared(found)


def _show(document: "Document") -> None:
    from results.report.document import Table

    output.show(document.title, document.headline)
    for section in document.sections:
        tables = [block for block in section.blocks if isinstance(block, Table)]
        for table in tables:
            names = [
                f"{one.name}{f' {one.unit}' if one.unit else ''}{'#' * one.number}"
                for one in table.columns
            ]
            rows = [[cell.text for cell in row] for row in table.rows]
            output.show(output.table(section.title, names, rows))
        output.show(*section.lines)
