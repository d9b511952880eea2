"""How long a sweep will take, before it starts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from time import perf_counter

from results import Sweep
from sim_arena.records import COLUMNS, EPISODE_COLUMNS
from sim_arena.spec import EpisodeSpec
from sim_arena.sweeps.plan import Plan
from sim_arena.sweeps.playing import played_together

__all__ = ["Estimate", "estimate"]

_AROUND_A_STEP = 5.0  # seconds that a real cluster takes to set a simulation up and to clean it up
_SAMPLE = 200  # episodes of a real cluster whose step limits are looked at
_PIECES = 5
_OF_A_PIECE = 0.5  # seconds that one should take
_TELLING = 0.1  # seconds that a piece has to take to tell how long others will


@dataclass(slots=True)
class Estimate:
    """How long a sweep will take, and what the episodes showed that were played to find out.

    Args:
        seconds: by cluster, at the least and at most
        played: episodes that were played
        errors: how those of them ended that failed
    """

    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)
    played: int = 0
    errors: list[str] = field(default_factory=list)


def estimate(plan: Plan, files: Mapping[str, bytes], *, workers: int = 1) -> Estimate:
    """Return how long each cluster's episodes will take.

    On the embedded cluster pieces of some chunks, spread over the sweep, are played to find out:
    neighbours have much in common, which a chunk plays once. How much the pieces differ says how
    far the time may be from the mean; at the least all workers are busy all the time, and at the
    most one after another. A real cluster's windows take their time, whatever happens, and come
    one after another: its episodes take at most what those do that all reach their step limit,
    and at the least what those do that need one step.

    Args:
        plan: the sweep's plan
        files: the traces and manifests, by their names in `inputs/`
        workers: processes that play chunks of the embedded cluster. Threads count as one: they
            wait for the interpreter
    """
    found = Estimate()
    start = 0
    for cluster, count in plan.by_cluster.items():
        numbers = range(start, start + count)
        start += count
        if not count:
            continue
        if cluster == "embedded":
            chunks = [chunk for chunk in plan.chunks if chunk.start in numbers]
            low, high = _of_an_episode(plan, files, chunks, found)
            at_once = min(workers, len(chunks))
            found.seconds[cluster] = (low * count / at_once, high * count)
        else:
            chosen = [plan.episode(n) for n in numbers[:: max(1, count // _SAMPLE)][:_SAMPLE]]
            of_a_step = sum(map(_of_a_step, chosen)) / len(chosen) * count
            most = sum(one.max_steps * _of_a_step(one) for one in chosen) / len(chosen) * count
            found.seconds[cluster] = (of_a_step, most)
    return found


def _of_a_step(spec: EpisodeSpec) -> float:
    return spec.duration / spec.speed + _AROUND_A_STEP


def _of_an_episode(
    plan: Plan, files: Mapping[str, bytes], chunks: Sequence[range], found: Estimate
) -> tuple[float, float]:
    """Return the seconds that an episode takes, at the least and at most."""
    with TemporaryDirectory() as folder:
        sweep = Sweep.create(
            folder, "pilot", columns=COLUMNS, episode_columns=EPISODE_COLUMNS, inputs=files
        )

        def play(piece: range) -> float:
            begun = perf_counter()
            _, episodes = played_together(sweep, plan, [plan.episode(n) for n in piece], {})
            taken = perf_counter() - begun
            found.played += len(piece)
            found.errors += [one for one in episodes["error"].to_pylist() if one is not None]
            return taken

        play(chunks[0][:1])  # loads the engine, or compiles it
        found.played, found.errors = 0, []
        rates = list(_rates(play, chunks))
    middle = fmean(rates)
    reach = 2 * stdev(rates) / sqrt(len(rates)) if len(rates) > 1 else 0.0
    return max(min(rates), middle - reach), middle + reach


def _rates(play: Callable[[range], float], chunks: Sequence[range]) -> Iterator[float]:
    """Yield the seconds that an episode takes, in pieces of some chunks.

    No episode is played twice. Slow ones are a piece each, and few of them are played.

    Args:
        play: plays a piece and returns the seconds that it took
        chunks: the sweep's
    """
    first = chunks[0]
    start, size, taken = 0, 1, 0.0
    while start < len(first) and taken < _TELLING:  # how fast are they, roughly?
        piece = first[start : start + size]
        taken = play(piece)
        start, size = start + len(piece), size * 2
    rate = taken / len(piece)
    others = chunks[1 :: max(1, (len(chunks) - 1) // _PIECES)][:_PIECES]
    spent, budget = taken, _PIECES * _OF_A_PIECE
    if not others or spent >= budget:
        yield rate
    for chunk in others:
        if spent >= budget:
            return
        piece = chunk[: max(1, round(_OF_A_PIECE / rate))]
        taken = play(piece)
        spent += taken
        yield taken / len(piece)
