"""`sim-arena cluster`: prepare a real cluster for replays, and remove what they left."""

from collections.abc import Iterable
from typing import Annotated, Literal

import typer

from flows.cli import options, output
from flows.cli.errors import FAILED, fail_as

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Prepare a real cluster, and clean it up.")


@app.command()
def prepare(  # noqa: PLR0913 # each option is an argument
    *,
    nodes: options.Nodes = options.DEFAULT_NODES,
    context: options.Context = None,
    replay: Annotated[
        Literal["simkube", "plain"],
        typer.Option(help="simkube taints the nodes, so that only replayed pods come; plain not."),
    ] = "simkube",
    replace_stages: Annotated[
        bool, typer.Option("--replace-stages", help="Replace Stages of the same names too.")
    ] = False,
    allow_real_nodes: options.AllowRealNodes = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the objects as YAML, and do nothing.")
    ] = False,
) -> None:
    """Make KWOK's Stages and nodes on a cluster, and a namespace for the lease of runs.

    To do so again changes nothing; other --nodes replace those that were prepared before.
    """
    from sim_arena.clusters.kube.api import Api
    from sim_arena.clusters.kube.preflight import real_nodes
    from sim_arena.clusters.kwok.preparing import manifests, prepare
    from sim_arena.errors import PermanentError
    from sim_arena.nodes import parse_nodes

    wanted = parse_nodes(nodes)
    virtual = replay == "simkube"
    if dry_run:
        import yaml

        made = manifests(wanted, virtual=virtual)
        print(yaml.safe_dump_all(made, sort_keys=False), end="")
        return
    api = Api.from_kubeconfig(context=context)
    with fail_as(FAILED):
        found = real_nodes(api, allow=allow_real_nodes)
    if not found.ok:
        raise PermanentError(f"{found.found}: {found.remedy}")
    with fail_as(FAILED):
        done = prepare(api, wanted, virtual=virtual, replace_stages=replace_stages)
    _show(done, "All was so already.")


@app.command()
def clean(
    *,
    run: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only what this run made.", show_default="all dead runs"),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--prepared", help="Also what 'cluster prepare' made.")
    ] = False,
    trace_store: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Where the runs put traces for SimKube.",
            show_default="as in --simkube trace_store",
        ),
    ] = None,
    context: options.Context = None,
) -> None:
    """Remove what runs left on a cluster, such as one that was killed, and nothing else.

    A run that lives is left alone, unless it is named.
    """
    from sim_arena.clusters.clean import clean, living
    from sim_arena.clusters.kube.api import Api
    from sim_arena.clusters.kwok.preparing import unprepare

    api = Api.from_kubeconfig(context=context)
    with fail_as(FAILED):
        removed = [f"{what} removed" for what in clean(api, run, trace_store=trace_store)]
        if everything:
            removed += [f"{what} removed" for what in unprepare(api)]
        alive = living(api) if run is None else None
    if alive is not None:
        removed.append(alive)
    _show(removed, "Nothing was left." if run is None else f"Nothing was left of a run {run!r}.")


def _show(lines: Iterable[str], nothing: str) -> None:
    output.show(*(list(lines) or [nothing]))
