"""Makes the kernels' tables from the registries: what each choice, problem and entry is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim_arena.actions import REGISTRY
from sim_arena.engine import Program
from sim_arena.engine.messages import claim_message, message
from sim_arena.engine.program import INIT, NS, REASONS, Arrays
from sim_arena.engine.stack import stack
from sim_arena.engine.state import (
    GATED,
    MISSING_CLAIM,
    NO_NODES,
    NOMINATED,
    SILENT,
    UNBOUND_CLAIM,
    UNSCHEDULABLE,
)
from sim_arena.envs import encoding
from sim_arena.envs.choices import Choice
from sim_arena.envs.encoding import CAUSES
from sim_arena.envs.kernels.plain import OPERATIONS
from sim_arena.envs.kernels.records import (
    CHOICE,
    COLUMNS,
    CPU,
    MEMORY,
    NOTHING,
    QUESTION,
    REPLICAS,
    Tables,
)
from sim_arena.envs.problems import Problem
from sim_arena.errors import SimArenaError
from sim_arena.guardrails import Guardrails
from sim_arena.observation import Observation
from traces import WorkloadRef
from traces.arithmetic import UNSET

__all__ = ["Compiled", "columns", "tables"]

_RESOURCES = {None: NOTHING, "cpu": CPU, "memory": MEMORY, "replicas": REPLICAS}
_MESSAGES = (SILENT, UNSCHEDULABLE, GATED, NO_NODES, NOMINATED, MISSING_CLAIM, UNBOUND_CLAIM)
_SMALL = 1024  # numbers of pods that are encoded before
# What depends on the problem alone, and stands in `Tables.rows`.
_CONSTANT = ("nodes", "allocatable_cpu", "allocatable_memory", "allocatable_pods")
# The first entries of groups, and the entries of a container, by the names of their columns.
_FIRST = {"reasons": f"reasons.{CAUSES[0][0]}", "containers": "containers[0] known"}
_OF_CONTAINERS = {
    "cpu_request": "cpu_request",
    "memory_request": "memory_request",
    "cpu_limit": "cpu_limit",
    "memory_limit": "memory_limit",
    "cpu_usage": "cpu_usage",
    "memory_usage": "memory_usage",
    "container_restarts": "restarts",
    "container_oom_killed": "oom_killed",
    "container_throttled": "throttled",
}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A problem with its compiled trace.

    Args:
        problem: what is to be repaired
        program: the compiled trace
        ref: the workload in it
        max_steps: the loop's step limit
    """

    problem: Problem
    program: Program
    ref: WorkloadRef
    max_steps: int


def tables(
    compiled: Sequence[Compiled],
    choices: Sequence[Choice],
    containers: int,
    guardrails: Guardrails,
    steps: Mapping[str, str | int],
) -> tuple[Tables, Arrays]:
    """Return the tables, and the programs of the problems, stacked.

    Args:
        compiled: the problems
        choices: the discrete actions
        containers: the number of container slots
        guardrails: the bounds that no action crosses
        steps: step sizes by action, used instead of the defaults

    Raises:
        SimArenaError: a workload has more containers than there are slots, or the registry of
            observation fields has one that the kernels don't know
    """
    for one in compiled:
        _check_slots(one, containers)
    stacked = stack([one.program for one in compiled])
    scales = np.array(encoding.scales(containers))
    at = columns(containers)
    pods = float(scales[at["ready"][0]])
    causes = _causes(compiled)
    made = Tables(
        choices=_choices(choices, guardrails, steps),
        kinds=_kinds(choices),
        counts=np.array([i for i, one in enumerate(choices) if _resource(one) == REPLICAS]),
        questions=_questions(compiled),
        rows=np.stack([_row(one, containers) for one in compiled]),
        causes=causes,
        naming=np.flatnonzero(causes.any(axis=0)),
        always=_always(),
        containers=stacked.containers,
        applications=stacked.applications,
        columns=at,
        scales=scales,
        pods=np.array([encoding.scaled(n, pods) for n in range(_SMALL)], np.float32),
    )
    return made, stacked


def columns(containers: int) -> Any:
    """Return where the numbers stand in the vector: one record, see `COLUMNS`.

    Raises:
        SimArenaError: the registry of observation fields has one that the kernels don't know
    """
    places = {entry.name: i for i, entry in enumerate(encoding.layout(containers))}
    first = places[_FIRST["containers"]]
    record = np.zeros(1, COLUMNS).view(np.recarray)
    record["causes"] = len(CAUSES)
    record["stride"] = len(encoding.layout(containers + 1)) - len(places)
    known = {"reasons", "containers[0]", *_CONSTANT}
    known |= {f"reasons.{cause}" for cause, _ in (*CAUSES, ("other", ""))}
    for column in set(COLUMNS.names or ()) - {"causes", "stride"}:
        inner = _OF_CONTAINERS.get(column)
        name = _FIRST.get(column, f"containers[0].{inner}" if inner else column)
        record[column] = places[name] - (first if inner else 0)
        known.add(name)
    for entry in encoding.layout(1):
        if entry.name.removesuffix(" known") not in known:
            raise SimArenaError(
                f"expected the vector environment to know every field that is observed, found "
                f"{entry.name!r} besides: add it to sim_arena/envs/kernels/observing.py"
            )
    return record


def _check_slots(one: Compiled, containers: int) -> None:
    """Check the workload's templates as `encoding.encode` does an observation's."""
    program = one.program
    workload = program.arrays.workloads[program.index(one.ref)]
    for template in program.arrays.templates[workload["first_template"] : workload["end_template"]]:
        rows = slice(template["first_container"], template["end_container"])
        found = int((program.arrays.containers["kind"][rows] != INIT).sum())
        encoding.check_slots(found, containers)


def _resource(choice: Choice) -> int:
    return _RESOURCES[REGISTRY[choice.type].resource]


def _choices(
    choices: Sequence[Choice], guardrails: Guardrails, steps: Mapping[str, str | int]
) -> Any:
    records = np.zeros(len(choices), CHOICE).view(np.recarray)
    for i, choice in enumerate(choices):
        kind = REGISTRY[choice.type]
        if kind.resource is None:
            continue
        low, high = guardrails.bounds(kind.resource)
        amount = kind.amount(steps.get(choice.type))
        operation = OPERATIONS.index(str(kind.op))
        records[i] = (_resource(choice), operation, amount, low, high, choice.slot or 0)
    return records


def _kinds(choices: Sequence[Choice]) -> Any:
    """Return the choices of the first slot, by what they edit; those of the others follow."""
    found: dict[int, list[int]] = {CPU: [], MEMORY: []}
    for i, choice in enumerate(choices):
        if choice.slot == 0:
            found[_resource(choice)].append(i)
    kinds = np.full((1 + max(found), max(map(len, found.values()))), UNSET, np.int64)
    for resource, numbers in found.items():
        kinds[resource, : len(numbers)] = numbers
    return kinds


def _questions(compiled: Sequence[Compiled]) -> Any:
    records = np.zeros(len(compiled), QUESTION).view(np.recarray)
    for i, one in enumerate(compiled):
        records[i] = (
            one.program.index(one.ref),
            one.problem.target,
            one.problem.duration,
            round(one.program.duration_s * NS),
            one.max_steps,
        )
    return records


def _row(one: Compiled, containers: int) -> Any:
    """Return the vector of a problem with nothing in it that only a run shows."""
    nodes = one.program.arrays.nodes
    zeros = ("desired", "failed", "restarts", "oom_killed", "evicted", *_OF_NODES)
    observation: Any = {
        **Observation(ready=0, pending=0, total=0, reasons={}, containers=[]),
        **dict.fromkeys(zeros, 0),
        "nodes": len(nodes),
        "allocatable_cpu": int(nodes["cpu"].sum()),
        "allocatable_memory": int(nodes["memory"].sum()),
        "allocatable_pods": int(nodes["pods"].sum()),
        "simulated_seconds": round(one.program.duration_s * NS) / NS,
    }
    return encoding.encode(observation, containers)


_OF_NODES = (
    "requested_cpu",
    "requested_memory",
    "requested_pods",
    "largest_free_cpu",
    "largest_free_memory",
)


def _causes(compiled: Sequence[Compiled]) -> Any:
    """Return which causes a message names because of one column of a pod's rejections."""
    width = len(REASONS) + max(len(one.program.extended) for one in compiled)
    bits = np.zeros((len(compiled), width), np.int64)
    for i, one in enumerate(compiled):
        for column in range(len(REASONS) + len(one.program.extended)):
            rejections = np.zeros(2 * (len(REASONS) + len(one.program.extended)), np.int64)
            rejections[column] = 1
            bits[i, column] = _bits(
                message(NOMINATED, rejections, 1, one.program.extended, never_preempts=False)
            )
    return bits


def _always() -> Any:
    """Return which causes a message of each kind names whatever the rejections are."""
    nothing = np.zeros(2 * len(REASONS), np.int64)
    found = np.zeros(1 + max(_MESSAGES), np.int64)
    for kind in _MESSAGES:
        text = claim_message(kind, 1, "") or message(kind, nothing, 1, (), never_preempts=True)
        found[kind] = _bits(text)
    return found


def _bits(text: str | None) -> int:
    return sum(1 << i for i, (_, cause) in enumerate(CAUSES) if text and cause in text)
