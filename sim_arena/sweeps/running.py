"""Play a sweep to its end, in this process and without Prefect."""

from collections.abc import Callable
from typing import Any

from results import Summary, Sweep
from results.figures import summarise_sweep
from sim_arena import verbs as plain_verbs
from sim_arena.episode import Verbs
from sim_arena.sweeps.folder import writing
from sim_arena.sweeps.plan import Plan
from sim_arena.sweeps.playing import play_chunk
from sim_arena.sweeps.progress import Progress

__all__ = ["begin", "end", "go_on"]


def go_on(
    sweep: Sweep,
    plan: Plan,
    *,
    verbs: Verbs = plain_verbs,
    on_chunk: Callable[[Progress], Any] | None = None,
) -> Summary:
    """Play what is missing of a sweep, chunk after chunk.

    A sweep that was killed goes on with the chunk that was under way: every episode is in the
    result exactly once.

    Args:
        sweep: the sweep, new or not
        plan: its plan
        verbs: what an episode on a real cluster is made of
        on_chunk: called after each chunk

    Raises:
        PermanentError: somebody else plays it, or too many of its episodes failed
        ResultsError: a file cannot be read or written
    """
    with writing(sweep):
        progress, missing = begin(sweep, plan)
        for chunk in missing:
            progress.add(play_chunk(sweep, plan, chunk, verbs=verbs))
            if on_chunk is not None:
                on_chunk(progress)
        return end(sweep)


def begin(sweep: Sweep, plan: Plan) -> tuple[Progress, list[int]]:
    """Return how far a sweep is, and the chunks that are missing.

    Raises:
        TooManyFailedError: more episodes have failed already than may
    """
    sweep.point_latest()
    if sweep.read_summary() is not None:  # its chunks may have been joined since
        return Progress(len(plan), done=len(plan)), []
    finished = sweep.finished_chunks()
    failed = sum(
        part.num_rows - part["error"].null_count for part in sweep.read("episodes", ("error",))
    )
    done = sum(len(plan.chunks[chunk]) for chunk in finished)
    progress = Progress(len(plan), plan.asked.max_failed, done=done, failed=failed, ends=plan.ends)
    progress.check()
    return progress, [chunk for chunk in range(len(plan.chunks)) if chunk not in finished]


def end(sweep: Sweep) -> Summary:
    """Write the figures, which end the sweep."""
    figures = summarise_sweep(sweep)
    sweep.write_summary(figures)
    return figures
