"""What a new process costs before anything useful happens, in processor time."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import Figure

__all__ = ["measure"]

REPOSITORY = Path(__file__).parents[1]
_FIRST_WINDOW = """
from benchmarks.traces_of import crowd
from sim_arena.engine import Simulation, compile_trace
from sim_arena.nodes import parse_nodes
Simulation(compile_trace(crowd(3), parse_nodes("3x16cpu,32Gi"))).advance()
"""


def measure() -> list[Figure]:
    """Start processes: without and with the engine's cache, the command line, the package."""
    with tempfile.TemporaryDirectory() as cache:
        window = ["-c", _FIRST_WINDOW]
        cold = _seconds(window, cache)
        warm = min(_seconds(window, cache) for _ in range(3))
    package = min(_seconds(["-c", "import sim_arena"]) for _ in range(3))
    shown = min(_seconds(["-m", "flows.cli", "--help"]) for _ in range(3))
    return [
        Figure("cold compile, to the first window", cold, "s", 30.0, "less", "processor time"),
        Figure("warm start, to the first window", warm, "s", 1.0, "less", "processor time"),
        Figure("import sim_arena", package, "s", None, "less", "processor time"),
        Figure("sim-arena --help", shown, "s", 0.5, "less", "processor time"),
    ]


def _seconds(arguments: list[str], cache: str | None = None) -> float:
    """Return the processor time of a Python process, its start included."""
    environment = dict(os.environ)
    if cache is not None:
        environment["XDG_CACHE_HOME"] = cache
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(  # noqa: S603 - runs this project  # noqa: S603 - runs this project
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
