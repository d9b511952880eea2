"""Handing out chunks: what a task of a sweep costs on threads and on workers of Dask.

    python -m benchmarks.handing [CHUNKS] [RUNNER ...]     60 chunks, threads and dask if not given

Plays as many chunks of one short episode each, then three times as many, with two workers and a
Prefect server of its own. What the second sweep takes more is that of its tasks alone: starting
and stopping is in both. Prints wall time, and processor time in the flow's process and in the
workers', in milliseconds a task.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks.server import served

TRACE = Path(__file__).parents[1] / "traces" / "demo" / "001-cpu-over-node.sktrace"
WORKERS = 2


class Cost(NamedTuple):
    """Seconds: on the clock, and of processor time."""

    wall: float
    flow: float
    workers: float


def main(words: list[str]) -> None:
    """Measure, and print."""
    chunks = int(words[0]) if words else 60
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder, "prefect")) as server,
    ):
        os.environ |= {"PREFECT_API_URL": server.url, "PREFECT_LOGGING_LEVEL": "WARNING"}
        for runner in words[1:] or ["threads", "dask"]:
            _played(runner, 1, folder)  # loads what is loaded once
            less, more = (_played(runner, count, folder) for count in (chunks, 3 * chunks))
            each = [1000 * (b - a) / (2 * chunks) for a, b in zip(less, more, strict=True)]
            print(
                f"{runner}, {WORKERS} workers: {each[0]:.0f} ms a task on the clock; of processor "
                f"time {each[1]:.0f} ms in the flow's process, {each[2]:.0f} ms in the workers'",
                flush=True,
            )


def _played(runner: Any, chunks: int, folder: str) -> Cost:
    """Play a sweep of so many chunks of one episode of one step."""
    from flows.sweep import sweep  # noqa: PLC0415 # reads where the server is

    before = _used()
    sweep(
        traces=[str(TRACE)],
        policies=["noop"],
        seeds={"count": chunks},  # type: ignore[arg-type] # as a form gives it
        max_steps=1,
        chunk=1,
        runner=runner,
        workers=WORKERS,
        runs_dir=folder,
        run_id=f"{runner}-{chunks}",
    )
    return Cost(*(after - then for then, after in zip(before, _used(), strict=True)))


def _used() -> Cost:
    """Return the time, and the processor time of this process and of its children that ended."""
    own, others = (getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
    return Cost(perf_counter(), own.ru_utime + own.ru_stime, others.ru_utime + others.ru_stime)


if __name__ == "__main__":
    main(sys.argv[1:])
