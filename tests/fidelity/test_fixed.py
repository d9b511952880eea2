"""A fixed set of scenarios, played on the real control plane each time."""

import pytest

from tests.cluster.harness import ControlPlane
from tests.fidelity.comparison import compare, explain
from tests.fidelity.known import KNOWN
from tests.fidelity.recording import record
from tests.fidelity.scenarios import make_scenario

# Those that once disagreed; then others with few events, which take about two seconds each.
ONCE_WRONG = (18, 19, 27, 37, 38, 52, 104, 107, 175, 215, 216, 246)
FEW_EVENTS = tuple(seed for seed in range(400) if seed not in ONCE_WRONG and seed % 4 == 0)[
    : 100 - len(ONCE_WRONG)
]

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("seed", ONCE_WRONG + FEW_EVENTS)
def test_the_embedded_cluster_permits_what_the_real_one_does(
    control_plane: ControlPlane, seed: int
) -> None:
    if seed in KNOWN:
        pytest.skip(KNOWN[seed])
    recording = record(control_plane, make_scenario(seed), f"fixed{seed}")
    rows = compare(recording)
    wrong = [row for row in rows if not row["agrees_with_more"]]
    assert not wrong, "\n".join(line for row in wrong for line in explain(recording, row))
