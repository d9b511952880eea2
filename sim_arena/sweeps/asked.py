"""What a sweep is asked to be, as a YAML file, options or a form give it."""

from collections.abc import Iterable
from inspect import isclass
from pathlib import Path
from typing import Annotated, Any, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from sim_arena import clusters, rewards
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.errors import SimArenaError
from sim_arena.guardrails import Guardrails
from sim_arena.nodes import is_short_form, parse_nodes
from sim_arena.spec import (
    Context,
    Deploy,
    Duration,
    MaxSteps,
    Namespace,
    Nodes,
    Replay,
    Seed,
    Speed,
    StepSizes,
    Target,
    Timeout,
    TracePath,
)

__all__ = ["Generate", "SeedRange", "SweepSpec", "read_file"]

_MOST = 10_000_000  # episodes; more is a slip


class Generate(BaseModel):
    """Traces to generate: those that `sim-arena trace generate` makes of a seed and a count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(ge=1, le=100_000, description="How many traces")
    seed: Seed = 0


class SeedRange(BaseModel):
    """Seeds one after another, from `first` on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(default=1, ge=1, le=_MOST, description="How many seeds")
    first: Seed = 0


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str | int | dict) else value


def _seeds(value: Any) -> Any:
    """Accept `0-99` and `7` for a range."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"first": value, "count": 1}
    if not isinstance(value, str):
        return value
    first, dash, last = value.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        raise ValueError(f"expected seeds such as 7 or 0-99, found {value!r}")
    end = int(last) if dash else int(first)
    if end < int(first):
        raise ValueError(f"expected seeds in ascending order, found {value!r}")
    return {"first": int(first), "count": end - int(first) + 1}


Names = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_one_or_many)]
Paths = Annotated[tuple[TracePath, ...], BeforeValidator(_one_or_many)]


class SweepSpec(BaseModel):
    """A sweep: every combination of its lists is an episode, or a sample of them is.

    What a folder's manifest says of a trace (its workload, target, nodes, window, step limit) is
    taken from there, unless it is named here.

    Args:
        traces: files, folders, or patterns such as `traces/demo/*-cpu-*.sktrace`
        generate: traces to generate, beside or instead of `traces`
        deploy: the workload; a trace that no manifest describes may have one Deployment alone
        namespace: its namespace, if several have a workload of the name
        targets: ready pods that count as success
        nodes: the clusters' nodes, short forms or paths of manifests
        duration: simulated window of each step, in seconds
        max_steps: the step limit
        policies: who chooses the actions
        rewards: names of rewards
        step_sizes: how far an action goes when the policy does not say
        clusters: where the traces are replayed
        context: the kubeconfig's context of the real ones; None for the current one
        speed: on real clusters, divides the pauses and the pods' running times
        simkube: on the cluster `simkube`, how SimKube is run
        allow_real_nodes: whether a real cluster may have nodes that are not KWOK's
        seeds: a list, a range `{first, count}`, or `0-99`
        guardrails: the bounds that no action crosses
        replay: `simkube` or `plain`
        timeout: how long a cluster may take for one simulation, in seconds of real time
        sample: play so many of the combinations, drawn at random
        sample_seed: for the draw
        chunk: episodes that are played and written together on the embedded cluster
        concurrency: episodes of a real cluster that wait for their turn at once
        max_failed: the sweep stops when more than this share of all its episodes has failed

    Raises:
        pydantic.ValidationError: a value out of bounds
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    traces: Paths = ()
    generate: Generate | None = None
    deploy: Deploy | None = None
    namespace: Namespace = None
    targets: Annotated[tuple[Target, ...], BeforeValidator(_one_or_many)] = ()
    nodes: Annotated[tuple[Nodes, ...], BeforeValidator(_one_or_many)] = ()
    duration: Duration | None = None
    max_steps: MaxSteps | None = None
    policies: Names = ("heuristic",)
    rewards: Names = ("binary",)
    step_sizes: Annotated[
        tuple[StepSizes, ...], Field(min_length=1), BeforeValidator(_one_or_many)
    ] = (StepSizes(),)
    clusters: Names = ("embedded",)
    context: Context = None
    speed: Speed = 1.0
    simkube: SimKubeSettings = SimKubeSettings()
    allow_real_nodes: bool = False
    seeds: Annotated[
        SeedRange | tuple[Seed, ...], Field(union_mode="left_to_right"), BeforeValidator(_seeds)
    ] = SeedRange()
    guardrails: Guardrails = Guardrails()
    replay: Replay = "simkube"
    timeout: Timeout = 600
    sample: Annotated[int, Field(ge=1, le=_MOST)] | None = None
    sample_seed: Seed = 0
    chunk: Annotated[int, Field(ge=1, le=10_000)] = 1000
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 4
    max_failed: Annotated[float, Field(ge=0, le=1)] = 0.1

    @field_validator(
        *("traces", "targets", "nodes", "policies", "rewards", "step_sizes", "clusters", "seeds")
    )
    @classmethod
    def _each_once(cls, values: Any) -> Any:
        """Refuse what comes twice: it would be played twice, and count twice."""
        seen = set()
        for one in () if isinstance(values, SeedRange) else values:
            if one in seen:
                named = (
                    one.model_dump_json(exclude_none=True) if isinstance(one, BaseModel) else one
                )
                raise ValueError(f"expected each once, found {named!r} twice")
            seen.add(one)
        return values

    @field_validator(
        *("duration", "max_steps", "speed", "timeout", "sample", "sample_seed", "chunk"),
        *("concurrency", "max_failed", "targets", "seeds"),
        mode="before",
    )
    @classmethod
    def _numbers_are_numbers(cls, value: Any) -> Any:
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, bool):  # YAML's yes and on, too; it would count as 1
                raise ValueError(f"expected a number, found {one}")  # noqa: TRY004 # pydantic's
        return value

    @field_validator("rewards")
    @classmethod
    def _rewards_are_there(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _known(names, rewards.get)

    @field_validator("nodes")
    @classmethod
    def _short_forms_are_whole(cls, nodes: tuple[str, ...]) -> tuple[str, ...]:
        for one in filter(is_short_form, nodes):
            try:
                parse_nodes(one)
            except SimArenaError as error:
                raise ValueError(f"{error} (in a list of YAML they need quotes)") from error
        return nodes

    @field_validator("clusters")
    @classmethod
    def _clusters_are_there(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in clusters.REGISTRY:  # asking for it would look for its kubeconfig
                known = ", ".join(sorted(clusters.REGISTRY))
                raise ValueError(f"expected a cluster, one of {known}; found {name!r}")
        return names

    @field_validator("seeds")
    @classmethod
    def _some_seed(cls, seeds: SeedRange | tuple[int, ...]) -> SeedRange | tuple[int, ...]:
        if not isinstance(seeds, SeedRange) and not seeds:
            raise ValueError("expected at least one seed, found none")
        return seeds


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, for which a key that comes twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, *args: Any, **kwargs: Any) -> Any:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    problem=f"found the key {key!r} twice", problem_mark=node.start_mark
                )
        return super().construct_mapping(node, *args, **kwargs)


def read_file(path: Path) -> dict[str, Any]:
    """Read a sweep's YAML file.

    Raises:
        SimArenaError: it cannot be read, or is no mapping
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 # a safe one
    except OSError as error:
        raise SimArenaError(f"cannot read {path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise SimArenaError(f"{path}: expected YAML, {' '.join(str(error).split())}") from error
    if document is None:
        raise SimArenaError(f"{path} is empty: expected a sweep such as 'traces: [traces/demo]'")
    if not isinstance(document, dict):
        raise SimArenaError(
            f"{path}: expected a mapping such as 'traces: [traces/demo]', found "
            f"{type(document).__name__}"
        )
    return document


def checked(given: dict[str, Any]) -> SweepSpec:
    """Return a sweep of what was given.

    Raises:
        SimArenaError: with each mistake and where it is
    """
    try:
        return SweepSpec.model_validate(given)
    except ValidationError as error:
        found = error.errors()
        within = {one["loc"][0] for one in found if len(one["loc"]) > 1}
        # A list of which an item is wrong counts as too short, too.
        own = [one for one in found if one["type"] != "too_short" or one["loc"][0] not in within]
        problems = dict.fromkeys(map(_problem, own))
        raise SimArenaError("; ".join(problems)) from error


_PARTS: dict[str, type[BaseModel]] = {
    "generate": Generate,
    "guardrails": Guardrails,
    "step_sizes": StepSizes,
}


def _problem(one: Any) -> str:
    if one["loc"][0] == "seeds" and len(one["loc"]) > 1:  # one for each kind that it is not
        return (
            "seeds: expected 7, 0-99, a list, or {first: 0, count: 100}, of at most "
            f"{_MOST:,} seeds from 0 on"
        )
    if one["loc"][0] in _PARTS and one["type"] in {"model_type", "dict_type"}:
        fields = ", ".join(_PARTS[one["loc"][0]].model_fields)
        return f"{one['loc'][0]}: expected a mapping with some of {fields}, found {one['input']!r}"
    place = ".".join(str(part) for part in one["loc"])
    if one["type"] == "extra_forbidden":
        return f"{place}: unknown, expected one of {', '.join(_fields_at(one['loc'][:-1]))}"
    return f"{place}: {_said(one)}"


def _fields_at(place: tuple[int | str, ...]) -> Iterable[str]:
    """Return the names of the fields that there are at a place in a sweep."""
    model: Any = SweepSpec
    for name in place:
        if isinstance(name, str):
            kind = model.model_fields[name].annotation
            kinds = [kind, *get_args(kind)]
            model = next(one for one in kinds if isclass(one) and issubclass(one, BaseModel))
    return tuple(model.model_fields)


def _said(one: Any) -> str:
    """Return a validation's message as the others are worded."""
    message = str(one["msg"])
    if one["type"] == "tuple_type":
        return f"expected a list, found {'nothing' if one['input'] is None else one['input']}"
    if one["type"] == "too_short":
        return "expected at least one, found an empty list"
    if one["type"] == "value_error":
        return message.removeprefix("Value error, ")
    for start in ("Input should be ", "Input should "):
        if message.startswith(start):
            return f"expected {message.removeprefix(start)}, found {one['input']!r}"
    return f"{message[:1].lower()}{message[1:]}, found {one['input']!r}"


def _known(names: tuple[str, ...], find: Any) -> tuple[str, ...]:
    for name in names:
        try:
            find(name)
        except SimArenaError as error:
            raise ValueError(str(error)) from error
    return names
