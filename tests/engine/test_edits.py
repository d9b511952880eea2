"""Editing a compiled program equals compiling the edited trace, and so do their runs."""

from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from sim_arena.engine import Program, Simulation
from tests.engine.digests import everything
from tests.engine.strategies import Case, cases, fixed
from traces import WorkloadRef, arithmetic, edit_container, edit_replicas
from traces.arithmetic import UNBOUNDED

MI = 1 << 20


class Edit(NamedTuple):
    """An edit of one resource, or of the replicas."""

    resource: str
    op: str
    amount: int
    low: int
    high: int
    container: str | None

    def of_trace(self, trace: Any, ref: WorkloadRef) -> None:
        name = f"{ref.kind.lower()}/{ref.name}"
        bounds = {"low": self.low, "high": self.high}
        if self.resource == "replicas":
            edit_replicas(
                trace, name, partial(arithmetic.change_replicas, step=self.amount, **bounds)
            )
            return
        parameter = "value" if self.op == "set_limit" else "step"
        move = partial(getattr(arithmetic, self.op), **{parameter: self.amount}, **bounds)
        edit_container(trace, name, self.resource, move, container=self.container)  # type: ignore[arg-type] # drawn

    def of_program(self, program: Program, ref: WorkloadRef) -> Program:
        if self.resource == "replicas":
            return program.edit_replicas(ref, self.amount, self.low, self.high)
        return program.edit_container(
            ref, self.resource, self.op, self.amount, self.low, self.high, container=self.container
        )


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    resource = draw(st.sampled_from(["cpu", "memory", "replicas"]))
    unit = MI if resource == "memory" else 1
    steps = [1, 2, 50, 250, 1000, 4000] if resource != "replicas" else [*range(1, 10)]
    step = draw(st.sampled_from(steps))
    op = draw(st.sampled_from(["change_request", "change_limit", "set_limit"]))
    sign = 1 if op == "set_limit" and resource != "replicas" else draw(st.sampled_from([1, -1]))
    low = draw(st.sampled_from([0, 1, 50])) if resource != "replicas" else draw(st.integers(0, 2))
    high = draw(st.sampled_from([200, 2000, UNBOUNDED // MI]))
    container = draw(st.sampled_from([None, None, "app", "other", "init", "missing"]))
    return Edit(resource, op, sign * step * unit, low * unit, high * unit, container)


def assert_same_arrays(one: Program, other: Program) -> None:
    for name, left, right in zip(one.arrays._fields, one.arrays, other.arrays, strict=True):
        assert np.array_equal(left, right), name
    assert one.workloads == other.workloads
    assert one.container_names == other.container_names
    assert one.duration_s == other.duration_s


@fixed
@given(cases(), st.data())
def test_editing_commutes_with_compiling(case: Case, data: st.DataObject) -> None:
    program = case.program
    refs = [ref for ref in program.workloads if ref.kind != "Pod"]
    assume(refs)
    edited = deepcopy(case.trace)
    fast = program
    for edit in data.draw(st.lists(edits(), min_size=1, max_size=4)):
        ref = data.draw(st.sampled_from(refs))
        edit.of_trace(edited, ref)
        fast = edit.of_program(fast, ref)
    slow = case._replace(trace=edited).program
    assert_same_arrays(fast, slow)
    runs = [Simulation(one, case.seed) for one in (fast, slow)]
    for one in runs:
        one.advance()
    assert everything(fast, runs[0].state) == everything(slow, runs[1].state)


@fixed
@given(cases(), st.data())
def test_an_edit_leaves_the_program_that_it_was_made_from(case: Case, data: st.DataObject) -> None:
    program = case.program
    refs = [ref for ref in program.workloads if ref.kind != "Pod"]
    assume(refs)
    data.draw(edits()).of_program(program, data.draw(st.sampled_from(refs)))
    assert_same_arrays(program, case.program)
