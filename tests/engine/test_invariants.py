"""What is true of every run, at every step."""

from hypothesis import given

from sim_arena.engine import Simulation
from tests.engine.digests import everything
from tests.engine.invariants import check, check_settled
from tests.engine.strategies import Case, cases, fixed


@fixed
@given(cases())
def test_the_arrays_are_consistent_after_every_step_of_the_loop(case: Case) -> None:
    program = case.program
    simulation = Simulation(program, case.seed)
    for _ in range(400):
        done = simulation.advance_some(program.duration_s, max_events=1)
        check(program, simulation.state)
        if done:
            break


@fixed
@given(cases())
def test_nothing_is_left_to_do_at_the_end_of_a_moment(case: Case) -> None:
    program = case.program
    simulation = Simulation(program, case.seed)
    for second in range(0, program.duration_s, max(1, program.duration_s // 20)):
        simulation.advance(second)
        check_settled(program, simulation.state)
    simulation.advance()
    check_settled(program, simulation.state)


@fixed
@given(cases())
def test_the_same_seed_gives_the_same_result(case: Case) -> None:
    program = case.program
    runs = [Simulation(program, case.seed) for _ in range(2)]
    for simulation in runs:
        simulation.advance()
    first, second = (everything(program, simulation.state) for simulation in runs)
    assert first == second
