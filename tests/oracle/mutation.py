"""Breaks the scheduler's plugins in one place at a time: the vectors must catch every mutant.

    python -m tests.oracle.mutation            (make mutation)

Each mutant is one change of one module's syntax tree (mutants.py): a comparison, an operator, a
constant, a condition that always or never holds, a call left out. It runs in a process of its own
on a part of the vectors, without compilation, those first that are about the module's plugin; it
is caught when a verdict, message, score or choice differs, or when it fails. Those that survive
get the tests of what no vector holds (a hundred nodes, nominated and finished pods), where a module
has some, and then all vectors. The rest must stand in `equivalent.py`, with the reason why they
change nothing.
"""

import os

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # before the engine is imported

import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from types import ModuleType
from typing import Annotated, Any, NamedTuple

import pytest
import typer

from tests.oracle import vectors
from tests.oracle.equivalent import EQUIVALENT
from tests.oracle.mutants import Mutant, mutants
from tests.oracle.mutation_counts import keep
from tests.oracle.targets import TARGETS, Target
from tests.oracle.vectors import Vector

# A mutant may loop for ever; one that only looks so must not pass for caught.
_PATIENCE = 60  # seconds, on a part of the vectors (10)
_TEST_PATIENCE = 100  # on tests (10)
_MORE_PATIENCE = 600  # on all vectors (60)
_PER_FOCUS = 120


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


def failed_tests(files: Sequence[str]) -> str | None:
    """Run tests on the engine as it is now; return which fail, or None."""
    with redirect_stdout(io.StringIO()) as shown, redirect_stderr(shown):
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files])
    return None if code == 0 else shown.getvalue().strip().rpartition("\n")[2] or f"code {code}"


def selection(per_focus: int | None = None) -> dict[str, list[Vector]]:
    """So many vectors of each focus, evenly from all of them; all if no number is given."""
    return {
        focus: [*vectors.read(focus, 1 if per_focus is None else max(1, count // per_focus))]
        for focus, count in vectors.counts().items()
    }


def _ordered(chosen: dict[str, list[Vector]], first: Sequence[str]) -> list[Vector]:
    """The vectors of some focuses in turn, then those of all others."""
    rest = [focus for focus in chosen if focus not in first]
    return [*_in_turn([chosen[f] for f in first]), *_in_turn([chosen[f] for f in rest])]


def _in_turn(lists: Sequence[Sequence[Vector]]) -> Iterator[Vector]:
    for i in range(max(map(len, lists), default=0)):
        yield from (one[i] for one in lists if i < len(one))


class Check(NamedTuple):
    """What a mutant has to pass.

    Attributes:
        count: the name of the count of those that do not.
        run: returns what was found, or None.
        patience: seconds.
    """

    count: str
    run: Callable[[], str | None]
    patience: int = _MORE_PATIENCE


def _try(mutant: Mutant | None, check: Check) -> str | None:
    """In a process of its own: return what caught a mutant, or the engine as it is; or None."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(check.patience)
        try:
            if mutant is not None:
                install(mutant)
            told = check.run()
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


def _checks(
    target: Target, chosen: dict[str, list[Vector]], every: dict[str, list[Vector]]
) -> list[Check]:
    """Return what a mutant has to pass, the quickest first."""
    few = partial(caught_by, _ordered(chosen, target.focuses))
    checks = [Check("caught", few, _PATIENCE)]
    if target.tests:
        checks.append(Check("caught_by_tests", partial(failed_tests, target.tests), _TEST_PATIENCE))
    if every:
        checks.append(Check("caught", partial(caught_by, _ordered(every, target.focuses))))
    return checks


def _fate(name: str, mutant: Mutant, checks: Sequence[Check]) -> str | None:
    """Return the name of the count that a mutant belongs to; None if it survives unexplained."""
    first, *others = checks
    if _try(mutant, first) is not None:
        return first.count
    if name in EQUIVALENT:
        return "equivalent"
    return next((check.count for check in others if _try(mutant, check) is not None), None)


def main(
    only: Annotated[str, typer.Option(help="Modules whose name contains this.")] = "",
    *,
    survivors: Annotated[bool, typer.Option(help="Try survivors on all vectors.")] = True,
) -> None:
    """Try all mutants, print the survivors, and keep the counts of each module in mutation.json."""
    importlib.import_module("tests.oracle.asking")  # what it loads is there for every child
    chosen, every = selection(_PER_FOCUS), selection() if survivors else {}
    unexplained = 0
    for module, target in TARGETS.items():
        if only not in module:
            continue
        started = time.monotonic()
        checks = _checks(target, chosen, every)
        for check in checks:
            if check.count == "caught_by_tests" and (told := _try(None, check)):
                raise typer.BadParameter(f"expected tests that pass on the engine: {told}")
        counts = Counter[str]()
        for name, mutant in _named(module, target.functions):
            counts["mutants"] += 1
            found = _fate(name, mutant, checks) or "survivors"
            counts[found] += 1
            if found == "survivors":
                typer.echo(f"survives: line {mutant.line}, {name}")
        unexplained += counts["survivors"]
        if survivors and not counts["survivors"]:
            keep(module, counts)
        typer.echo(f"{module}: {dict(counts)}, {time.monotonic() - started:.0f} s")
    typer.echo(f"{unexplained} mutants survive without a reason")
    if unexplained:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
