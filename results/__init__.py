"""What a run leaves behind: step.jsonl, the Parquet data set, summary.json.

The usual way through it:

    run = Run.create("runs", columns=(*STEP_COLUMNS, Column("obs_ready", "int", "pods", "...")))
    run.append_step(row)     # after every step; on the disk when it returns
    run.write_parquet()      # the steps as Parquet, one file a chunk
    run.write_summary()      # the figures; the run has ended

and later, from anywhere:

    pandas.read_parquet("runs/latest/steps")
    duckdb.sql("select * from 'runs/latest/steps/*/*.parquet'")
    results.read_steps("runs/latest")

This package knows rows and files, and nothing of traces, clusters or policies.
"""

from results.columns import STEP_COLUMNS, Column, Row, check_row
from results.dataset import arrow_schema
from results.errors import ResultsError, ResultsNotice
from results.run import Run, RunInfo, find_run, list_runs, new_run_id, read_steps
from results.summary import Figures, Summary, Tally, summarise
from results.versions import SCHEMA_VERSION, UPGRADES, Upgrade

__all__ = [
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
    "Summary",
    "Tally",
    "Upgrade",
    "arrow_schema",
    "check_row",
    "find_run",
    "list_runs",
    "new_run_id",
    "read_steps",
    "summarise",
]
