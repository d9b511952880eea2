"""Arrow starts no threads: one that still runs when Python ends kills the process."""

import subprocess
import sys
from pathlib import Path

import pytest

from results.figures import summarise_sweep
from tests.results.test_comparison import none_done, only_a, sweep

TASKS = Path("/proc/self/task")
"""A folder for each thread of the process, on Linux."""

READ_ALL = """
import os, sys

import numpy, pandas, pyarrow, scipy.special  # linear algebra has threads of its own
from pyarrow.compute import field

import results
from results.compaction import compact
from results.comparison import compare
from results.export import export_rows
from results.figures import summarise_sweep
from results.report import measure, page, report

a, b = (results.open_result(place) for place in sys.argv[1:])
before = os.listdir("/proc/self/task")


def same(what):
    more = set(os.listdir("/proc/self/task")) - set(before)
    if more:
        sys.exit(f"{what} started {len(more)} threads")


results.load_steps(a), results.load_episodes(a, columns=["episode"])
same("loading")
results.load_episodes(a, where=field("policy") == "a")
same("a filter")
summarise_sweep(a)
same("the summary")
compare(a, b)
same("comparing")
page(report(a, measure(a), episode=[]))
same("the report")
for table in ("steps", "episodes"):
    names, rows = export_rows(a, table)
    assert list(rows)
same("exporting")
compact(a)
same("compacting")
print("done")
"""


@pytest.mark.skipif(not TASKS.exists(), reason="only Linux lists the threads of a process")
def test_nothing_that_reads_a_sweep_starts_a_thread(runs_dir: Path) -> None:
    places = []
    for name, done in (("x", only_a), ("y", none_done)):
        made = sweep(runs_dir, name, done)
        made.write_summary(summarise_sweep(made))
        places.append(str(made.path))
    read = subprocess.run(
        [sys.executable, "-c", READ_ALL, *places], capture_output=True, text=True, check=False
    )
    assert (read.stdout, read.stderr) == ("done\n", "")
