"""How long a sweep will take, before it starts."""

from collections.abc import Iterator, Mapping
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
_WARM_UP = 20  # episodes
_PIECES = 5
_OF_A_PIECE = 0.5  # seconds that one should take


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


def estimate(plan: Plan, files: Mapping[str, bytes]) -> Estimate:
    """Return how long each cluster's episodes will take.

    On the embedded cluster pieces of some chunks, spread over the sweep, are played to find out:
    neighbours have much in common, which a chunk plays once. How much the pieces differ says how
    far the time may be from the mean. A real cluster's windows take their time, whatever
    happens, and come one after another: its episodes take at most what those do that all reach
    their step limit, and at the least what those do that need one step.

    Args:
        plan: the sweep's plan
        files: the traces and manifests, by their names in `inputs/`
    """
    found = Estimate()
    start = 0
    for cluster, count in plan.by_cluster.items():
        numbers = range(start, start + count)
        start += count
        if not count:
            continue
        if cluster == "embedded":
            rates = list(_rates(plan, files, numbers, found))
            middle = fmean(rates)
            reach = 2 * stdev(rates) / sqrt(len(rates)) if len(rates) > 1 else 0.0
            low, high = max(min(rates), middle - reach), middle + reach
            found.seconds[cluster] = (low * count, high * count)
        else:
            chosen = [plan.episode(n) for n in numbers[:: max(1, count // _SAMPLE)][:_SAMPLE]]
            of_a_step = sum(map(_of_a_step, chosen)) / len(chosen) * count
            most = sum(one.max_steps * _of_a_step(one) for one in chosen) / len(chosen) * count
            found.seconds[cluster] = (of_a_step, most)
    return found


def _of_a_step(spec: EpisodeSpec) -> float:
    return spec.duration / spec.speed + _AROUND_A_STEP


def _rates(
    plan: Plan, files: Mapping[str, bytes], numbers: range, found: Estimate
) -> Iterator[float]:
    """Yield the seconds that an episode takes, in pieces of some chunks."""
    chunks = [chunk for chunk in plan.chunks if chunk.start in numbers]
    with TemporaryDirectory() as folder:
        sweep = Sweep.create(
            folder, "pilot", columns=COLUMNS, episode_columns=EPISODE_COLUMNS, inputs=files
        )

        def play(piece: range) -> tuple[float, list[str]]:
            begun = perf_counter()
            _, episodes = played_together(sweep, plan, [plan.episode(n) for n in piece], {})
            rate = (perf_counter() - begun) / len(piece)
            return rate, [one for one in episodes["error"].to_pylist() if one is not None]

        play(chunks[0][:_WARM_UP])  # loads the engine, or compiles it
        rate, _ = play(chunks[0][:_WARM_UP])
        for chunk in chunks[:: max(1, len(chunks) // _PIECES)][:_PIECES]:
            piece = chunk[: max(_WARM_UP, round(_OF_A_PIECE / rate))]
            rate, errors = play(piece)
            found.played += len(piece)
            found.errors += errors
            yield rate
