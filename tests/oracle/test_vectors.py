"""The engine's plugins say what kube-scheduler's plugins say: verdicts, messages, scores, choices.

The answers of the real ones are kept in vectors.parquet; see make.py.
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from sim_arena.engine.opinions import SCORES
from tests.oracle import vectors
from tests.oracle.asking import ask
from tests.oracle.compare import FILTERS, Tally, differences
from tests.oracle.programs import scene

_LEAST = 20_000
_SHOWN = 5


def test_there_are_enough_vectors_and_each_plugin_has_some() -> None:
    assert vectors.count() >= _LEAST
    assert vectors.metadata()["kubernetes"].startswith("1.36.")
    rejecting: Counter[str] = Counter()
    deciding: Counter[str] = Counter()
    for focus in vectors.focuses():
        for vector in vectors.read(focus):
            rejecting.update(_rejecting(vector.answer))
            deciding.update(
                name
                for name, score in vector.answer.get("scores", {}).items()
                if len(set(score.get("normalised", ()))) > 1
            )
    assert min(rejecting[name] for name in FILTERS) > 100
    assert min(deciding[name] for name in SCORES) > 100


def _rejecting(answer: dict[str, Any]) -> set[str]:
    before = {
        name
        for name, said in answer["prefilter"].items()
        if said["code"] not in ("Skip", "Success")
    }
    return {*answer["filters"], *before}


@pytest.mark.parametrize("focus", vectors.focuses())
def test_the_engine_says_what_the_real_plugins_say(
    focus: str, record_property: Callable[[str, object], None]
) -> None:
    """Exactly: each plugin's verdict and words, its score raw and normalised, sums and choice."""
    tally = Tally()
    wrong = []
    for vector in vectors.read(focus):
        made = scene(vector.case)
        told = list(differences(vector, made, ask(made), tally))
        if told:
            wrong.append(f"case {vector.number}: " + "; ".join(told))
    record_property("oracle", json.dumps(tally.plain()))
    assert not wrong, f"{len(wrong)} of {tally.cases} differ:\n" + "\n".join(wrong[:_SHOWN])
