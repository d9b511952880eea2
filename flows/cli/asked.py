"""What a step, an episode and a preflight are asked for: the same options, written once."""

import inspect
import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from flows.cli import options
from flows.cli.errors import refuse

if TYPE_CHECKING:
    from pydantic import ValidationError

    from sim_arena.spec import EpisodeSpec

__all__ = ["Asked", "simkube_settings", "takes_episode"]


def _policies(incomplete: str) -> list[str]:
    from sim_arena.policies import available

    return [name for name in available() if name.startswith(incomplete)]


def _rewards(incomplete: str) -> list[str]:
    from sim_arena.rewards import REGISTRY

    return [name for name in REGISTRY if name.startswith(incomplete)]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options of a command that plays; each field is one, with its help."""

    trace: options.TracePath
    deploy: options.Deploy
    target: options.Target
    namespace: options.Namespace = None
    duration: options.Duration = 60
    policy: Annotated[
        str,
        typer.Option(
            metavar="POLICY",
            help="A name ('sim-arena policies' lists them), or module:attribute.",
            autocompletion=_policies,
        ),
    ] = "heuristic"
    reward: Annotated[
        str,
        typer.Option(
            metavar="REWARD", help="'sim-arena rewards' lists them.", autocompletion=_rewards
        ),
    ] = "binary"
    nodes: options.Nodes = options.DEFAULT_NODES
    seed: options.Seed = 0
    replay: options.Replay = "simkube"
    cluster: Annotated[
        str, typer.Option(metavar="NAME", help="Where to replay: embedded, kwok or simkube.")
    ] = "embedded"
    context: options.Context = None
    speed: Annotated[
        float,
        typer.Option(
            min=0.001, max=1000, metavar="X", help="On a real cluster: divides the pauses."
        ),
    ] = 1.0
    allow_real_nodes: options.AllowRealNodes = False
    simkube: options.SimKube = None
    timeout: Annotated[
        float,
        typer.Option(min=0.1, max=86_400, metavar="S", help="Real seconds that a step may take."),
    ] = 600
    guardrail: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BOUND=VALUE",
            help="A bound that no action crosses, such as cpu_max=8 or memory_min=128Mi.",
        ),
    ] = None
    step_size: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RESOURCE=STEP",
            help="How far one action goes: cpu=250m, memory=128Mi, replicas=2.",
        ),
    ] = None
    pre_start: Annotated[
        list[str] | None,
        typer.Option(metavar="COMMAND", help="Run before each step's simulation; repeatable."),
    ] = None
    post_end: Annotated[
        list[str] | None,
        typer.Option(metavar="COMMAND", help="Run after each step's observation; repeatable."),
    ] = None
    hook_timeout: Annotated[
        float, typer.Option(min=0.1, max=3600, metavar="S", help="Time limit of each hook.")
    ] = 60
    runs_dir: options.RunsDir = options.RUNS

    def spec(self, *, max_steps: int, run_id: str | None = None) -> "EpisodeSpec":
        """Return the episode that was asked for.

        Raises:
            typer.BadParameter: The trace is missing, or an option has no `=`.
        """
        from pydantic import ValidationError

        from sim_arena.spec import EpisodeSpec

        options.existing(self.trace)
        try:
            return EpisodeSpec.model_validate(
                {
                    "trace": str(self.trace),
                    "namespace": self.namespace,
                    "deploy": self.deploy,
                    "target": self.target,
                    "duration": self.duration,
                    "policy": self.policy,
                    "reward": self.reward,
                    "max_steps": max_steps,
                    "seed": self.seed,
                    "nodes": self.nodes,
                    "replay": self.replay,
                    "guardrails": _pairs(self.guardrail, "--guardrail"),
                    "steps": _pairs(self.step_size, "--step-size"),
                    "pre_start": self._hooks(self.pre_start, "--pre-start"),
                    "post_end": self._hooks(self.post_end, "--post-end"),
                    "cluster": self.cluster,
                    "context": self.context,
                    "speed": self.speed,
                    "allow_real_nodes": self.allow_real_nodes,
                    "simkube": simkube_settings(self.simkube),
                    "timeout": self.timeout,
                    "runs_dir": str(self.runs_dir),
                    "run_id": run_id,
                }
            )
        except ValidationError as error:
            refuse("; ".join(_problems(error)))

    def _hooks(self, commands: Iterable[str] | None, option: str) -> list[dict[str, Any]]:
        try:
            words = [shlex.split(command) for command in commands or ()]
        except ValueError as error:
            raise typer.BadParameter(f"{error}", param_hint=option) from error
        return [{"command": command, "timeout": self.hook_timeout} for command in words]


def takes_episode(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Asked`, before its own.

    The command's first parameter, `asked`, gets them; typer sees a function with all of them.
    """
    hints = get_type_hints(Asked, include_extras=True)
    empty = inspect.Parameter.empty
    shared = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(Asked)
    ]
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

    @wraps(command)
    def with_options(**given: Any) -> None:
        asked = {parameter.name: given.pop(parameter.name) for parameter in shared}
        command(Asked(**asked), **given)

    signature = inspect.Signature([*shared, *own])
    with_options.__signature__ = signature  # type: ignore[attr-defined] # what inspect looks for
    with_options.__annotations__ = {
        parameter.name: parameter.annotation for parameter in signature.parameters.values()
    }
    return with_options


def _pairs(given: Iterable[str] | None, option: str) -> dict[str, str]:
    pairs = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"expected NAME=VALUE, found {text!r}", param_hint=option)
        pairs[name.strip()] = value.strip()
    return pairs


def simkube_settings(given: Iterable[str] | None) -> dict[str, Any]:
    """Return what `--simkube FIELD=VALUE` says.

    Raises:
        typer.BadParameter: one is no such pair, or two do not go together
    """
    return _tree(_pairs(given, "--simkube"))


def _tree(pairs: Mapping[str, str]) -> dict[str, Any]:
    """Return settings with dots in their names as a tree; what is JSON is read as such."""
    tree: dict[str, Any] = {}
    for name, text in pairs.items():
        *path, last = name.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
            if not isinstance(branch, dict):
                raise typer.BadParameter(
                    f"expected one value for {part}, found two", param_hint="--simkube"
                )
        try:
            branch[last] = json.loads(text)
        except ValueError:
            branch[last] = text
    return tree


def _names(place: Iterable[str]) -> Iterable[str]:
    """Return the names that there are where a problem is, which is in the last of them."""
    from pydantic import BaseModel

    from sim_arena.spec import EpisodeSpec

    model: type[BaseModel] = EpisodeSpec
    for name in [*place][:-1]:
        inner = model.model_fields[name].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return model.model_fields


_OPTION_OF = {
    "namespace": "--ns",
    "max_steps": "--episodes",
    "guardrails": "--guardrail",
    "steps": "--step-size",
}


def _problems(error: "ValidationError") -> Iterable[str]:
    for problem in error.errors():
        place = [str(part) for part in problem["loc"]]
        option = _OPTION_OF.get(place[0], f"--{place[0].replace('_', '-')}") if place else ""
        rest = ".".join(place[1:])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"unknown, expected one of {', '.join(_names(place))}"
        yield f"{option}{f' {rest}' if rest else ''}: {message}".lstrip(": ")
