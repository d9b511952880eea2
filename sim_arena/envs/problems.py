"""What the environment is about: a workload in a trace, and when it counts as repaired."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import traces
from sim_arena import engine
from sim_arena.errors import SimArenaError
from sim_arena.nodes import DEFAULT_NODES, parse_nodes
from traces import WorkloadRef, find_workload, load_manifest, load_trace

__all__ = ["Problem", "compiled", "demo", "find", "problems"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A workload to repair.

    Args:
        trace: the trace file
        deploy: the workload's name; `statefulset/db` names the kind too
        target: how many pods should be ready, at least 1
        duration: the length of the window in simulated seconds, at least 1
        namespace: needed where the trace has the name in several
        nodes: a short form such as `3x16cpu,32Gi`, or a YAML file or folder of Nodes
        max_steps: the loop's step limit, at least 2: observations of an episode, the one at
            reset included

    Raises:
        SimArenaError: a number is too small
    """

    trace: str
    deploy: str
    target: int
    duration: int = 60
    namespace: str | None = None
    nodes: str = DEFAULT_NODES
    max_steps: int = 10

    def __post_init__(self) -> None:
        for name, least in (("target", 1), ("duration", 1), ("max_steps", 2)):
            if getattr(self, name) < least:
                raise SimArenaError(
                    f"expected {name} to be at least {least}, found {getattr(self, name)}"
                )

    @property
    def name(self) -> str:
        """The trace's file name, by which `reset` finds the problem."""
        return Path(self.trace).name


def problems(source: str | Path | Problem | Iterable[Problem] | None) -> tuple[Problem, ...]:
    """Return the problems that an environment chooses from.

    Args:
        source: a folder of traces with its manifest, problems, or None for the demo traces

    Raises:
        SimArenaError: there is no problem among them
        TraceError: the manifest is missing or damaged
    """
    if isinstance(source, Problem):
        return (source,)
    if source is None or isinstance(source, str | Path):
        found = _of_folder(demo() if source is None else Path(source))
    else:
        found = tuple(source)
    if not found:
        raise SimArenaError("expected at least one problem to choose from, found none")
    return found


def demo() -> Path:
    """Return the folder of the demo traces."""
    return Path(traces.__file__).parent / "demo"


def find(known: tuple[Problem, ...], wanted: object) -> Problem:
    """Return the problem that a caller of `reset` asks for.

    Args:
        known: the environment's problems
        wanted: a problem, or the file name of one of the environment's traces, with its
            extension or without, or its path

    Raises:
        SimArenaError: none of the environment's traces has this name
    """
    if isinstance(wanted, Problem):
        return wanted
    text = str(wanted)
    for problem in known:
        if text in {problem.trace, problem.name, Path(problem.name).stem}:
            return problem
    some = ", ".join(problem.name for problem in known[:3])
    more = ", ..." if len(known) > 3 else ""
    raise SimArenaError(
        f"expected the trace to be one of the environment's {len(known)} ({some}{more}) or a "
        f"Problem, found {wanted!r}"
    )


def compiled(problem: Problem) -> "tuple[engine.Program, WorkloadRef]":
    """Return the compiled trace and the workload; a trace is compiled once as long as it stays.

    Raises:
        TraceError: the trace cannot be read, or has no such workload
        SimArenaError: the nodes cannot be understood
    """
    try:
        state = Path(problem.trace).stat()
    except OSError as error:
        raise SimArenaError(f"expected a trace file, found none: {problem.trace}") from error
    return _compiled(problem, repr(parse_nodes(problem.nodes)), state.st_mtime_ns)


@lru_cache(maxsize=256)
def _compiled(problem: Problem, nodes: str, modified: int) -> "tuple[engine.Program, WorkloadRef]":
    del nodes, modified  # only tell apart the versions of the files
    trace = load_trace(problem.trace)
    ref = find_workload(trace, problem.deploy, problem.namespace)
    parameters = engine.Parameters(duration=problem.duration)
    return engine.compile_trace(trace, parse_nodes(problem.nodes), parameters), ref


def _of_folder(folder: Path) -> tuple[Problem, ...]:

    return tuple(
        Problem(
            trace=str(folder / entry.file),
            deploy=entry.name,
            target=entry.target,
            duration=entry.duration,
            namespace=entry.namespace,
            nodes=_nodes(folder, entry.nodes),
            max_steps=entry.max_steps,
        )
        for entry in load_manifest(folder)
    )


def _nodes(folder: Path, nodes: str) -> str:
    """Return a manifest's nodes; a file is named from the manifest's folder."""
    beside = folder / nodes
    return str(beside) if beside.exists() else nodes
