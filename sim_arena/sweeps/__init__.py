"""Sweeps: many episodes, planned, played in chunks, and resumed.

    asked = SweepSpec(traces="traces/demo", policies=("heuristic", "random"), seeds="0-99")
    sweep, plan = create(asked)
    summary = go_on(sweep, plan)

The flow `sweep` does the same with Prefect.
"""

from sim_arena.sweeps.asked import Generate, SeedRange, SweepSpec
from sim_arena.sweeps.cases import Case
from sim_arena.sweeps.folder import create, opened, plan_of, writing
from sim_arena.sweeps.plan import Plan
from sim_arena.sweeps.playing import play_chunk
from sim_arena.sweeps.progress import ChunkReport, Progress, TooManyFailedError
from sim_arena.sweeps.running import go_on

__all__ = [
    "Case",
    "ChunkReport",
    "Generate",
    "Plan",
    "Progress",
    "SeedRange",
    "SweepSpec",
    "TooManyFailedError",
    "create",
    "go_on",
    "opened",
    "plan_of",
    "play_chunk",
    "writing",
]
