"""The section of docs/fidelity.md about the scheduler's vectors and their mutation check.

`python -m tests.fidelity.report` writes that page; it takes this part from here.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.oracle import vectors
from tests.oracle.asking import ask
from tests.oracle.compare import Tally, differences
from tests.oracle.mutation_counts import is_current, kept
from tests.oracle.programs import scene
from tests.oracle.targets import TARGETS

__all__ = ["section"]

_TEXT = """\
## The scheduler's plugins, one by one

{vectors:,} generated cases (nodes, pods already there, one pod) were put to the plugins of
kube-scheduler {kubernetes} itself, linked into a Go program, and their answers are kept
(`{command}`; `make oracle` makes them anew). `make test` puts each case to the engine's plugins:
every verdict with its words, every score before and after normalisation, the weighted sums, the
chosen node, the whole message of a pod that fits nowhere, whom preemption would evict on each
node, how many of these a PodDisruptionBudget protects, and the node that preemption chooses.

**{equal:,} of {cases:,} cases are equal in everything.**

| plugin | verdicts | of them rejections | scores | cases that it decides |
|---|---:|---:|---:|---:|
{plugins}

Beside that: {choices:,} chosen nodes, {messages:,} messages, victims on {victims:,} nodes,
{nominations:,} choices of preemption, and {held:,} pods that do not come into the queue.

A score decides a case where it does not give all feasible nodes the same.
"""

_COUNTS = ("mutants", "caught", "caught_by_tests", "equivalent")
_MUTATION = """\

### Would the vectors notice?

`make mutation` breaks the engine's scheduler in one place at a time, systematically, by the syntax
tree of each module: a comparison (`<` becomes `<=`), an operator, a constant, a condition that
always or never holds, one operand of a conjunction dropped, a call left out. Each mutant then gets
the vectors, and must be caught by a difference. No vector holds a hundred nodes, nominated or
finished pods; what of preemption and of the search is about these, other tests catch.

**{mutants:,} mutants: {caught:,} caught by the vectors, {caught_by_tests} by those tests;
{equivalent} change nothing that can be observed**, each with its reason in
`tests/oracle/equivalent.py`; none survives without one.

| module | mutants | caught by vectors | by tests | equivalent |
|---|---:|---:|---:|---:|
{modules}
{rest}"""


def section() -> str:
    """Compare all vectors, and put the counts into words."""
    tally, wrong = _compared()
    text = _TEXT.format(
        vectors=vectors.count(),
        kubernetes=vectors.metadata()["kubernetes"],
        command=vectors.metadata()["command"],
        cases=tally.cases,
        equal=tally.cases - wrong,
        plugins="\n".join(_plugins(tally)),
        choices=tally.choices,
        messages=tally.messages,
        victims=tally.victims,
        nominations=tally.nominations,
        held=tally.held,
    )
    if found := kept():
        text += _mutation(found)
    return text


def _compared() -> tuple[Tally, int]:
    tally = Tally()
    wrong = 0
    for focus in vectors.focuses():
        for vector in vectors.read(focus):
            made = scene(vector.case)
            wrong += bool(list(differences(vector, made, ask(made), tally)))
    return tally, wrong


def _plugins(tally: Tally) -> Iterator[str]:
    for name in dict.fromkeys((*tally.verdicts, *tally.scores)):
        columns = (
            tally.verdicts.get(name),
            tally.rejections.get(name),
            tally.scores.get(name),
            tally.deciding.get(name),
        )
        cells = " | ".join("-" if count is None else f"{count:,}" for count in columns)
        yield f"| {name} | {cells} |"


def _short(module: str) -> str:
    return module.removeprefix("sim_arena.engine.")


def _mutation(found: dict[str, dict[str, Any]]) -> str:
    total: Counter[str] = Counter()
    rows = []
    rest = [f"`{_short(module)}`" for module in TARGETS if not is_current(module)]
    for module, counts in found.items():
        numbers = {name: int(counts.get(name, 0)) for name in _COUNTS}
        total.update(numbers)
        name = f"`{_short(module)}`"
        rows.append(f"| {name} | {' | '.join(map(str, numbers.values()))} |")
    return _MUTATION.format(
        mutants=total["mutants"],
        caught=total["caught"],
        caught_by_tests=total["caught_by_tests"],
        equivalent=total["equivalent"],
        modules="\n".join(rows),
        rest=f"\nNot run to the end since they were changed: {', '.join(rest)}.\n" if rest else "",
    )
