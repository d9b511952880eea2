"""The engine's plugins say what kube-scheduler's plugins say: verdicts, messages, scores, choices.

The answers of the real ones are kept in vectors.parquet; see make.py.
"""

import json
from collections import Counter
from collections.abc import Callable

import pytest

from sim_arena.engine.explain import SCORES
from tests.oracle import vectors
from tests.oracle.asking import ask
from tests.oracle.compare import FILTERS, Tally, differences
from tests.oracle.programs import scene
from tests.oracle.unmodelled import UNMODELLED, unmodelled

_LEAST = 20_000
_SHOWN = 5


def test_there_are_enough_vectors_and_each_plugin_has_some() -> None:
    assert vectors.count() >= _LEAST
    assert vectors.metadata()["kubernetes"].startswith("1.36.")
    assert not {*FILTERS, *SCORES} & {*UNMODELLED}


@pytest.mark.parametrize("focus", vectors.focuses())
def test_the_engine_says_what_the_real_plugins_say(
    focus: str, record_property: Callable[[str, object], None]
) -> None:
    """Exactly: each plugin's verdict and words, its score raw and normalised, sums and choice."""
    asked = []
    missing: Counter[str] = Counter()
    for vector in vectors.read(focus):
        if plugin := unmodelled(vector.answer):
            missing[plugin] += 1
        else:
            asked.append(vector)
    tally = Tally()
    wrong = []
    for vector in asked:
        made = scene(vector.case)
        told = list(differences(vector, made, ask(made), tally))
        if told:
            wrong.append(f"case {vector.number}: " + "; ".join(told))
    record_property("oracle", json.dumps({"tally": tally.plain(), "unmodelled": missing}))
    assert not wrong, f"{len(wrong)} of {len(asked)} differ:\n" + "\n".join(wrong[:_SHOWN])
