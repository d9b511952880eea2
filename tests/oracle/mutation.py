"""Breaks the scheduler's plugins in one place at a time: the vectors must catch every mutant.

    python -m tests.oracle.mutation            (make mutation)

Each mutant is one change of one module's syntax tree (mutants.py): a comparison, an operator, a
constant, a condition that always or never holds, a call left out. It runs in a process of its own
on a part of the vectors, without compilation, those first that are about the module's plugin; it
is caught when a verdict, message, score or choice differs, or when it fails. Those that survive
get all vectors. The rest must stand in `equivalent.py`, with the reason why they change nothing.
"""

import os

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # before the engine is imported

import importlib.abc
import importlib.machinery
import importlib.util
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Annotated, Any

import typer

from tests.oracle import vectors
from tests.oracle.equivalent import EQUIVALENT
from tests.oracle.mutants import RESULT, Mutant, mutants
from tests.oracle.unmodelled import unmodelled
from tests.oracle.vectors import Vector

_COMMAND = "python -m tests.oracle.mutation"
_PATIENCE = 300  # seconds: a mutant may loop for ever
_PER_FOCUS = 120

_PLUGINS = "sim_arena.engine.plugins."
_COMPILER = "sim_arena.engine.compiler."
_SPREAD = ("spread_hard", "spread_soft", "spread_default", "spread_deployment")
_AFFINITY = ("affinity_required", "affinity_preferred")
# Module to the focuses that are about it, and to the functions that the vectors reach where
# others belong to the scheduler's cycle around them.
TARGETS: dict[str, tuple[tuple[str, ...], frozenset[str] | None]] = {
    _PLUGINS + "taint_toleration": (("taint_toleration",), None),
    _PLUGINS + "node_affinity": (("node_affinity",), None),
    _PLUGINS + "node_ports": (("node_ports",), None),
    _PLUGINS + "node_resources_fit": (("fit", "resource_scores"), None),
    _PLUGINS + "node_resources_balanced_allocation": (("resource_scores",), None),
    _PLUGINS + "pod_topology_spread": (_SPREAD, None),
    _PLUGINS + "inter_pod_affinity": (_AFFINITY, None),
    _PLUGINS + "normalize": (("taint_toleration", "node_affinity"), None),
    _PLUGINS + "default_preemption": (
        ("preemption",),
        frozenset(
            {"find_candidates", "select_victims", "_put_back", "_lower_priority", "_more_important"}
        ),
    ),
    "sim_arena.engine.scheduler": (
        ("mixed", "taint_toleration", "node_ports"),
        frozenset({"find_feasible", "score_nodes", "_add", "best_node"}),
    ),
    "sim_arena.engine.verdicts": ((*_AFFINITY, "spread_hard"), None),
    "sim_arena.engine.rejections": (("preemption", "mixed", "declared_features"), None),
    "sim_arena.engine.requests": (("fit", "resource_scores"), None),
    _COMPILER + "matching": (
        ("node_affinity", "taint_toleration", "node_unschedulable", "node_name", "spread_hard"),
        None,
    ),
    _COMPILER + "selectors": ((*_AFFINITY, *_SPREAD), None),
    _COMPILER + "terms": ((*_SPREAD, *_AFFINITY, "node_ports"), None),
}


class _Loader(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Loads one module from changed source instead of its file."""

    def __init__(self, mutant: Mutant) -> None:
        found = importlib.util.find_spec(mutant.module)
        assert found is not None
        assert found.origin is not None
        super().__init__(mutant.module, found.origin)
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname != self._mutant.module:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def get_code(self, fullname: str) -> Any:
        del fullname
        return compile(self._mutant.code, self.path, "exec")


def install(mutant: Mutant) -> None:
    """Let the engine be imported anew with the mutant in the place of its module."""
    loader = _Loader(mutant)
    for name in list(sys.modules):
        if name.startswith(("sim_arena.engine", "tests.oracle.")):
            del sys.modules[name]
    sys.meta_path.insert(0, loader)


def caught_by(kept: Sequence[Vector]) -> str | None:
    """Ask the engine as it is now about vectors; return the first difference, or None."""
    # Loaded anew by each mutant's process.
    ask = importlib.import_module("tests.oracle.asking").ask
    compare = importlib.import_module("tests.oracle.compare")
    scene = importlib.import_module("tests.oracle.programs").scene
    tally = compare.Tally()
    for vector in kept:
        made = scene(vector.case)
        for told in compare.differences(vector, made, ask(made), tally):
            return f"case {vector.number}: {told}"
    return None


def selection(per_focus: int | None = None) -> dict[str, list[Vector]]:
    """So many vectors of each focus, evenly from all of them; all if no number is given."""
    found = {}
    for focus, count in vectors.counts().items():
        step = 1 if per_focus is None else max(1, count // per_focus)
        found[focus] = [v for v in vectors.read(focus, step) if unmodelled(v.answer) is None]
    return found


def _ordered(chosen: dict[str, list[Vector]], first: Sequence[str]) -> list[Vector]:
    """The vectors of some focuses in turn, then those of all others."""
    rest = [focus for focus in chosen if focus not in first]
    return [*_in_turn([chosen[f] for f in first]), *_in_turn([chosen[f] for f in rest])]


def _in_turn(lists: Sequence[Sequence[Vector]]) -> Iterator[Vector]:
    for i in range(max(map(len, lists), default=0)):
        yield from (one[i] for one in lists if i < len(one))


def _try(mutant: Mutant, kept: Sequence[Vector]) -> str | None:
    """In a process of its own: return what caught a mutant, or None."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(_PATIENCE)
        try:
            install(mutant)
            told = caught_by(kept)
        except BaseException as error:  # noqa: BLE001 - whatever breaks, it is caught
            told = f"{type(error).__name__}: {error}"
        os.write(writing, json.dumps(told)[:4000].encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        text = stream.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"ended by signal {os.WTERMSIG(status)}"
    try:
        return None if text == b"null" else str(json.loads(text))
    except json.JSONDecodeError:
        return text.decode(errors="replace")


def _named(module: str, functions: frozenset[str] | None) -> Iterator[tuple[str, Mutant]]:
    """Return each mutant with a name that lives as long as its function: no line number."""
    seen = Counter[str]()
    for mutant in mutants(module, functions):
        name = f"{module.rpartition('engine.')[2]}.{mutant.function}: {mutant.change}"
        seen[name] += 1
        yield (name if seen[name] == 1 else f"{name} ({seen[name]})"), mutant


def main(
    only: Annotated[str, typer.Option(help="Modules whose name contains this.")] = "",
    *,
    survivors: Annotated[bool, typer.Option(help="Try survivors on all vectors.")] = True,
) -> None:
    """Try all mutants, print the survivors, and keep the counts in mutation.json."""
    importlib.import_module("tests.oracle.asking")  # what it loads is there for every child
    chosen, every = selection(_PER_FOCUS), selection() if survivors else {}
    kept: dict[str, Counter[str]] = {}
    unexplained = []
    for module, (first, functions) in TARGETS.items():
        if only not in module:
            continue
        started = time.monotonic()
        ordered = _ordered(chosen, first)
        counts = kept[module] = Counter[str]()
        for number, (name, mutant) in enumerate(_named(module, functions)):
            counts["mutants"] += 1
            if _try(mutant, ordered) is not None:
                counts["caught"] += 1
            elif name in EQUIVALENT:
                counts["equivalent"] += 1
            elif survivors and _try(mutant, _ordered(every, first)) is not None:
                counts["caught"] += 1
            else:
                unexplained.append(f"{module}:{number} line {mutant.line}, {name}")
                typer.echo(f"survives: {unexplained[-1]}")
        typer.echo(f"{module}: {dict(counts)}, {time.monotonic() - started:.0f} s")
    typer.echo(f"{len(unexplained)} mutants survive without a reason")
    if not only and survivors and not unexplained:
        document = {
            "command": _COMMAND,
            "vectors": vectors.count(),
            "kubernetes": vectors.metadata()["kubernetes"],
            "modules": {module: dict(counts) for module, counts in kept.items()},
        }
        RESULT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if unexplained:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
