from hypothesis import given
from hypothesis import strategies as st

from sim_arena.policies.reasons import causes

PREEMPTION = " no new claims to deallocate, preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod."  # noqa: E501 - the scheduler's own text
CAUSES = [
    "Insufficient cpu",
    "Insufficient memory",
    "Too many pods",
    "node(s) didn't match Pod's node affinity/selector",
    "node(s) had untolerated taint(s)",
]


@given(
    st.dictionaries(st.sampled_from(CAUSES), st.integers(1, 20), min_size=1),
    st.integers(1, 9),
    st.sampled_from(["", PREEMPTION]),
)
def test_every_cause_is_counted_by_nodes_and_pods(
    nodes: dict[str, int], pods: int, rest: str
) -> None:
    listed = ", ".join(sorted(f"{count} {cause}" for cause, count in nodes.items()))
    message = f"0/20 nodes are available: {listed}.{rest}"
    assert causes({message: pods}) == {cause: count * pods for cause, count in nodes.items()}


def test_other_messages_count_as_they_are() -> None:
    assert causes({"no nodes available to schedule pods": 2}) == {
        "no nodes available to schedule pods": 2
    }
    claim = "0/1 nodes are available: claim not found. not found"
    assert causes({claim: 1}) == {"claim not found": 1}


def test_nothing_is_known_without_messages() -> None:
    assert causes(None) == causes({}) == {}


@given(st.dictionaries(st.text(), st.integers(0, 5)))
def test_any_text_is_taken(reasons: dict[str, int]) -> None:
    causes(reasons)
