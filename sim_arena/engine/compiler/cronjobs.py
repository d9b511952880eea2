"""Which Jobs a CronJob may start within the window: a row each, known before the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim_arena.engine.compiler.fields import number
from sim_arena.engine.compiler.schedules import ScheduleError, times
from sim_arena.engine.program import JOB, NS
from traces.arithmetic import UNSET

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sim_arena.engine.compiler.history import Applied
    from sim_arena.engine.compiler.unmodelled import Unmodelled
    from traces import WorkloadRef

__all__ = ["CronJobs"]

_MOST_JOBS = 20_000


class CronJobs:
    """Collects the rows of the Jobs that CronJobs may start.

    Args:
        first: number of the first row: behind those of the trace's own workloads.
        start: the trace's first timestamp, in Unix seconds; virtual time counts from it.
        end: where the window ends, in virtual seconds.
        unmodelled: where to note what the engine does not model.
    """

    def __init__(self, first: int, start: int, end: int, unmodelled: Unmodelled) -> None:
        self.rows: list[dict[str, int]] = []
        self._first = first
        self._start = start
        self._end = end
        self._unmodelled = unmodelled
        self._schedules: dict[tuple[str, str | None, int], int] = {}

    def fields(
        self, workload: int, ref: WorkloadRef, applied: Sequence[Applied]
    ) -> list[dict[str, int]]:
        """Return for each application of a CronJob the fields that its controller reads.

        Args:
            workload: the CronJob's number.
            ref: its name, for messages.
            applied: when it is applied, None standing for its deletion.

        Raises:
            TraceError: if a field is not what it should be.
        """
        found: list[dict[str, int]] = []
        created = 0
        before: tuple[str, str | None] | None = None
        rows = {"schedule": UNSET, "first_job": self._first, "end_job": self._first}
        for position, (time, _, obj, _) in enumerate(applied):
            if obj is None:
                before = None
                found.append({})
                continue
            spec = obj["spec"]
            schedule = str(spec.get("schedule")), spec.get("timeZone")
            if before is None:
                created = time
            if schedule != before:
                until = _until_other(applied[position + 1 :], schedule, self._end)
                rows = self._add(workload, ref, schedule, created, until)
            before = schedule
            found.append({**rows, **_policy(ref, spec)})
        return found

    def _add(
        self,
        workload: int,
        ref: WorkloadRef,
        schedule: tuple[str, str | None],
        created: int,
        until: int,
    ) -> dict[str, int]:
        first = self._first + len(self.rows)
        none = {"schedule": UNSET, "first_job": first, "end_job": first}
        try:
            due = times(*schedule, self._start + created, self._start + until)
        except ScheduleError as error:
            self._unmodelled.note(
                f"{ref}: schedule {schedule[0]!r}: {error}: the API server would refuse it, in "
                f"the engine it starts no Job"
            )
            return none
        room = _MOST_JOBS - len(self.rows)
        if len(due) > room:
            self._unmodelled.note(
                f"{ref}: the engine starts at most {_MOST_JOBS:,} Jobs in all: those after "
                f"{room:,} more are left out"
            )
            due = due[:room]
        self.rows += [
            {
                "kind": JOB,
                "owner": workload,
                "time": (second - self._start) * NS,
                "minute": second // 60,
            }
            for second in due
        ]
        number_of = self._schedules.setdefault((*schedule, created), len(self._schedules))
        return {"schedule": number_of, "first_job": first, "end_job": first + len(due)}


def _until_other(following: Sequence[Applied], schedule: tuple[str, str | None], end: int) -> int:
    """Return until when a schedule holds, in virtual seconds."""
    for time, _, obj, _ in following:
        if obj is None:
            return time
        if (str(obj["spec"].get("schedule")), obj["spec"].get("timeZone")) != schedule:
            return time
    return end


def _policy(ref: WorkloadRef, spec: Mapping[str, Any]) -> dict[str, int]:
    within = number(ref, spec, "startingDeadlineSeconds", UNSET)
    return {
        "halted": int(bool(spec.get("suspend"))),
        "one_at_a_time": int(spec.get("concurrencyPolicy") == "Forbid"),
        "replaces": int(spec.get("concurrencyPolicy") == "Replace"),
        "start_within": UNSET if within == UNSET else within * NS,
        "keeps_complete": number(ref, spec, "successfulJobsHistoryLimit", 3),
        "keeps_failed": number(ref, spec, "failedJobsHistoryLimit", 1),
    }
