"""The embedded cluster permits what real control planes did, as recorded in tests/fidelity/data."""

import pytest

from tests.fidelity.comparison import compare, explain
from tests.fidelity.known import KNOWN
from tests.fidelity.run import DATA, RECORDED
from tests.fidelity.store import Row, read, recording_of

PARTS = 4
EVERY = 3  # one in so many: the others are compared by `python -m tests.fidelity.run --recorded`


@pytest.fixture(scope="module")
def recordings() -> list[Row]:
    return [row for row in read([DATA / RECORDED]) if row["version"] == 1][::EVERY]


@pytest.mark.parametrize("part", range(PARTS))
def test_what_really_happened_can_happen(recordings: list[Row], part: int) -> None:
    wrong: list[str] = []
    for row in recordings[part::PARTS]:
        if (row["version"], row["seed"]) in KNOWN:
            continue
        recording = recording_of(row)
        for found in compare(recording, guided=False).rows:
            if not found["agrees_with_more"]:
                wrong += explain(recording, found)
    assert not wrong, "\n".join(wrong)
