"""`sim-arena trace import` and `trace snapshot`: traces of manifests and of a cluster."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import options, output
from flows.cli.errors import FAILED, fail_as
from flows.cli.trace import app

if TYPE_CHECKING:
    from traces.importers import Imported

__all__ = ["app"]

_STDIN = "-"

_Out = Annotated[
    Path,
    typer.Option("--out", metavar="FILE", help="Where to write the trace.", show_default=False),
]


@app.command("import")
def import_(
    *,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE_OR_DIR...",
            help="Manifests: files or folders of YAML or JSON, or - for standard input.",
            show_default=False,
        ),
    ],
    out: _Out,
    namespace: Annotated[
        str,
        typer.Option("--ns", "--namespace", metavar="NAME", help="Of objects that name none."),
    ] = "default",
    json: options.AsJson = False,
) -> None:
    """Make a trace of manifests, all applied at once: helm template CHART | ... import -.

    Kinds that say nothing of pods are left out, and named.
    """
    from traces.importers import assemble, read_path, read_text

    manifests = []
    for source in sources:
        if source == _STDIN:
            manifests += read_text(sys.stdin.read(), "standard input")
        elif Path(source).exists():
            manifests += read_path(Path(source))
        else:
            raise typer.BadParameter(f"{source} does not exist", param_hint="FILE_OR_DIR")
    _write(assemble(manifests, namespace=namespace), out, json=json)


@app.command()
def snapshot(
    *,
    namespaces: Annotated[
        list[str],
        typer.Option(
            "--ns",
            "--namespace",
            metavar="NAME",
            help="A namespace; repeatable.",
            show_default=False,
        ),
    ],
    out: _Out,
    context: options.Context = None,
    json: options.AsJson = False,
) -> None:
    """Make a trace of what lives in namespaces of a cluster now; nothing is changed there.

    What was made by another object, or has run to its end, is left out, and named.
    """
    from sim_arena.clusters.kube.api import Api
    from sim_arena.clusters.kube.snapshot import snapshot

    api = Api.from_kubeconfig(context=context)
    with fail_as(FAILED):
        _write(snapshot(api, namespaces), out, json=json)


def _write(imported: "Imported", out: Path, *, json: bool) -> None:
    from traces import save_trace
    from traces.workloads import find_deployments

    save_trace(imported.trace, out)
    [event] = imported.trace["events"]
    workloads = [str(ref) for ref in find_deployments(imported.trace)]
    if json:
        document = {"out": str(out), "workloads": workloads, "left_out": imported.left_out}
        output.print_json({**document, "objects": len(event["applied_objs"])})
        return
    for why, kinds in imported.left_out.items():
        output.show(f"left out, {why}: {', '.join(f'{n} x {kind}' for kind, n in kinds.items())}")
    output.show(
        f"{len(event['applied_objs'])} objects, {len(workloads)} of them workloads, are in {out}; "
        f"'sim-arena trace show {out}' shows them"
    )
