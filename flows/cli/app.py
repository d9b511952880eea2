"""The commands of `sim-arena`, put together."""

from typing import Annotated

import typer

from flows.cli import (
    catalogue,
    cluster,
    compare,
    fidelity,
    importing,
    play,
    report,
    runs,
    simulate,
    sweep,
)

__all__ = ["app"]

app = typer.Typer(
    name="sim-arena",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help is there in half the time
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,  # a mistake gets one line; only a fault of ours a traceback
)


def _print_version(value: bool) -> None:  # noqa: FBT001 # typer calls it with the flag
    if value:
        from sim_arena import __version__  # knows what to say in a checkout that is not installed

        print(f"sim-arena {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Replay a broken Kubernetes workload, let a policy repair it, see what it took.

    Exit codes: 0 done, 1 failed while it ran, 2 a wrong option, file or name, 130 Ctrl-C.
    """


app.command()(simulate.simulate)
app.command()(play.step)
app.command()(play.episode)
app.command()(sweep.sweep)
app.command()(report.report)
app.command()(compare.compare)
app.command()(play.preflight)
app.command()(fidelity.fidelity)
app.add_typer(cluster.app, name="cluster")
app.add_typer(importing.app, name="trace")
app.add_typer(runs.app, name="runs")
app.command()(catalogue.policies)
app.command()(catalogue.actions)
app.command()(catalogue.rewards)
