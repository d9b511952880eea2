"""What an episode is asked to be: everything that decides how it goes, as plain data."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from sim_arena.actions import REGISTRY as ACTIONS
from sim_arena.actions import validate
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.errors import ActionError
from sim_arena.guardrails import Guardrails
from sim_arena.nodes import DEFAULT_NODES

__all__ = [
    "ClusterName",
    "Context",
    "Deploy",
    "Duration",
    "EpisodeSpec",
    "Hook",
    "MaxSteps",
    "Namespace",
    "Nodes",
    "Replay",
    "RunId",
    "RunsDir",
    "Seed",
    "Speed",
    "StepSizes",
    "Target",
    "Timeout",
    "TracePath",
]

# Bounds that a person's mistake exceeds and a real cluster does not. The flows take the same.
TracePath = Annotated[str, Field(min_length=1)]
# A name in Kubernetes has at most 253 characters; a kind and a slash may come before it.
Deploy = Annotated[str, Field(min_length=1, max_length=320)]
Target = Annotated[int, Field(ge=1, le=100_000)]
Duration = Annotated[int, Field(ge=1, le=1_000_000_000)]
Namespace = Annotated[str | None, Field(min_length=1, max_length=253)]
MaxSteps = Annotated[int, Field(ge=1, le=10_000)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Nodes = Annotated[str, Field(min_length=1)]
Replay = Literal["simkube", "plain"]
ClusterName = Annotated[str, Field(min_length=1, max_length=320)]
Context = Annotated[str | None, Field(min_length=1, max_length=253)]
Speed = Annotated[float, Field(gt=0, le=1000)]
Timeout = Annotated[float, Field(gt=0, le=86_400)]
RunsDir = Annotated[str, Field(min_length=1)]
RunId = Annotated[str | None, Field(min_length=1, max_length=128)]

HookFunction = Callable[[dict[str, str]], object]


class Hook(BaseModel):
    """A command, or a Python callable, that runs before or after a step's simulation.

    Args:
        command: the program and its arguments; no shell reads them
        call: a callable, or `module:attribute`; it is called with the hook's context, a dict
        timeout: how long it may take, in seconds
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: tuple[str, ...] = Field(
        default=(), description="A program and its arguments, without a shell"
    )
    call: str | SkipJsonSchema[HookFunction] | None = Field(
        default=None, description="module:attribute of a callable"
    )
    timeout: float = Field(default=60, gt=0, le=3600, description="Time limit in seconds")

    @model_validator(mode="after")
    def _one_of_both(self) -> "Hook":
        if bool(self.command) == (self.call is not None):
            raise ValueError("expected either a command or a call, found both or neither")
        return self

    @field_validator("call")
    @classmethod
    def _names_an_attribute(cls, value: str | HookFunction | None) -> str | HookFunction | None:
        if isinstance(value, str) and not all(value.partition(":")):
            raise ValueError(f"expected module:attribute, found {value!r}")
        return value

    @field_serializer("call")
    def _as_text(self, value: str | HookFunction | None) -> str | None:
        if value is None or isinstance(value, str):
            return value
        return f"{value.__module__}:{getattr(value, '__qualname__', type(value).__qualname__)}"

    def __str__(self) -> str:
        return " ".join(self.command) if self.command else str(self._as_text(self.call))


class StepSizes(BaseModel):
    """How far an action goes when the policy does not say.

    Args:
        cpu: for requests and limits of CPU, in Kubernetes notation
        memory: for requests and limits of memory, in Kubernetes notation
        replicas: in pods
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: str = Field(default="500m", description="Step of a CPU request or limit")
    memory: str = Field(default="256Mi", description="Step of a memory request or limit")
    replicas: int = Field(default=1, ge=1, le=1000, description="Step of the number of replicas")

    @model_validator(mode="after")
    def _within_bounds(self) -> "StepSizes":
        for name, step in self.by_action().items():
            try:
                validate({"type": name, "deploy": "any", "step": step})
            except ActionError as error:
                raise ValueError(str(error)) from error
        return self

    def by_action(self) -> dict[str, str | int]:
        """Return the step of each action that moves something, by the action's name."""
        sizes: dict[str, str | int] = {
            "cpu": self.cpu,
            "memory": self.memory,
            "replicas": self.replicas,
        }
        return {
            name: sizes[kind.resource]
            for name, kind in ACTIONS.items()
            if kind.resource is not None and kind.op != "set_limit"
        }


class EpisodeSpec(BaseModel):
    """One episode: which trace, which workload, who decides, and where it is recorded.

    It is frozen and made of plain data, so that it can be compared, stored with the run, and
    handed to another process.

    Args:
        trace: path of the trace file
        deploy: name of the workload (Deployment, StatefulSet or ReplicaSet) in the trace
        target: ready pods that count as success
        duration: simulated window of each step in seconds, from the trace's first event
        namespace: the workload's namespace; needed where the name is in several
        policy: name of a policy, or `module:attribute`
        reward: name of a reward
        max_steps: the episode is truncated after so many observations
        seed: of the policy and of the simulation's free choices
        nodes: the cluster's nodes: a short form, or a path of Node manifests
        replay: `simkube` rewrites the objects as SimKube does; `plain` leaves them
        guardrails: the bounds that no action crosses
        steps: how far an action goes when the policy does not say
        pre_start: run before each step's simulation
        post_end: run after each step's observation, also when the step failed
        cluster: name of the cluster
        context: the kubeconfig's context of a real cluster; None for the current one
        speed: on a real cluster, divides the pauses and the pods' running times
        simkube: on the cluster `simkube`, how SimKube is run
        allow_real_nodes: whether a real cluster may have nodes that are not KWOK's
        timeout: how long a cluster may take for one step's simulation, in seconds of real time
        runs_dir: folder of all runs
        run_id: the run's name; a new one if None
        episode: number of the episode in its run

    Raises:
        pydantic.ValidationError: a value out of bounds
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trace: TracePath
    deploy: Deploy
    target: Target
    duration: Duration = 60
    namespace: Namespace = None
    policy: str = Field(default="heuristic", min_length=1)
    reward: str = "binary"
    max_steps: MaxSteps = 10
    seed: Seed = 0
    nodes: Nodes = DEFAULT_NODES
    replay: Replay = "simkube"
    guardrails: Guardrails = Guardrails()
    steps: StepSizes = StepSizes()
    pre_start: tuple[Hook, ...] = ()
    post_end: tuple[Hook, ...] = ()
    cluster: ClusterName = "embedded"
    context: Context = None
    speed: Speed = 1.0
    allow_real_nodes: bool = False
    simkube: SimKubeSettings = SimKubeSettings()
    timeout: Timeout = 600
    runs_dir: RunsDir = "runs"
    run_id: RunId = None
    episode: int = Field(default=0, ge=0)

    @property
    def place(self) -> str:
        """The cluster with its context, as `sim_arena.clusters.get` takes it."""
        return self.cluster if self.context is None else f"{self.cluster}:{self.context}"

    def asked(self) -> dict[str, Any]:
        """Return what decides how the episode goes, as JSON values.

        Where it is recorded does not: the folder may be moved, and the run is named by it.
        """
        return self.model_dump(mode="json", exclude={"runs_dir", "run_id"})
