"""SimKube's driver truncates pauses; the pods have to stay for the whole window all the same."""

from hypothesis import given
from hypothesis import strategies as st

from sim_arena.clusters.simkube.traces import duration_for
from tests.cluster.manifests import make_trace, workload


@given(
    st.lists(st.integers(1, 60), max_size=50),
    st.floats(1, 1000),
    st.sampled_from([0.5, 1.0, 2.0, 10.0]),
)
def test_the_driver_is_not_through_before_the_pods_may_go(
    pauses: list[int], stay: float, speed: float
) -> None:
    """As `compute_step_size` in SimKube's `sk-driver/src/util.rs` does it, in whole seconds."""
    when, events = 0, [(0, [workload("Deployment", "web")], [])]
    for pause in pauses:
        when += pause
        events.append((when, [], []))
    trace = make_trace(*events)
    duration = duration_for(trace, stay, speed)
    assert duration >= when
    through = sum(int(pause / speed) for pause in pauses)
    left = (duration - when) / speed  # the driver truncates this too: within a second
    assert through + left >= stay - 1e-6
