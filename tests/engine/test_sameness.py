"""A run's result depends on its program and its seed, and on nothing else."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_arena.engine import Batch, Simulation, compile_trace, simulation
from sim_arena.engine.state import State
from sim_arena.errors import PermanentError
from tests.engine.digests import everything, run
from tests.engine.manifests import bare_pod, container, deployment, nodes, ref, template, trace
from tests.engine.strategies import Case, cases, fixed

REPOSITORY = Path(__file__).parents[2]


def played(case: Case) -> Simulation:
    one = Simulation(case.program, case.seed)
    one.advance()
    return one


def outcome(one: Simulation) -> object:
    return everything(one.program, one.state)


@settings(fixed, max_examples=30)
@given(st.lists(cases(), min_size=1, max_size=6), st.sampled_from([1, 2, 3]))
def test_a_batch_equals_its_programs_one_by_one(some: list[Case], threads: int) -> None:
    some = (some * 40)[: 16 * threads]  # a thread gets at least sixteen runs
    batch = Batch([case.program for case in some], [case.seed for case in some], threads=threads)
    batch.advance()
    alone = {id(case): outcome(played(case)) for case in some}
    for i, case in enumerate(some):
        state = State(*(array[i] for array in batch.state))
        assert everything(batch.programs[i], state) == alone[id(case)]


@fixed
@given(cases(), st.integers(1, 40))
def test_a_run_can_stop_after_any_number_of_events(case: Case, events: int) -> None:
    program = case.program
    one = Simulation(program, case.seed)
    while not one.advance_some(program.duration_s, events):
        pass
    assert outcome(one) == outcome(played(case))


@fixed
@given(cases(), st.lists(st.floats(0, 500), max_size=20))
def test_a_run_can_stop_at_any_times(case: Case, stops: list[float]) -> None:
    program = case.program
    one = Simulation(program, case.seed)
    for stop in sorted(stops):
        one.advance(min(stop, program.duration_s))
        one.status()
    one.advance()
    assert outcome(one) == outcome(played(case))


@fixed
@given(cases(), st.sampled_from([1, 2, 5, 1000]))
def test_the_size_of_the_arrays_changes_nothing(case: Case, room: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "_ROOM", room)
        small = played(case)
    assert outcome(small) == outcome(played(case))


def test_a_moment_that_begins_with_no_room_begins_as_any_other() -> None:
    """The moment before it had two objects, so that their order was drawn."""
    pair = [deployment(template(schedulingGates=[{"name": "wait"}]), 1, name) for name in "ab"]
    events = trace((0, pair), (1, [bare_pod(template())]), (2, pair[:1], pair[1:]))
    program = compile_trace(events, nodes(1))
    states = []
    for room in (1, 2, 64):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(simulation, "_ROOM", room)
            one = Simulation(program)
            one.advance()
        states.append(outcome(one))
    assert states[0] == states[1] == states[2]


def test_compiled_code_equals_plain_python(tmp_path: Path) -> None:
    collected: list[Case] = []

    @settings(fixed, max_examples=80)
    @given(cases())
    def collect(case: Case) -> None:
        collected.append(case)

    collect()
    file = tmp_path / "cases"
    file.write_bytes(pickle.dumps(collected))
    plain = subprocess.run(
        [sys.executable, "-m", "tests.engine.digests", str(file)],
        cwd=REPOSITORY,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout.split() == run(collected)


def test_a_batch_that_is_reset_plays_again() -> None:
    web = deployment(template(container("1")), 100)
    batch = Batch([compile_trace(trace((0, [web])), nodes(3))] * 20, [*range(20)])
    outcomes = []
    for _ in range(2):
        batch.advance()
        outcomes.append([batch.observe(i, ref()) for i in range(20)])
        batch.reset()
        assert batch.observe(0, ref())["total"] == 0
    assert outcomes[0] == outcomes[1]


def test_more_pods_than_memory_could_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "_MOST_ROOM", 1000)
    web = deployment(template(), 2_000_000_000)
    with pytest.raises(PermanentError, match="lower the replicas"):
        Simulation(compile_trace(trace((0, [web])), nodes(1))).advance()
