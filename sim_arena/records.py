"""What is kept of a step and of an episode.

A step's record holds the observation of the trace that came in, the reward for that
observation, the action, and the trace that goes out. The same as a flat row is what the
results store; `COLUMNS` names and types its fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, cast

from results import EPISODE_COLUMNS as OF_ANY_EPISODE
from results import STEP_COLUMNS, Column
from sim_arena.actions import Action
from sim_arena.clusters.base import Check
from sim_arena.observation import CONTAINER_FIELDS, FIELDS, Field, Observation

__all__ = [
    "COLUMNS",
    "EPISODE_COLUMNS",
    "ChangeRecord",
    "EpisodeResult",
    "StepRecord",
    "complete",
    "from_row",
    "same",
    "to_row",
]

OBS = "obs_"


class ChangeRecord(TypedDict):
    """One changed field of one event's object, with values in Kubernetes notation."""

    event: int
    kind: str
    namespace: str
    name: str
    container: str | None
    field: str
    before: str | None
    after: str | None


class StepRecord(TypedDict):
    """One step, as plain data.

    At success no action is taken: `action` is None, and `trace_out` is `trace_in`. The same holds
    for `observation`, `action`, `reward` and `success` where an error, told in `error`, came
    first. `success` and `reward` are None, and no action is taken, where the cluster cannot show
    the workload's trouble. Durations are seconds; `started_at` is ISO 8601 in UTC.
    """

    run_id: str
    episode: int
    step: int
    trace: str
    trace_in: str
    trace_out: str
    cluster: str
    nodes: str
    namespace: str | None
    deploy: str
    policy: str
    seed: int
    reward_name: str
    target: int
    duration: float
    observation: Observation | None
    action: Action | None
    action_type: str | None
    changed: bool
    changes: list[ChangeRecord]
    notes: list[str]
    warnings: list[str]
    reward: float | None
    success: bool | None
    terminated: bool
    truncated: bool
    error: str | None
    started_at: str
    wall_seconds: float


@dataclass(slots=True)
class EpisodeResult:
    """How an episode went.

    Args:
        run_id: the run's id
        episode: the episode's number in the run
        folder: the run's folder
        success: whether a step saw `ready == target` and `pending == 0`
        terminated: the episode ended at success
        truncated: the episode ended at its step limit
        trace: path of the trace that was observed to succeed; None without success
        last_trace: path of the trace that the last step left
        records: one a step, in order; of a step that failed and was taken again, the last
        checks: what the preflight found
        error: what ended the episode, if it was an error
    """

    run_id: str
    episode: int
    folder: str
    success: bool = False
    terminated: bool = False
    truncated: bool = False
    trace: str | None = None
    last_trace: str | None = None
    records: list[StepRecord] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    error: str | None = None

    @property
    def total_reward(self) -> float | None:
        """The sum of the steps' rewards; None if no step has one."""
        rewards = [record["reward"] for record in self.records if record["reward"] is not None]
        return sum(rewards) if rewards else None

    @property
    def warnings(self) -> list[str]:
        """What the cluster did not model, each once, in order of appearance."""
        return list(dict.fromkeys(line for record in self.records for line in record["warnings"]))

    @property
    def unassessable(self) -> list[str] | None:
        """Why the last step shows neither health nor trouble; None if it shows one of them."""
        observation = self.records[-1]["observation"] if self.records else None
        if observation is None or self.records[-1]["success"] is not None:
            return None
        return observation.get("unassessable")

    def add(self, record: StepRecord) -> None:
        """Take in a step; `success` and the names of the traces follow from it."""
        self.records.append(record)
        self.last_trace = record["trace_out"]
        self.error = record["error"]
        self.terminated, self.truncated = record["terminated"], record["truncated"]
        self.success = bool(record["success"])
        self.trace = record["trace_in"] if record["success"] else None

    @property
    def ended(self) -> bool:
        """Whether no further step follows."""
        return self.terminated or self.truncated


def complete(observation: Observation) -> Observation:
    """Return an observation with every field of the registry: None for what is not known."""
    known = cast("dict[str, Any]", observation)
    result = {name.name: known.get(name.name) for name in FIELDS}
    if known.get("containers") is not None:
        result["containers"] = [
            {name.name: container.get(name.name) for name in CONTAINER_FIELDS}
            for container in known["containers"]
        ]
    return cast("Observation", result)


def same(one: StepRecord, other: StepRecord) -> bool:
    """Say whether two records are equal but for the clock's readings."""
    return _timeless(one) == _timeless(other)


def to_row(record: StepRecord) -> dict[str, Any]:
    """Return a record as a flat row: each field of the observation under `obs_<name>`."""
    row = cast("dict[str, Any]", dict(record))
    observation = row.pop("observation") or {}
    return row | {OBS + name: value for name, value in observation.items()}


def from_row(row: Mapping[str, Any]) -> StepRecord:
    """Return the record that `to_row` made a row of."""
    fields = {name: row.get(name) for name in StepRecord.__annotations__}
    observation = {name.name: row.get(OBS + name.name) for name in FIELDS}
    fields["observation"] = complete(cast("Observation", observation))
    if any(observation[name.name] is None for name in FIELDS if name.required):
        fields["observation"] = None
    return cast("StepRecord", fields)


def _timeless(record: StepRecord) -> dict[str, Any]:
    clock = {"started_at", "wall_seconds"}
    return {name: value for name, value in record.items() if name not in clock}


_TYPES: dict[str, Literal["int", "float", "str", "counts", "names", "structs"]] = {
    "int": "int",
    "float": "float",
    "str": "str",
    "counts": "counts",
    "names": "names",
    "containers": "structs",
}


def _column(source: Field, prefix: str = "") -> Column:
    inner = tuple(map(_column, CONTAINER_FIELDS)) if source.type == "containers" else ()
    return Column(prefix + source.name, _TYPES[source.type], source.unit, source.meaning, inner)


COLUMNS: tuple[Column, ...] = (
    *STEP_COLUMNS,
    Column("cluster", "str", "", "the cluster that the trace was replayed on"),
    Column("nodes", "str", "", "the cluster's nodes: a short form, or a path of manifests"),
    Column("namespace", "str", "", "the workload's namespace in the trace"),
    Column("deploy", "str", "", "the workload's name in the trace"),
    Column("warnings", "names", "", "kinds and fields of the trace that the cluster ignored"),
    *(_column(source, OBS) for source in FIELDS),
)
"""The columns of a row: those of every run, then what the arena adds."""

EPISODE_COLUMNS: tuple[Column, ...] = (
    *OF_ANY_EPISODE,
    Column("trace_sha256", "str", "", "digest of the trace file"),
    Column("cluster", "str", "", "the cluster that the traces were replayed on"),
    Column("nodes", "str", "", "the cluster's nodes: a short form, or a path of manifests"),
    Column("namespace", "str", "", "the workload's namespace in the trace"),
    Column("deploy", "str", "", "the workload's name in the trace"),
    Column("cause", "str", "", "what is wrong with the trace, where a manifest says it"),
    Column("replay", "str", "", "simkube or plain"),
    Column("max_steps", "int", "steps", "the step limit"),
    Column("guardrails", "json", "", "the bounds that no action crosses"),
    Column("step_sizes", "json", "", "how far an action goes when the policy does not say"),
    Column("last_ready", "int", "pods", "Running with every container ready, seen last"),
    Column("last_pending", "int", "pods", "in phase Pending, seen last"),
    Column("last_total", "int", "pods", "in any phase, seen last"),
    Column("repair", "json", "", "what is different after the last step, field by field"),
)
"""The columns of an episode's row in a sweep; all that decides how it goes is among them."""
