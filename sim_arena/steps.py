"""The bookkeeping of one step, the same for `play` and for `play_batch`."""

from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from sim_arena.actions import Action
from sim_arena.observation import Observation, is_success
from sim_arena.records import StepRecord
from sim_arena.spec import EpisodeSpec
from sim_arena.verbs import Mutated

__all__ = ["Step", "told", "trace_path"]


def trace_path(spec: EpisodeSpec, step: int) -> str:
    """Return where the trace lies that goes into a step after the first."""
    name = f"episode-{spec.episode}-step-{step}.sktrace"
    return str(Path(spec.runs_dir) / str(spec.run_id) / "traces" / name)


class Step:
    """One step under way: what happens to it is told in order, and becomes its record.

    Args:
        spec: the episode; its `run_id` is set
        number: of the step, from 0
        trace: path of the trace that comes in
    """

    def __init__(self, spec: EpisodeSpec, number: int, trace: str) -> None:
        self._spec = spec
        self._begun = perf_counter()
        self.record = StepRecord(
            run_id=str(spec.run_id),
            episode=spec.episode,
            step=number,
            trace=spec.trace,
            trace_in=trace,
            trace_out=trace,
            cluster=spec.cluster,
            nodes=spec.nodes,
            namespace=spec.namespace,
            deploy=spec.deploy,
            policy=spec.policy,
            seed=spec.seed,
            reward_name=spec.reward,
            target=spec.target,
            duration=float(spec.duration),
            observation=None,
            action=None,
            action_type=None,
            changed=False,
            changes=[],
            notes=[],
            warnings=[],
            reward=None,
            success=None,
            terminated=False,
            truncated=False,
            error=None,
            started_at=datetime.now(UTC).isoformat(timespec="microseconds"),
            wall_seconds=0.0,
        )

    @property
    def out(self) -> str:
        """Where the mutated trace goes."""
        return trace_path(self._spec, self.record["step"] + 1)

    @property
    def has_failed(self) -> bool:
        """Whether an error ended the step."""
        return self.record["error"] is not None

    @property
    def undecided(self) -> bool:
        """Whether there is something left to do: neither healthy nor out of sight."""
        return self.record["success"] is False

    @property
    def assessed(self) -> bool:
        """Whether the observation shows health or trouble."""
        return self.record["success"] is not None

    @property
    def succeeded(self) -> bool:
        """Whether the observation is a success; no action is taken then."""
        return bool(self.record["success"])

    def observed(self, observation: Observation, namespace: str, warnings: list[str]) -> None:
        """Take in the observation; success follows from it, and so does the episode's end."""
        healthy = is_success(observation, self._spec.target)
        # What looks healthy only because the cluster cannot show the trouble is neither success
        # nor failure, and another step would show no more.
        unknown = healthy and bool(observation.get("unassessable"))
        last = self.record["step"] + 1 >= self._spec.max_steps
        self.record["observation"] = observation
        self.record["namespace"] = namespace
        self.record["warnings"] = warnings
        self.record["success"] = None if unknown else healthy
        self.record["terminated"] = healthy and not unknown
        self.record["truncated"] = unknown or (last and not healthy)

    def acted(self, action: Action, mutated: Mutated) -> None:
        """Take in what the policy decided and what it did to the trace."""
        self.record["action"] = action
        self.record["action_type"] = action["type"]
        self.record["trace_out"] = mutated["trace"]
        self.record["changed"] = mutated["changed"]
        self.record["changes"] = mutated["changes"]
        self.record["notes"] = mutated["notes"]

    def rewarded(self, reward: float) -> None:
        """Take in the reward for the observation."""
        self.record["reward"] = reward

    def failed(self, error: BaseException) -> None:
        """Take in the error that ended the step: it ends nothing else, and may be taken again."""
        self.record["error"] = told(error)
        self.record["terminated"] = self.record["truncated"] = False

    def done(self) -> StepRecord:
        """Return the record, with the time that the step took."""
        self.record["wall_seconds"] = perf_counter() - self._begun
        return self.record


def told(error: BaseException) -> str:
    """Return an error as it stands in a record: its type and its message."""
    return f"{type(error).__name__}: {error}"
