"""The traces that SimKube recorded on real clusters play to their ends."""

from collections import Counter
from pathlib import Path

import pytest

from sim_arena.engine import Parameters, Simulation, compile_trace
from sim_arena.engine.state import SUCCEEDED
from sim_arena.nodes import DEFAULT_NODES, parse_nodes
from tests.engine.digests import everything
from tests.engine.invariants import check_settled
from tests.engine.scenes import alive
from traces import Trace, load_trace

SHARED = Path(__file__).parents[3] / "shared" / "traces"


def recorded(name: str) -> Trace:
    path = SHARED / f"{name}.sktrace"
    if not path.is_file():
        pytest.skip(f"{path} is not there: the recorded traces lie beside the repository")
    return load_trace(path)


def played(trace: Trace, **parameters: object) -> Simulation:
    program = compile_trace(trace, parse_nodes(DEFAULT_NODES), Parameters(**parameters))  # type: ignore[arg-type] # named fields
    simulation = Simulation(program)
    for second in range(0, program.duration_s, 10):
        simulation.advance(second)
        check_settled(program, simulation.state)
    simulation.advance()
    return simulation


def applied(trace: Trace) -> Counter[str]:
    objects = [obj for event in trace["events"] for obj in event["applied_objs"]]
    return Counter(obj["kind"] for obj in objects)


def test_dsb_scaling() -> None:
    trace = recorded("dsb-scaling")
    simulation = played(trace)
    assert simulation.program.duration_s == 1134 + 60
    assert simulation.warnings == ()
    rows = {row.name: row for row in simulation.status()}
    assert len(rows) == 27
    last = {
        obj["metadata"]["name"]: obj["spec"]["replicas"]
        for event in trace["events"]
        for obj in event["applied_objs"]
    }
    assert {name: row.ready for name, row in rows.items()} == last
    assert all(row.pending == 0 for row in rows.values())


def test_dsb_scaling_over_its_recorded_time() -> None:
    trace = recorded("dsb-scaling")
    simulation = played(trace, duration=1134)
    assert len(simulation.status()) == 27
    # The event at the very end of the window is dropped, as SimKube drops it.
    assert len(simulation.program.arrays.applications) == sum(
        len(event["applied_objs"]) for event in trace["events"][:-1]
    )


def test_bare_pods() -> None:
    trace = recorded("bare-pods")
    simulation = played(trace)
    assert simulation.warnings == ()
    assert len(simulation.status()) == applied(trace)["Pod"] == 4
    ended = [pod for pod in alive(simulation) if pod["phase"] == SUCCEEDED]
    known = [
        entry
        for by_hash in trace["pod_lifecycles"].values()
        for entries in by_hash.values()
        for entry in entries
    ]
    for pod, lifetime in zip(alive(simulation), simulation.program.arrays.timelines, strict=True):
        assert int(pod["lifetime"]) == int(lifetime)
    assert 0 < len(ended) <= sum("Finished" in entry for entry in known)


def test_the_cronjob_starts_a_pod_at_each_full_minute() -> None:
    """The trace begins 37 s before a full minute; its pods ran for 30 s each."""
    trace = recorded("cronjob")
    simulation = Simulation(compile_trace(trace, parse_nodes(DEFAULT_NODES)))
    assert simulation.warnings == ()
    for second, ready, total in [(36, 0, 0), (39, 1, 1), (70, 0, 1), (99, 1, 2), (130, 0, 2)]:
        simulation.advance(second)
        (job,) = simulation.status()
        assert (job.ready, job.pending, job.total) == (ready, 0, total)


@pytest.mark.parametrize("name", ["bare-pods", "cronjob", "dsb-scaling"])
def test_a_recorded_trace_has_one_result(name: str) -> None:
    one, other = (played(recorded(name)) for _ in range(2))
    assert everything(one.program, one.state) == everything(other.program, other.state)
