"""Options that several commands share, with their help and their completion."""

import re
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import typer

__all__ = [
    "DEFAULT_NODES",
    "LONGEST",
    "PLACE",
    "RUNS",
    "AllowRealNodes",
    "AsJson",
    "Context",
    "Deploy",
    "Duration",
    "Namespace",
    "Nodes",
    "RunsDir",
    "RunsPlace",
    "Seed",
    "SimKube",
    "Target",
    "TracePath",
    "existing",
    "usable",
]


RUNS = Path("runs")
PLACE = str(RUNS)
LONGEST = 1_000_000_000  # seconds; the engine counts nanoseconds in 64 bits
# What --help shows must not load the arena; a test keeps it equal to sim_arena.nodes.
DEFAULT_NODES = "3x16cpu,32Gi"


def existing(path: Path, option: str = "--trace") -> Path:
    """Return the path of a file that is there.

    Raises:
        typer.BadParameter: It is missing, or a folder.
    """
    if path.is_file():
        return path
    what = "is a folder" if path.is_dir() else "does not exist"
    raise typer.BadParameter(f"{path} {what}; give the path of a trace file", param_hint=option)


def usable(runs_dir: Path) -> Path:
    """Return a folder for the runs that can be written to, or that can be made.

    Raises:
        typer.BadParameter: It is a file, or nobody may write there.
    """
    there = next(path for path in (runs_dir, *runs_dir.absolute().parents) if path.exists())
    if not there.is_dir():
        raise typer.BadParameter(f"{there} is a file; name a folder", param_hint="--runs-dir")
    try:  # nothing less tells of a read-only disk, a quota, or an access list
        with TemporaryDirectory(dir=there, prefix=".sim-arena-"):
            return runs_dir
    except OSError as error:
        raise typer.BadParameter(
            f"{there} cannot be written to ({error.strerror or error}); name another folder",
            param_hint="--runs-dir",
        ) from error


def _folder(runs_dir: Path) -> Path:
    """Refuse a URL, which is none; a path has one of its slashes."""
    if re.match(r"[a-z][a-z0-9+]+:/", str(runs_dir)):
        raise typer.BadParameter(
            f"expected a folder of this machine, found the URL {runs_dir}; sweep, report, compare "
            "and runs show, export, compact and replay take one"
        )
    return runs_dir


def _deployments(context: typer.Context, incomplete: str) -> Iterable[str]:
    from traces import TraceError, find_deployments, load_trace

    try:
        trace = load_trace(context.params["trace"])
    except (KeyError, TypeError, OSError, TraceError):
        return []  # a completion has nobody to tell; the command itself will
    return sorted({ref.name for ref in find_deployments(trace) if ref.name.startswith(incomplete)})


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for a program to read.")]
Context = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The kubeconfig's context.", show_default="the current one"),
]
AllowRealNodes = Annotated[
    bool,
    typer.Option("--allow-real-nodes", help="Use a cluster whose nodes are not all KWOK's."),
]
SimKube = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=VALUE",
        help="On simkube: how it is run, such as port=9000, trace_store=s3://bucket/traces, "
        "lifecycle.image_pull_delay=500; lists are written as JSON.",
    ),
]
TracePath = Annotated[
    Path, typer.Option("--trace", metavar="FILE", help="A SimKube trace.", show_default=False)
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--ns", "--namespace", metavar="NAME", help="The namespace, if several have the name."
    ),
]
Deploy = Annotated[
    str,
    typer.Option(
        "--deploy",
        metavar="NAME",
        help="The Deployment, StatefulSet or ReplicaSet to repair.",
        autocompletion=_deployments,
        show_default=False,
    ),
]
Target = Annotated[int, typer.Option(min=1, metavar="N", help="Ready pods that count as healthy.")]
Duration = Annotated[
    int,
    typer.Option(
        min=1, max=LONGEST, metavar="S", help="Seconds of the trace to replay in each step."
    ),
]
Nodes = Annotated[
    str,
    typer.Option(
        metavar="NODES",
        help="The cluster's nodes: 3x16cpu,32Gi[+...], or a file or folder of v1.Node manifests.",
    ),
]
Replay = Annotated[
    Literal["simkube", "plain"],
    typer.Option(help="simkube rewrites pods as SimKube does; plain leaves them as they are."),
]
Seed = Annotated[
    int, typer.Option(min=0, max=2**63 - 1, metavar="N", help="Seed of what is random.")
]
RunsPlace = Annotated[
    str,
    typer.Option(
        "--runs-dir",
        metavar="DIR",
        envvar="SIM_ARENA_RUNS_DIR",
        help="The folder of the runs, or its URL.",
    ),
]
RunsDir = Annotated[
    Path,
    typer.Option(
        "--runs-dir",
        metavar="DIR",
        envvar="SIM_ARENA_RUNS_DIR",
        help="The folder of the runs.",
        callback=_folder,
    ),
]
