"""How long a sweep will take, before it starts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from sim_arena.batches.rounds import begin, play_rounds
from sim_arena.spec import EpisodeSpec
from sim_arena.sweeps.plan import Plan

__all__ = ["estimate"]

_AROUND_A_STEP = 5.0  # seconds that a real cluster takes to set a simulation up and to clean it up


def estimate(plan: Plan, files: Mapping[str, bytes], pilot: int = 200) -> dict[str, float]:
    """Return the seconds that each cluster's episodes will take.

    On the embedded cluster some episodes, spread over the sweep, are played to find out; what
    fails in them takes its time too. A real cluster's windows take their time, whatever happens,
    and come one after another: the estimate is that of episodes that all reach their step limit.

    Args:
        plan: the sweep's plan; its nodes are read from where they were given
        files: the traces, by their names in `inputs/`
        pilot: so many episodes are played
    """
    estimates: dict[str, float] = {}
    start = 0
    for cluster, count in plan.by_cluster.items():
        numbers = range(start, start + count)
        start += count
        if not count:
            continue
        chosen = [plan.episode(n) for n in numbers[:: max(1, count // pilot)][:pilot]]
        if cluster == "embedded":
            estimates[cluster] = _played(plan, chosen, files) * count / len(chosen)
        else:
            estimates[cluster] = sum(map(_real_seconds, chosen)) / len(chosen) * count
    return estimates


def _real_seconds(spec: EpisodeSpec) -> float:
    return spec.max_steps * (spec.duration / spec.speed + _AROUND_A_STEP)


def _played(plan: Plan, given: Sequence[EpisodeSpec], files: Mapping[str, bytes]) -> float:
    """Return the seconds that some episodes take, the loading of the engine aside."""
    with TemporaryDirectory() as folder:
        specs = []
        for spec in given:
            path = Path(folder, f"{plan.case(spec.episode).sha256}.sktrace")
            if not path.exists():
                path.write_bytes(files[path.name])
            specs.append(spec.model_copy(update={"trace": str(path), "runs_dir": folder}))
        play_rounds(list(begin(specs[:1], lean=True)))
        begun = perf_counter()
        play_rounds(list(begin(specs, lean=True)))
        return perf_counter() - begun
