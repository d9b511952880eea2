"""What a run leaves behind: step.jsonl, the Parquet data set, summary.json.

The usual way through it:

    run = Run.create("runs", columns=(*STEP_COLUMNS, Column("obs_ready", "int", "pods", "...")))
    run.append_step(row)     # after every step; on the disk when it returns
    run.write_parquet()      # the steps as Parquet, one file a chunk
    run.write_summary()      # the figures; the run has ended

and later, from anywhere:

    pandas.read_parquet("runs/latest/steps")
    duckdb.read_parquet(results.parquet_files("runs/latest"))
    results.read_steps("runs/latest")
    results.load_steps("runs/latest")     # a DataFrame; form="arrow" for a pyarrow.Table
    results.load_episodes("runs/latest")  # likewise, a row an episode

A sweep (`Sweep`) writes both tables as Parquet, a file each for every chunk of its episodes, into
a folder or an object store.

This package knows rows and files, and nothing of traces, clusters or policies.
"""

from results.columns import STEP_COLUMNS, Column, Row, check_row
from results.dataset import arrow_schema, rows_of, table_of
from results.episodes import EPISODE_COLUMNS, episode_rows
from results.errors import ResultsError, ResultsNotice
from results.loading import load_episodes, load_steps, open_result, parquet_files
from results.run import Run, RunInfo, find_run, list_runs, new_run_id, read_steps
from results.store import Store, store_at
from results.summary import Summary, Tally, summarise
from results.sums import Figures
from results.sweep import Sweep
from results.versions import SCHEMA_VERSION, UPGRADES, Upgrade

__all__ = [
    "EPISODE_COLUMNS",
    "SCHEMA_VERSION",
    "STEP_COLUMNS",
    "UPGRADES",
    "Column",
    "Figures",
    "ResultsError",
    "ResultsNotice",
    "Row",
    "Run",
    "RunInfo",
    "Store",
    "Summary",
    "Sweep",
    "Tally",
    "Upgrade",
    "arrow_schema",
    "check_row",
    "episode_rows",
    "find_run",
    "list_runs",
    "load_episodes",
    "load_steps",
    "new_run_id",
    "open_result",
    "parquet_files",
    "read_steps",
    "rows_of",
    "store_at",
    "summarise",
    "table_of",
]
