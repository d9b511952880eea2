"""What the kernels read and write: arrays of records, and named groups of arrays."""

from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "ALL",
    "CHOICE",
    "COLUMNS",
    "CPU",
    "EPISODE",
    "HELD",
    "MEMORY",
    "NOTHING",
    "QUESTION",
    "REPLICAS",
    "SLOT",
    "Output",
    "Own",
    "Tables",
]

# What an action edits. For containers they are bits, too: which of their rows must be written anew.
NOTHING, CPU, MEMORY, REPLICAS = range(4)
ALL = CPU | MEMORY

HELD = -1
"""In the place of an action: the environment is left as it is."""


def _record(*names: str) -> np.dtype[Any]:
    return np.dtype([(name, "i8") for name in names], align=True)


EPISODE = _record(
    "origin",  # what the episodes are drawn from: see `drawing.drawn`
    "number",  # of episodes begun from that base
    "wanted",  # the problem that the next episode must be about, or UNSET
    "problem",
    "step",  # the loop's: 0 at reset
    "over",  # the next step begins an episode
    "fresh",  # this step has begun one
    "changed",  # the action changed something
    "template",  # that is described in the slots
    "slots",  # containers of that template
    "stale",  # CPU or MEMORY or both: what is to be described anew
)
QUESTION = _record("workload", "target", "duration", "until", "limit")
CHOICE = _record("resource", "op", "amount", "low", "high", "slot")
# One container of the template that is observed.
SLOT = np.dtype(
    [
        ("row", "i4"),  # in the program's containers; UNSET: there is none
        ("place", "i4"),  # in a pod
        ("restarts", "i4"),
        ("oom_killed", "i4"),
        ("up", "i4"),  # how many run
        ("cpu_usage", "f4"),  # as encoded, if any runs
        ("memory_usage", "f4"),
        ("throttled", "f4"),
        # For programs whose usage has profiles: the sums over those that run.
        ("wanted", "i8"),
        ("given", "i8"),
        ("memory", "i8"),
    ],
    align=True,
)
# Where the numbers stand in the vector. Those of a container count from the container's flag.
COLUMNS = _record(
    "ready",
    "pending",
    "total",
    "desired",
    "failed",
    "restarts",
    "oom_killed",
    "evicted",
    "throttled",
    "reasons",  # the first cause; the others follow, then one for all that is not among them
    "causes",  # how many causes there are
    "requested_cpu",
    "requested_memory",
    "requested_pods",
    "largest_free_cpu",
    "largest_free_memory",
    "simulated_seconds",
    "containers",  # the first container's flag
    "stride",  # from one container to the next
    "cpu_request",
    "memory_request",
    "cpu_limit",
    "memory_limit",
    "cpu_usage",
    "memory_usage",
    "container_restarts",
    "container_oom_killed",
    "container_throttled",
)


class Tables(NamedTuple):
    """What stays as it is as long as the environment lives."""

    choices: Any  # [choice]
    kinds: Any  # [CPU or MEMORY, k]: the choice of the first slot; UNSET where there are no more
    counts: Any  # [k]: the choices on replicas
    questions: Any  # [problem]
    rows: Any  # [problem, entry]: the vector, as far as it does not depend on the run
    causes: Any  # [problem, column of the rejections]: bits of `encoding.CAUSES`
    naming: Any  # the columns that name a cause in any problem
    always: Any  # [kind of message]: likewise, what the message names in any case
    containers: Any  # [problem, container]: as compiled
    applications: Any  # [problem, application]
    columns: Any  # [1]
    scales: Any  # [entry]
    pods: Any  # [number]: small numbers of pods, restarts or kills, encoded


class Own(NamedTuple):
    """What belongs to one environment each; the first axis is the environment."""

    episodes: Any
    slots: Any  # [environment, slot]
    seeds: Any
    until: Any
    rows: Any  # [environment, entry]: the observation
    masks: Any  # [environment, choice]: the action mask


class Output(NamedTuple):
    """What a step returns; the first axis is the environment.

    Observations and masks are of length 0 where `Own`'s are returned as they are.
    """

    observations: Any
    masks: Any
    rewards: Any
    terminations: Any
    truncations: Any
    success: Any
    changed: Any
    fresh: Any
    step: Any
    problem: Any
    target: Any
    seed: Any
