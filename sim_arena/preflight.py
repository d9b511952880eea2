"""What is checked before an episode's first simulation."""

from collections.abc import Iterator
from pathlib import Path

from sim_arena import clusters, rewards
from sim_arena.clusters import Check
from sim_arena.errors import PermanentError, SimArenaError
from sim_arena.locks import is_locked
from sim_arena.spec import EpisodeSpec
from traces import Trace, TraceError, WorkloadRef, find_workload, load_trace
from traces.workloads import applications

__all__ = ["appearances", "check", "require"]


def check(spec: EpisodeSpec) -> list[Check]:
    """Look at everything that can be known beforehand.

    What makes the rest pointless comes first and ends the list: a trace that cannot be read has
    no workload.
    """
    checks = []
    for found in _checks(spec):
        checks.append(found)
        if found.required and not found.ok:
            return checks
    return [*checks, *clusters.get(spec.place).preflight(spec)]


def require(checks: list[Check]) -> None:
    """Raise if a required check failed.

    Raises:
        PermanentError: with what was found and what to do, of every check that failed
    """
    failed = [found for found in checks if found.required and not found.ok]
    if failed:
        raise PermanentError("; ".join(_sentence(found) for found in failed))


def appearances(trace: Trace) -> dict[WorkloadRef, int]:
    """Return when each workload is applied first, in seconds after the trace's first event."""
    first: dict[WorkloadRef, int] = {}
    for found in applications(trace):
        seconds = trace["events"][found.event]["ts"] - trace["events"][0]["ts"]
        first.setdefault(found.workload, seconds)
    return first


def _checks(spec: EpisodeSpec) -> Iterator[Check]:
    yield _reward(spec.reward)
    try:
        trace = load_trace(spec.trace)
    except TraceError as error:
        yield Check("trace", ok=False, found=str(error), remedy="give a SimKube trace file")
        return
    yield Check("trace", ok=True, found=_size(trace))
    try:
        ref = find_workload(trace, spec.deploy, spec.namespace)
    except TraceError as error:
        yield Check("workload", ok=False, found=str(error))
        return
    yield Check("workload", ok=True, found=str(ref))
    yield _appears(trace, ref, spec.duration)
    yield _leftovers(spec)


def _reward(name: str) -> Check:
    try:
        rewards.get(name)
    except SimArenaError as error:
        return Check("reward", ok=False, found=str(error))
    return Check("reward", ok=True, found=name)


def _size(trace: Trace) -> str:
    events = trace["events"]
    seconds = events[-1]["ts"] - events[0]["ts"] if events else 0
    return f"{len(events)} events over {seconds} s, {len(appearances(trace))} workloads"


def _appears(trace: Trace, ref: WorkloadRef, duration: int) -> Check:
    """Check that the workload is applied before the window closes."""
    first = appearances(trace)
    at = first[ref]
    if at < duration:
        return Check("appears", ok=True, found=f"{ref} appears after {at} s of {duration} s")
    there = ", ".join(str(other) for other, seconds in first.items() if seconds < duration)
    return Check(
        "appears",
        ok=False,
        found=f"{ref} appears after {at} s, and the duration of {duration} s ends before; "
        f"until then there is: {there or 'no workload'}",
        remedy=f"give a duration of more than {at} s",
    )


def _leftovers(spec: EpisodeSpec) -> Check:
    """Look for runs that were interrupted: without a summary, and played by nobody."""
    folder = Path(spec.runs_dir)
    # There may be thousands: look at which files there are, and read none of them.
    runs = sorted(path.parent for path in folder.glob("*/run.json"))
    unfinished = [run for run in runs if not run.is_symlink() and not _ended(run)]
    left = [run.name for run in unfinished if run.name != spec.run_id and not is_locked(run)]
    if not left:
        return Check("leftovers", ok=True, found="no interrupted run", required=False)
    return Check(
        "leftovers",
        ok=False,
        found=f"{len(left)} interrupted: {', '.join(left[-3:])}{' and others' * (len(left) > 3)}",
        remedy=f"resume one with its run id, or delete its folder in {folder}",
        required=False,
    )


def _ended(run: Path) -> bool:
    return (run / "summary.json").exists()


def _sentence(found: Check) -> str:
    return f"{found.found}: {found.remedy}" if found.remedy else found.found
