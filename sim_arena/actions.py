"""The actions: what a policy may do to a workload, and how each edits a trace or a program.

`REGISTRY` is the one place to edit for a new action; the command line, the environment's action
space, the random policy and the documentation read it. What an action does to a number is one
of the functions of `traces.arithmetic`, which the compiled engine uses too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict, cast

from sim_arena.errors import ActionError
from sim_arena.guardrails import Guardrails, Resource
from sim_arena.mutations import Mutation, NotedEdit
from traces import arithmetic, edit_container, edit_replicas
from traces.errors import QuantityError
from traces.quantities import parse_count, parse_cpu, parse_memory
from traces.workloads import matching

if TYPE_CHECKING:
    from sim_arena.engine import Program
    from traces import Trace, WorkloadRef

__all__ = [
    "REGISTRY",
    "STEP_BOUNDS",
    "Action",
    "ActionType",
    "Mutation",
    "apply_to_program",
    "apply_to_trace",
    "validate",
]

Operation = Literal["change_request", "change_limit", "set_limit", "change_replicas"]
STEP_BOUNDS: dict[Resource, tuple[str, str]] = {
    "cpu": ("1m", "256"),
    "memory": ("1Ki", "4Ti"),
    "replicas": ("1", "1000"),
}
"""The least and the greatest step for each resource, in Kubernetes notation."""


class Action(TypedDict):
    """What a policy answers.

    `type` is a name of `REGISTRY`, `deploy` the workload's name, `container` one of its
    containers (the first if not named), `step` how far: a quantity in Kubernetes notation, or
    a number of replicas (the action's default if not named).
    """

    type: str
    deploy: str
    container: NotRequired[str]
    step: NotRequired[str | int]


@dataclass(frozen=True, slots=True)
class ActionType:
    """One kind of action.

    Args:
        name: what `Action["type"]` says
        description: one line for people
        resource: what is edited; None for an action that edits nothing
        op: the function of `traces.arithmetic` that moves the numbers
        sign: 1 to raise by the step, -1 to lower by it; setting to a value is 1
        default_step: in Kubernetes notation, or a number of replicas
    """

    name: str
    description: str
    resource: Resource | None = None
    op: Operation | None = None
    sign: Literal[-1, 1] = 1
    default_step: str | int | None = None

    @property
    def takes_container(self) -> bool:
        """Whether the action edits one container, and not the workload as a whole."""
        return self.resource in {"cpu", "memory"}

    @property
    def step_bounds(self) -> tuple[str, str] | None:
        """The least and the greatest step, in Kubernetes notation; None without a step."""
        return STEP_BOUNDS[self.resource] if self.resource else None

    def amount(self, step: str | int | None = None) -> int:
        """Return the signed amount in milli-CPU, bytes or pods.

        Args:
            step: in Kubernetes notation; the default step if None

        Raises:
            ActionError: the step is malformed, out of bounds, or not this action's to have
        """
        if self.resource is None:
            raise ActionError(f"{self.name} takes no step: leave it out")
        return self.sign * _step(self, self.resource, self.default_step if step is None else step)

    def edit(self, step: str | int | None, low: int, high: int) -> Callable[..., Any]:
        """Return the function that moves the current numbers, kept within `[low, high]`.

        It maps a container's `(request, limit)` to the new pair, or a number of replicas to the
        new one.
        """
        operation = getattr(arithmetic, str(self.op))
        amount = self.amount(step)
        return lambda *current: operation(*current, amount, low, high)


def _container_action(
    name: str,
    description: str,
    op: Operation,
    sign: Literal[-1, 1] = 1,
    step: str | None = None,
) -> ActionType:
    resource: Resource = "cpu" if "_cpu" in name else "memory"
    return ActionType(
        name, description, resource, op, sign, step or ("500m" if resource == "cpu" else "256Mi")
    )


REGISTRY: dict[str, ActionType] = {
    kind.name: kind
    for kind in (
        ActionType("noop", "Change nothing"),
        _container_action("bump_cpu_small", "Raise the CPU request", "change_request"),
        _container_action("bump_mem_small", "Raise the memory request", "change_request"),
        _container_action("reduce_cpu_small", "Lower the CPU request", "change_request", -1),
        _container_action("reduce_mem_small", "Lower the memory request", "change_request", -1),
        ActionType("scale_up_replicas", "Add replicas", "replicas", "change_replicas", 1, 1),
        ActionType("scale_down_replicas", "Remove replicas", "replicas", "change_replicas", -1, 1),
        _container_action("set_cpu_limit", "Set the CPU limit", "set_limit", 1, "2000m"),
        _container_action("set_mem_limit", "Set the memory limit", "set_limit", 1, "2Gi"),
        _container_action("bump_cpu_limit", "Raise the CPU limit", "change_limit"),
        _container_action("bump_mem_limit", "Raise the memory limit", "change_limit"),
        _container_action("reduce_cpu_limit", "Lower the CPU limit", "change_limit", -1),
        _container_action("reduce_mem_limit", "Lower the memory limit", "change_limit", -1),
    )
}


def validate(
    action: Mapping[str, object], *, steps: Mapping[str, str | int] | None = None
) -> Action:
    """Check an action and fill in its step.

    Args:
        action: what a policy answered; a container or step of None counts as not named
        steps: step sizes by the action's name, used instead of the registry's defaults

    Returns:
        a new action with the step that will be used

    Raises:
        ActionError: what was expected, what was found
    """
    if not isinstance(action, Mapping):
        raise ActionError(
            'expected an action such as {"type": "noop", "deploy": "web"}, '
            f"found {type(action).__name__}: {action!r}"
        )
    given = {key: value for key, value in action.items() if value is not None}
    unknown = sorted(map(repr, given.keys() - Action.__annotations__.keys()))
    if unknown:
        raise ActionError(
            f"expected only type, deploy, container and step in an action, found {unknown[0]}"
        )
    kind = _kind(given.get("type"))
    result = Action(type=kind.name, deploy=_text(given, "deploy"))
    if "container" in given:
        result["container"] = _container(kind, given)
    step = given.get("step", (steps or {}).get(kind.name, kind.default_step))
    if step is not None:
        kind.amount(cast("str | int", step))
        result["step"] = cast("str | int", step)
    return result


def apply_to_trace(
    trace: "Trace",
    action: Mapping[str, object],
    *,
    namespace: str | None = None,
    guardrails: Guardrails | None = None,
) -> Mutation:
    """Edit a trace in place.

    Args:
        trace: the trace; every event that carries the workload is edited
        action: the action, checked first
        namespace: the workload's namespace; needed where the name is in several
        guardrails: the bounds; the default ones if None

    Returns:
        what changed. A workload or container that is not in the trace changes nothing, and the
        notes say so.

    Raises:
        ActionError: the action is not valid
        TraceError: the trace holds something that cannot be edited, a malformed quantity, say
    """
    checked = validate(action)
    kind = REGISTRY[checked["type"]]
    if kind.resource is None:
        return Mutation()
    edit = NotedEdit(kind, checked.get("step"), guardrails or Guardrails())
    if kind.resource == "replicas":
        changes = edit_replicas(trace, checked["deploy"], edit.count, namespace=namespace)
        if (
            not changes
            and not edit.notes
            and (ref := matching(trace, checked["deploy"], namespace))
        ):
            edit.note(f"nothing changed: {ref} has no replicas")
    else:
        changes = edit_container(
            trace,
            checked["deploy"],
            kind.resource,
            edit.pair,
            namespace=namespace,
            container=checked.get("container"),
        )
    if not edit.notes and not changes:
        edit.note(_not_found(checked, namespace))
    return Mutation(bool(changes), changes, edit.notes)


def apply_to_program(
    program: "Program",
    action: Mapping[str, object],
    *,
    ref: "WorkloadRef",
    guardrails: Guardrails | None = None,
) -> "Program":
    """Return the program that compiling the edited trace would give.

    Args:
        program: a compiled trace; it is not changed
        action: the action, checked first
        ref: the workload that the action's `deploy` names
        guardrails: the bounds; the default ones if None

    Raises:
        ActionError: the action is not valid
    """
    checked = validate(action)
    kind = REGISTRY[checked["type"]]
    if kind.resource is None:
        return program
    low, high = (guardrails or Guardrails()).bounds(kind.resource)
    amount = kind.amount(checked.get("step"))
    if kind.resource == "replicas":
        return program.edit_replicas(ref, amount, low, high)
    return program.edit_container(
        ref, kind.resource, str(kind.op), amount, low, high, container=checked.get("container")
    )


def _not_found(action: Action, namespace: str | None) -> str:
    where = f" in namespace {namespace!r}" if namespace else ""
    container = f" with a container {action['container']!r}" if "container" in action else ""
    return f"nothing changed: the trace has no workload {action['deploy']!r}{container}{where}"


def _kind(name: object) -> ActionType:
    kind = REGISTRY.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ActionError(
            f"expected an action's type, one of {', '.join(REGISTRY)}; found {name!r}"
        )
    return kind


def _text(action: Mapping[str, object], key: str) -> str:
    value = action.get(key)
    if not isinstance(value, str) or not value:
        raise ActionError(f"expected the {key} of an action to be a name, found {value!r}")
    return value


def _container(kind: ActionType, action: Mapping[str, object]) -> str:
    if not kind.takes_container:
        raise ActionError(f"{kind.name} takes no container: leave it out")
    return _text(action, "container")


_PARSERS: dict[Resource, Callable[[str], int]] = {
    "cpu": parse_cpu,
    "memory": parse_memory,
    "replicas": parse_count,
}


def _step(kind: ActionType, resource: Resource, step: str | int | None) -> int:
    """Return a step in milli-CPU, bytes or pods."""
    low, high = STEP_BOUNDS[resource]
    parse = _PARSERS[resource]
    wanted = f"expected the step of {kind.name} to be between {low} and {high}, found {step!r}"
    if isinstance(step, bool) or not isinstance(step, str | int):
        raise ActionError(wanted)
    try:
        amount = parse(str(step))
    except QuantityError as error:
        raise ActionError(f"{wanted}: {error}") from error
    if not parse(low) <= amount <= parse(high):
        raise ActionError(wanted)
    return amount
