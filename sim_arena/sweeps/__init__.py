"""Sweeps: many episodes, planned, played in chunks, and resumed.

    asked = SweepSpec(traces="traces/demo", policies=("heuristic", "random"), seeds="0-99")
    sweep, plan = create(asked)
    summary = go_on(sweep, plan)

The flow `sweep` does the same with Prefect.
"""

from sim_arena.sweeps.asked import Generate, SeedRange, SweepSpec
from sim_arena.sweeps.cases import Case
from sim_arena.sweeps.folder import create, opened, plan_of
from sim_arena.sweeps.plan import Plan
from sim_arena.sweeps.playing import play_chunk, run_id_of
from sim_arena.sweeps.progress import ChunkReport, Progress, TooManyFailedError, UnplayedError
from sim_arena.sweeps.running import go_on
from sim_arena.sweeps.writer import Writer, is_written, writing

__all__ = [
    "Case",
    "ChunkReport",
    "Generate",
    "Plan",
    "Progress",
    "SeedRange",
    "SweepSpec",
    "TooManyFailedError",
    "UnplayedError",
    "Writer",
    "create",
    "go_on",
    "is_written",
    "opened",
    "plan_of",
    "play_chunk",
    "run_id_of",
    "writing",
]
