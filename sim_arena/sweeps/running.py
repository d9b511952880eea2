"""Play a sweep to its end, in this process and without Prefect."""

from collections.abc import Callable, Collection, Container
from typing import Any

from results import Summary, Sweep
from results.figures import summarise_sweep
from results.parts import chunks_of
from sim_arena import verbs as plain_verbs
from sim_arena.episode import Verbs
from sim_arena.sweeps.plan import Plan
from sim_arena.sweeps.playing import play_chunk
from sim_arena.sweeps.progress import Progress
from sim_arena.sweeps.versions import admit
from sim_arena.sweeps.writer import Writer, writing

__all__ = ["begin", "end", "failed_episodes", "go_on"]


def go_on(  # noqa: PLR0913 # each by its name
    sweep: Sweep,
    plan: Plan,
    *,
    verbs: Verbs = plain_verbs,
    on_chunk: Callable[[Progress], Any] | None = None,
    max_failed: float | None = None,
    retry_failed: bool = False,
    allow_other_version: bool = False,
) -> Summary:
    """Play what is missing of a sweep, chunk after chunk.

    A sweep that was killed goes on with the chunk that was under way: every episode is in the
    result exactly once.

    Args:
        sweep: the sweep, new or not
        plan: its plan
        verbs: what an episode on a real cluster is made of
        on_chunk: called after each chunk
        max_failed: as for `begin`
        retry_failed: likewise
        allow_other_version: likewise

    Raises:
        PermanentError: somebody else plays it, another version has begun it, or too many of its
            episodes failed
        ResultsError: a file cannot be read or written
    """
    with writing(sweep) as writer:
        progress, missing = begin(
            sweep,
            plan,
            writer,
            max_failed=max_failed,
            retry_failed=retry_failed,
            allow_other_version=allow_other_version,
        )
        for chunk in missing:
            progress.add(play_chunk(sweep, plan, chunk, writer, verbs=verbs))
            if on_chunk is not None:
                on_chunk(progress)
        return end(sweep, writer)


def begin(  # noqa: PLR0913 # each by its name
    sweep: Sweep,
    plan: Plan,
    writer: Writer,
    *,
    max_failed: float | None = None,
    retry_failed: bool = False,
    allow_other_version: bool = False,
) -> tuple[Progress, list[int]]:
    """Return how far a sweep is, and the chunks that are missing.

    Args:
        sweep: the sweep
        plan: its plan
        writer: whose right to write it is
        max_failed: the share of its episodes that may fail; None for the plan's
        retry_failed: whether chunks with failed episodes count as missing. What was written of
            them is given up now, so that a sweep that is stopped before it comes to them goes on
            with them like with any others
        allow_other_version: whether it may have been begun with another version of this program

    Raises:
        PermanentError: it was, and may not, or somebody else is the writer now
        TooManyFailedError: more episodes have failed already than may
        ResultsError: a file cannot be read or deleted
    """
    sweep.point_latest()
    again = [chunk for name in sweep.damaged() for chunk in chunks_of(name)]
    again += _with_failures(sweep, again) if retry_failed else []
    if sweep.read_summary() is not None and not again and not sweep.missing_chunks():
        return Progress(len(plan), done=len(plan), failed=failed_episodes(sweep)), []
    writer.check()
    admit(sweep, allow_other=allow_other_version)
    sweep.reopen(writer.check)
    sweep.give_up_chunks(again, writer.check)
    sweep.delete_strays(writer.check)
    missing = sweep.missing_chunks()
    failed = failed_episodes(sweep)
    done = len(plan) - sum(len(plan.chunks[chunk]) for chunk in missing)
    may = plan.asked.max_failed if max_failed is None else max_failed
    progress = Progress(len(plan), may, done=done, failed=failed, ends=plan.ends)
    progress.check()
    return progress, missing


def _with_failures(sweep: Sweep, damaged: Collection[int]) -> list[int]:
    """Return the chunks that have episodes with errors, of those that can be read."""
    whole = (name for name in sweep.parts("episodes") if not {*damaged} & {*chunks_of(name)})
    return [chunk for name in whole if _failed(sweep, name) for chunk in chunks_of(name)]


def failed_episodes(sweep: Sweep, chunks: Container[int] | None = None) -> int:
    """Return how many episodes failed.

    Args:
        sweep: the sweep
        chunks: those that are looked at; None for all that are finished

    Raises:
        ResultsError: a file cannot be read
    """
    names = sweep.parts("episodes")
    return sum(
        _failed(sweep, name) for name in names if chunks is None or chunks_of(name)[0] in chunks
    )


def _failed(sweep: Sweep, name: str) -> int:
    """Return how many episodes of a file failed."""
    errors = sweep.read_part(name, ("error",))["error"]
    return int(len(errors) - errors.null_count)


def end(sweep: Sweep, writer: Writer) -> Summary:
    """Write the figures, which end the sweep; one that had ended keeps those that it has.

    Raises:
        PermanentError: somebody else is the writer now; nothing was written
        ResultsError: a file cannot be read or written
    """
    figures = summarise_sweep(sweep)
    if sweep.read_summary() is None:  # it was deleted where something is played again
        sweep.write_summary(figures, writer.check)
    return figures
