"""What the embedded cluster shows of a recorded scenario, with many seeds."""

from collections import Counter
from dataclasses import replace

from sim_arena.engine import Batch, Parameters, compile_trace
from sim_arena.engine.guided import FAR
from sim_arena.engine.program import NS, Program
from sim_arena.fidelity.embedded import Outcome, Times, at_real_times, at_wall_time, distinct
from tests.fidelity.account import Account
from tests.fidelity.applied import applied
from tests.fidelity.recording import Recording
from traces.arithmetic import UNSET

_MINUTE = 60
_MS = 1_000_000


def compile_recording(recording: Recording) -> Program:
    """Compile a scenario with the times at which its events were really applied."""
    scenario = recording.scenario
    trace = at_wall_time(scenario.trace, recording.start_s)
    lasts = max(trace["events"][-1]["ts"] - trace["events"][0]["ts"], _seconds(recording))
    parameters = Parameters(lasts + _MINUTE, scenario.speed, scenario.replay, *scenario.delays)
    program = compile_trace(trace, scenario.nodes, parameters)
    return at_real_times(program, [Times(m.due, m.applied, m.seen) for m in recording.moments])


def variants(recording: Recording, program: Program) -> list[Program]:
    """The same as fast as the real control plane was; of what it took the most is not certain.

    Of the objects of an event each is applied some milliseconds after the one before, as it comes,
    or as it really was; and pods start as late as they really did.
    """
    if not recording.log:
        return [program]
    paces = (program, _at_real_pace(recording, program))
    return [one for pace in paces for one in _with_real_starts(recording, pace)]


def _at_real_pace(recording: Recording, program: Program) -> Program:
    applications = program.arrays.applications.copy()
    began = time = UNSET
    for row, real in zip(applications, applied(Account(recording), program), strict=False):
        if row["time"] != time:
            time, began = row["time"], UNSET
        if real is not None:
            if began == UNSET:
                began = real
            row["offset"] = max(0, real - began) // _MS
    return replace(program, arrays=program.arrays._replace(applications=applications))


def _seconds(recording: Recording) -> int:
    return recording.moments[-1].seen // NS


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


def _with_real_starts(recording: Recording, program: Program) -> list[Program]:
    """The same with the time that KWOK itself took to start a bound pod.

    Where pods end and others come in their place, it adds up. Starts are drawn from the least up
    to the most that was seen, or up to what a quarter, a half or three quarters of them took; or
    from what it took since the pods' objects began to be applied.
    """
    if "lifecycles" not in recording.scenario.features:
        return [program]
    header = program.arrays.header
    pull = int(header["image_pull_jitter"][0])
    low, high = int(header["pod_startup_delay"][0]), int(header["pod_startup_jitter"][0])
    pods = [pod for pod in Account(recording).pods if pod.bound < pod.running < FAR]
    if not pods:
        return [program]
    took = sorted(pod.running - pod.bound - pull - high for pod in pods)
    bounds = [(took[0], took[len(took) * quarter // 4 - 1]) for quarter in range(1, 5)]
    applied_at = [moment.applied for moment in recording.moments]
    in_all = [
        pod.running - began - pull - high
        for pod in pods
        if (began := max((at for at in applied_at if at <= pod.thing.created), default=-NS)) >= 0
        and pod.thing.created - began < NS
        and pod.bound - pod.thing.created < NS
    ]
    if in_all:
        bounds.append((min(in_all), max(in_all)))
    return [_started(program, low, high, least, most) for least, most in bounds]


def _started(program: Program, low: int, high: int, least: int, most: int) -> Program:
    header = program.arrays.header.copy()
    header["pod_startup_delay"] = min(low, high) + max(0, least)
    header["pod_startup_jitter"] = high + max(0, most)
    return replace(program, arrays=program.arrays._replace(header=header))


def outcomes(
    recording: Recording, programs: list[Program], seeds: range
) -> list[dict[float, Counter[Outcome]]]:
    """Run a recorded scenario with each seed.

    Args:
        recording: what was played on the real control plane.
        programs: the same, compiled; the seeds take them in turn.
        seeds: one run for each.

    Returns:
        For each moment, and each time before it by some seconds, how many seeds gave which
        outcome.
    """
    runs = [programs[seed % len(programs)] for seed in seeds]
    batch = Batch(runs, list(seeds), threads=1)
    lags = lags_of(recording)
    found: list[dict[float, Counter[Outcome]]] = []
    for moment in recording.moments:
        supports: dict[float, Counter[Outcome]] = {}
        for lag in sorted(lags, reverse=True):
            at = moment.seen / NS - lag
            if lag == 0 or at > moment.applied / NS:
                batch.advance(at)
                supports[lag] = distinct(batch, len(seeds))
        found.append(supports)
    return found
