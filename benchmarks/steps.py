"""Environment steps a second: each applies an action and replays its whole window."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.figures import Figure
from sim_arena.envs.vector import SimArenaVectorEnv

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["measure"]

ENVIRONMENTS = 4096
_GOAL = 2_000_000  # a second, on two cores
_STEPS = 120


def measure() -> list[Figure]:
    """Step the vector environment over the demo traces with random actions."""
    cores = os.cpu_count() or 1
    figures = []
    for threads in sorted({1, cores}):
        env = SimArenaVectorEnv(ENVIRONMENTS, threads=threads)
        seconds, share = _played(env, threads)
        figures.append(
            Figure(
                f"environment steps a second, {threads} core(s)",
                ENVIRONMENTS * share / seconds,
                "/s",
                _GOAL if threads == cores else None,
                note=f"{ENVIRONMENTS} environments; steps that only begin an episode, "
                f"{1 - share:.1%}, not counted",
            )
        )
        if threads == 1:
            figures += _python(env, seconds)
        env.close()
    return figures


def _played(env: SimArenaVectorEnv, threads: int) -> tuple[float, float]:
    """Return the shortest time of a step, and the share of environments that took an action.

    Others' work on the machine only makes a step longer: see `figures.best_seconds`.
    """
    clock = time.thread_time if threads == 1 else time.perf_counter
    actions = np.random.default_rng(0).integers(0, len(env.choices), (_STEPS, env.num_envs))
    env.reset(seed=0)
    shortest, begun = float("inf"), 0
    for some in actions:
        start = clock()
        infos = env.step(some)[4]
        shortest = min(shortest, clock() - start)
        begun += int((infos["step"] == 0).sum())
    return shortest, 1 - begun / actions.size


def _python(env: SimArenaVectorEnv, seconds: float) -> list[Figure]:
    """Say how much of a step is Python: what is left when the kernels have nothing to do."""
    actions = np.zeros(env.num_envs, np.int64)
    env._slices = [(0, 0)]
    python = min(_seconds(lambda: env.step(actions)) for _ in range(20))
    return [
        Figure("  Python, by itself", 1e9 * python / env.num_envs, "ns/step"),
        Figure("  all of a step", 1e9 * seconds / env.num_envs, "ns/step"),
    ]


def _seconds(work: Callable[[], object]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start
