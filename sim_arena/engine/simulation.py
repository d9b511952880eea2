"""Runs compiled programs: one at a time, or a batch with the same code."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from sim_arena.engine import loop
from sim_arena.engine.glance import MESSAGES, glances, room_for
from sim_arena.engine.observe import WorkloadStatus, observe, status
from sim_arena.engine.overcommitted import overcommitted_nodes
from sim_arena.engine.program import NS, Program
from sim_arena.engine.refusals import refused_pods
from sim_arena.engine.stack import stack
from sim_arena.engine.state import DONE, FULL, State, allocate, grow
from sim_arena.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sim_arena.engine.explain import Explanation
    from sim_arena.observation import Observation
    from traces import WorkloadRef

__all__ = ["Batch", "Simulation"]

_ROOM = 64  # pods to begin with; doubled when that is not enough
_MOST_ROOM = 1 << 21  # pods in all runs together; a pod takes about 1 KiB
_NO_LIMIT = 1 << 62


class Batch:
    """Runs many programs at once, each in its own time.

    A batch gives exactly what its programs give one by one. The work is shared by threads: the
    compiled loop needs no interpreter lock.

    Args:
        programs: compiled traces.
        seeds: one for each program; decides ties and random delays.
        threads: how many threads to use; by default one for each core.
    """

    def __init__(
        self, programs: Sequence[Program], seeds: Sequence[int], *, threads: int | None = None
    ) -> None:
        if len(programs) != len(seeds):
            raise ValueError(
                f"expected a seed for each program, found {len(programs)} programs and "
                f"{len(seeds)} seeds"
            )
        self.programs = list(programs)
        self._seeds = np.array(seeds, np.int64)
        self._threads = threads or os.cpu_count() or 1
        self._stacked = stack(self.programs)
        self._state = allocate(self._stacked, _ROOM)
        self._whole = 1 if self._stacked.header["whole"].any() else None
        self.reset()

    def reset(self) -> None:
        """Set every run back to the time before its first event; the arrays are used again."""
        self._in_slices(loop.reset, self._stacked, self._state, self._seeds, self._whole)

    @property
    def state(self) -> State:
        """The arrays of the runs, stacked: for those who know them."""
        return self._state

    def advance(self, until_s: float | None = None) -> None:
        """Run every program up to and including a time.

        Args:
            until_s: seconds since the trace's first event; None: each program's own end.
        """
        ends = [p.duration_s if until_s is None else until_s for p in self.programs]
        until = np.array([round(end * NS) for end in ends], np.int64)
        while not self._step(until, _NO_LIMIT):
            pass

    def advance_some(self, until_s: float, max_events: int) -> bool:
        """Run until a time or until each run handled `max_events`; say whether all are done."""
        until = np.full(len(self.programs), round(until_s * NS), np.int64)
        return self._step(until, max_events)

    def _step(self, until: Any, max_events: int) -> bool:
        self._in_slices(loop.advance, self._stacked, self._state, until, max_events, self._whole)
        stopped = self._state.clock["status"][:, 0]
        if (stopped == FULL).any():
            self._grow()
        return bool((stopped == DONE).all())

    def _grow(self) -> None:
        room = 2 * self._state.pods.size
        if room > _MOST_ROOM:
            raise PermanentError(
                f"expected at most {_MOST_ROOM:,} pods in {len(self.programs):,} runs, found room "
                f"for {room:,} needed: lower the replicas in the trace, or run fewer at once"
            )
        self._state = grow(self._stacked, self._state)

    def _in_slices(self, kernel: Any, *arguments: Any) -> None:
        count = len(self.programs)
        threads = min(self._threads, max(1, count // 16))
        if threads == 1:
            kernel(*arguments, 0, count)
            return
        bounds = [count * i // threads for i in range(threads + 1)]
        with ThreadPoolExecutor(threads) as pool:
            work = [pool.submit(kernel, *arguments, *part) for part in pairwise(bounds)]
            for future in work:
                future.result()

    def observe(self, i: int, ref: WorkloadRef) -> Observation:
        """Return what is seen of a workload in run `i` at its present time."""
        return observe(self.programs[i], self._at(i), ref)

    def glances(self, refs: Sequence[WorkloadRef]) -> list[bytes | None]:
        """Return for each run what is equal only for equal observations of the same program.

        None where the program needs more than the core of the engine: only `observe` knows then.

        Args:
            refs: the workload to look at, for each run.
        """
        numbers = np.array(
            [p.index(ref) for p, ref in zip(self.programs, refs, strict=True)], np.int64
        )
        rows = self._glances(numbers)
        data, width = rows.tobytes(), rows.shape[1] * rows.itemsize
        whole = self._stacked.header["whole"][:, 0].tolist()
        return [
            None if needs_more else data[i * width : (i + 1) * width]
            for i, needs_more in enumerate(whole)
        ]

    def _glances(self, numbers: Any) -> Any:
        programs, state = self._stacked, self._state
        room = 2
        while True:
            rows = room_for(programs, state, room)
            self._in_slices(
                glances,
                programs.header,
                programs.nodes,
                programs.templates,
                programs.containers,
                state.clock,
                state.nodes,
                state.workloads,
                state.pods,
                state.containers,
                state.rejections,
                numbers,
                rows,
            )
            most = int(rows[:, MESSAGES].max(initial=0))
            if most <= room:
                return rows
            room = most

    def status(self, i: int) -> list[WorkloadStatus]:
        """Return what is seen of each workload in run `i` at its present time."""
        return status(self.programs[i], self._at(i))

    def _at(self, i: int) -> State:
        return State(*(array[i] for array in self._state))


class Simulation:
    """Runs one program: a batch of one.

    Args:
        program: a compiled trace.
        seed: decides ties and random delays.
    """

    def __init__(self, program: Program, seed: int = 0) -> None:
        self.program = program
        self._batch = Batch([program], [seed], threads=1)

    def advance(self, until_s: float | None = None) -> None:
        """Run up to and including a time, in seconds; None: to the end of the window."""
        self._batch.advance(until_s)

    def advance_some(self, until_s: float, max_events: int) -> bool:
        """Run until a time or `max_events`; say whether the time was reached."""
        return self._batch.advance_some(until_s, max_events)

    def observe(self, ref: WorkloadRef) -> Observation:
        """Return what is seen of a workload at the present time."""
        return self._batch.observe(0, ref)

    def status(self) -> list[WorkloadStatus]:
        """Return what is seen of each workload at the present time."""
        return self._batch.status(0)

    def explain(self, ref: WorkloadRef) -> tuple[Explanation, list[str]] | None:
        """Return what the scheduler's plugins say of each node for a pod of a workload, now.

        Returns:
            The explanation, and the names of all pods by number; None if the workload has no
            pod that is pending or on a node.

        Raises:
            KeyError: if the program has no such workload.
        """
        from sim_arena.engine import explain  # noqa: PLC0415 - few ask

        p = explain.pick(self.program, self.state, ref)
        if p is None:
            return None
        refs = self.program.workloads
        workloads = self.state.pods["workload"]
        names = [f"{refs[w].namespace}/{refs[w].name}" for w in workloads]
        return explain.explain(self.program, self.state, p), names

    @property
    def state(self) -> State:
        """The run's arrays: for those who know them."""
        return State(*(array[0] for array in self._batch.state))

    @property
    def warnings(self) -> tuple[str, ...]:
        """All that is not modelled, by name, the bare pods refused so far, and full nodes."""
        return (
            *self.program.warnings,
            *refused_pods(self.program, self.state),
            *overcommitted_nodes(self.program, self.state),
        )
