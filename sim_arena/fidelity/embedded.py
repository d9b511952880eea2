"""What the embedded cluster shows of a recorded trace, with many seeds."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim_arena.engine import Batch, Parameters, compile_trace
from sim_arena.engine.program import NS
from sim_arena.fidelity.recording import Counts
from sim_arena.nodes import Node
from sim_arena.spec import Replay
from traces import Trace

if TYPE_CHECKING:
    from sim_arena.engine.program import Program

__all__ = [
    "Outcome",
    "Times",
    "at_real_times",
    "at_wall_time",
    "compile_at",
    "distinct",
    "outcomes",
]

Outcome = tuple[Counts, ...]

_MINUTE = 60
_AT_ONCE = 512  # runs: more are no faster
_ROOM = 1 << 18  # pods in all runs that are made at once: some 300 MB


class Times(NamedTuple):
    """When an event was due in the trace, in seconds; when it was really applied, and when the
    outcome was looked at, in nanoseconds after the first whole second.
    """  # noqa: D205 # one sentence

    due: int
    applied: int
    seen: int


def compile_at(
    trace: Trace,
    nodes: Sequence[Node],
    mode: Replay,
    times: Sequence[Times],
    start_s: int | None = None,
) -> "Program":
    """Compile a trace with the times at which its events were really applied.

    Args:
        trace: what was played.
        nodes: on which nodes.
        mode: how it was replayed.
        times: of the events that were played, in their order; the others are left out.
        start_s: when the clock of the times was 0, in seconds since 1970: schedules go by that.
    """
    trace = at_wall_time(trace, start_s)
    first, last = trace["events"][0]["ts"], trace["events"][-1]["ts"]
    lasts = max(last - first, *(-(-moment.seen // NS) for moment in times)) + _MINUTE
    program = compile_trace(trace, list(nodes), Parameters(duration=lasts, replay=mode))
    return at_real_times(program, times)


def at_wall_time(trace: Trace, start_s: int | None) -> Trace:
    """Return a trace with the wall time at which it was played; schedules go by that.

    Args:
        trace: what was played.
        start_s: when it began, in seconds since 1970; None leaves the trace as it is.
    """
    if start_s is None or not trace["events"]:
        return trace
    later = start_s - trace["events"][0]["ts"]
    return {**trace, "events": [{**e, "ts": e["ts"] + later} for e in trace["events"]]}


def at_real_times(program: "Program", times: Sequence[Times]) -> "Program":
    """Return a program with the times at which its events were really applied.

    Args:
        program: what was played.
        times: of the events that were played, in their order; the others are left out.
    """
    applications = program.arrays.applications.copy()
    for moment in times:
        due = program.arrays.applications["time"] == moment.due * NS
        applications["time"][due] = moment.applied
    played = applications[applications["time"] <= times[-1].seen]
    header = program.arrays.header.copy()
    header["applications"] = len(played)
    arrays = program.arrays._replace(applications=played, header=header)
    return replace(program, arrays=arrays)


def outcomes(program: "Program", seen: Iterable[int], seeds: range) -> list[Counter[Outcome]]:
    """Run a program with each seed: the first alone, then so many at once as have room.

    Args:
        program: compiled by `compile_at`.
        seen: when to look, in nanoseconds, ascending.
        seeds: one run for each.

    Returns:
        For each moment how many seeds gave which outcome.
    """
    moments = list(seen)
    found: list[Counter[Outcome]] = [Counter() for _ in moments]
    first, at_once = 0, 1
    while first < len(seeds):
        some = seeds[first : first + at_once]
        batch = Batch([program] * len(some), list(some), threads=1)
        for moment, support in zip(moments, found, strict=True):
            batch.advance(moment / NS)
            support.update(distinct(batch, len(some)))
        first += len(some)
        at_once = max(1, min(_AT_ONCE, _ROOM // batch.state.pods.shape[1]))
    return found


def distinct(batch: Batch, runs: int) -> Counter[Outcome]:
    """Return how many of a batch's runs show which outcome at its present time.

    Each different state is described once: to do so takes far longer than the run itself.
    """
    pods, clock = batch.state.pods, batch.state.clock
    most = int(clock["pods"].max(initial=0))
    shown = np.stack([pods[name][:, :most] for name in ("workload", "phase", "ready", "message")])
    described: dict[bytes, Outcome] = {}
    found: Counter[Outcome] = Counter()
    for run in range(runs):
        end = int(clock["pods"][run, 0])
        messages = batch.state.rejections[run, :end][pods["message"][run, :end] != 0]
        key = shown[:, run, :end].tobytes() + b"/" + messages.tobytes()
        if key not in described:
            described[key] = tuple(
                Counts(
                    row.kind,
                    row.namespace,
                    row.name,
                    row.ready,
                    row.pending,
                    row.total,
                    tuple(row.reasons.items()),
                )
                for row in batch.status(run)
            )
        found[described[key]] += 1
    return found
