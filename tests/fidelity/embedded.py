"""What the embedded cluster shows of a recorded scenario, with many seeds."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from sim_arena.engine import Batch, Parameters, compile_trace
from sim_arena.engine.guided import FAR
from sim_arena.engine.program import NS, Program
from tests.fidelity.account import Account
from tests.fidelity.recording import Counts, Recording
from traces import Trace

Outcome = tuple[Counts, ...]

_MINUTE = 60


def compile_recording(recording: Recording) -> Program:
    """Compile a scenario with the times at which its events were really applied."""
    scenario = recording.scenario
    trace = _at_wall_time(recording)
    lasts = max(trace["events"][-1]["ts"] - trace["events"][0]["ts"], _seconds(recording))
    parameters = Parameters(lasts + _MINUTE, scenario.speed, scenario.replay, *scenario.delays)
    program = compile_trace(trace, scenario.nodes, parameters)
    applications = program.arrays.applications.copy()
    for moment in recording.moments:
        applications["time"][program.arrays.applications["time"] == moment.due * NS] = (
            moment.applied
        )
    played = applications[applications["time"] <= recording.moments[-1].seen]
    header = program.arrays.header.copy()
    header["applications"] = len(played)
    arrays = program.arrays._replace(applications=played, header=header)
    return replace(program, arrays=arrays)


def _seconds(recording: Recording) -> int:
    return recording.moments[-1].seen // NS


def _at_wall_time(recording: Recording) -> Trace:
    """The trace with the wall time at which it was really played: schedules go by that."""
    trace = recording.scenario.trace
    if recording.start_s is None:
        return trace
    later = recording.start_s - trace["events"][0]["ts"]
    return {**trace, "events": [{**e, "ts": e["ts"] + later} for e in trace["events"]]}


# The real control plane is late: by the time that settling takes, and each delay after delay. A
# state that changes by the passing of time alone is looked for a little earlier, too.
LAGS_S = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
_TIMED = frozenset({"lifecycles", "delays", "min-ready", "quotas", "cronjobs"})
_TIMED_KINDS = frozenset({"Job", "CronJob"})


def lags_of(recording: Recording) -> tuple[float, ...]:
    """By how much earlier the engine may have been where the real one is, in seconds."""
    scenario = recording.scenario
    timed = _TIMED.intersection(scenario.features) or _TIMED_KINDS.intersection(scenario.kinds)
    return LAGS_S if timed else LAGS_S[:1]


def with_real_starts(recording: Recording, program: Program) -> Program:
    """The same with the time that KWOK itself took to start a bound pod, from least to most.

    Where pods end and others come in their place, it adds up.
    """
    if "lifecycles" not in recording.scenario.features or not recording.log:
        return program
    header = program.arrays.header.copy()
    pull = int(header["image_pull_jitter"][0])
    low, high = int(header["pod_startup_delay"][0]), int(header["pod_startup_jitter"][0])
    took = [
        pod.running - pod.bound - pull - high
        for pod in Account(recording).pods
        if pod.bound < pod.running < FAR
    ]
    if not took:
        return program
    header["pod_startup_delay"] = min(low, high) + max(0, min(took))
    header["pod_startup_jitter"] = high + max(0, *took)
    return replace(program, arrays=program.arrays._replace(header=header))


def outcomes(
    recording: Recording, program: Program, seeds: range
) -> list[dict[float, Counter[Outcome]]]:
    """Run a recorded scenario with each seed.

    Args:
        recording: what was played on the real control plane.
        program: the same, compiled.
        seeds: one run for each.

    Returns:
        For each moment, and each time before it by some seconds, how many seeds gave which
        outcome.
    """
    batch = Batch([program] * len(seeds), list(seeds), threads=1)
    lags = lags_of(recording)
    found: list[dict[float, Counter[Outcome]]] = []
    for moment in recording.moments:
        supports: dict[float, Counter[Outcome]] = {}
        for lag in sorted(lags, reverse=True):
            at = moment.seen / NS - lag
            if lag == 0 or at > moment.applied / NS:
                batch.advance(at)
                supports[lag] = _distinct(batch, len(seeds))
        found.append(supports)
    return found


def _distinct(batch: Any, runs: int) -> Counter[Outcome]:
    """Describe each different state once: to do so takes far longer than the run itself."""
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
