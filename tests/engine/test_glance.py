"""Runs with equal glances have equal observations."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sim_arena.engine import Batch, Parameters, compile_trace
from sim_arena.nodes import parse_nodes
from traces import load_manifest, load_trace
from traces.workloads import applications

DEMO = Path(__file__).parents[2] / "traces" / "demo"
ENTRIES = load_manifest(DEMO)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_equal_glances_are_equal_observations(data: st.DataObject) -> None:
    """Some runs of few programs, at some moment: pairs with equal glances look alike."""
    programs, refs = [], []
    for entry in data.draw(st.lists(st.sampled_from(ENTRIES), min_size=1, max_size=3)):
        trace = load_trace(DEMO / entry.file)
        nodes = data.draw(st.sampled_from([entry.nodes, "1x2cpu,4Gi", "2x8cpu,16Gi,3pods"]))
        duration = data.draw(st.sampled_from([entry.duration, 20, 600]))
        programs.append(
            compile_trace(
                trace,
                parse_nodes(nodes),
                Parameters(duration=duration, pod_startup_jitter=data.draw(st.integers(0, 9))),
            )
        )
        refs.append(data.draw(st.sampled_from([found.workload for found in applications(trace)])))
    times = data.draw(st.integers(2, 8))
    batch = Batch(programs * times, list(range(len(programs) * times)))
    for until in [data.draw(st.floats(0, 60)), None]:
        batch.advance(until)
        known: dict[tuple[int, bytes], object] = {}
        for i, key in enumerate(batch.glances(refs * times)):
            assert key is not None
            which = i % len(programs)
            seen = batch.observe(i, refs[which])
            assert known.setdefault((which, key), seen) == seen


def test_equal_runs_have_equal_keys_and_others_have_not() -> None:
    entry = ENTRIES[0]
    program = compile_trace(
        load_trace(DEMO / entry.file), parse_nodes(entry.nodes), Parameters(duration=entry.duration)
    )
    [ref] = [ref for ref in program.workloads if ref.name == entry.name]
    batch = Batch([program, program], [1, 1])
    batch.advance()
    one, other = batch.glances([ref, ref])
    assert one == other
    early = Batch([program, program], [1, 1])
    early.advance(1.0)
    assert early.glances([ref, ref])[0] != one
