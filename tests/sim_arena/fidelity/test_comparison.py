"""Comparing a recording with the embedded cluster, where no real cluster is needed."""

from dataclasses import replace

import pytest

from sim_arena.fidelity import Counts, Moment, Recording, compare, embedded
from sim_arena.fidelity.embedded import Times, compile_at
from sim_arena.fidelity.recording import NS
from sim_arena.nodes import parse_nodes
from tests.cluster.manifests import make_trace, workload

TRACE = make_trace(
    (0, [workload("Deployment", "web", "7", replicas=8)], []),
    (10, [workload("Deployment", "web", "7", replicas=2)], []),
)
REASON = (
    "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: "
    "0/3 nodes are available: 3 No preemption victims found for incoming pod."
)


def web(ready: int, pending: int, total: int, *reasons: tuple[str, int]) -> tuple[Counts]:
    return (Counts("Deployment", "test-ns", "web", ready, pending, total, reasons),)


RIGHT = Recording(
    TRACE,
    parse_nodes("3x16cpu,32Gi"),
    "simkube",
    (
        Moment(0, 0, NS // 2, 9 * NS, web(6, 2, 8, (REASON, 2))),
        Moment(1, 10, 11 * NS, 15 * NS, web(2, 0, 2)),
    ),
)


def test_what_every_seed_gives_is_equal() -> None:
    found = compare(RIGHT, seeds=8, more=8)
    assert found.agrees
    assert [event.exact for event in found.events] == [True, True]
    [own] = found.events[0].workloads
    assert own.embedded == {(6, 2, 8): 8}
    assert own.reasons


def test_what_no_seed_gives_is_told_for_its_event_and_workload() -> None:
    first, last = RIGHT.moments
    wrong = replace(RIGHT, moments=(first, last._replace(workloads=web(3, 0, 3))))
    found = compare(wrong, seeds=4, more=8)
    assert not found.agrees
    assert [event.agrees for event in found.events] == [True, False]
    [own] = found.events[1].workloads
    assert (own.agrees, own.embedded) == (False, {(2, 0, 2): 8})
    assert found.events[1].seeds == 8


def test_other_messages_with_the_same_counts_are_no_difference_but_told() -> None:
    first, last = RIGHT.moments
    moments = (first._replace(workloads=web(6, 2, 8, ("full", 2))), last)
    found = compare(replace(RIGHT, moments=moments), seeds=4, more=4)
    assert found.agrees
    assert not found.events[0].workloads[0].reasons


def test_counts_that_never_come_together_are_a_difference() -> None:
    """Two Deployments for the room of one: either may have it, and never both."""
    trace = make_trace(
        (0, [workload("Deployment", name, "9", replicas=1) for name in ("one", "two")], [])
    )
    both = tuple(Counts("Deployment", "test-ns", name, 0, 1, 1, ()) for name in ("one", "two"))
    nodes = parse_nodes("1x16cpu,32Gi")
    found = compare(
        Recording(trace, nodes, "simkube", (Moment(0, 0, 0, 5 * NS, both),)), seeds=64, more=64
    )
    [event] = found.events
    assert not event.agrees
    assert all(own.agrees for own in event.workloads)  # each alone
    assert event.width == 2


@pytest.mark.parametrize("error", ["event 0: refused", None])
def test_a_trace_that_could_not_be_played_does_not_agree(error: str | None) -> None:
    found = compare(Recording(TRACE, RIGHT.nodes, "simkube", (), error))
    assert found.agrees is (error is None)


def test_a_large_trace_is_run_in_parts_with_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = [Times(moment.due, moment.applied, moment.seen) for moment in RIGHT.moments]
    program = compile_at(RIGHT.trace, RIGHT.nodes, RIGHT.replay, at, None)
    seen = [moment.seen for moment in RIGHT.moments]
    whole = embedded.outcomes(program, seen, range(5, 25))
    assert [support.total() for support in whole] == [20, 20]
    monkeypatch.setattr(embedded, "_ROOM", 0)
    assert embedded.outcomes(program, seen, range(5, 25)) == whole
