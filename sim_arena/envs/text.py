"""The environment's state as text for people."""

from sim_arena.actions import Action
from sim_arena.envs.problems import Problem
from sim_arena.observation import ContainerObservation, Observation
from traces.quantities import Resource, format_resource

__all__ = ["render"]


def render(problem: Problem, obs: Observation, step: int, action: Action | None) -> str:
    """Return a few lines: the problem, the last action, the pods, why they wait, the containers."""
    pods = (
        f"{obs['ready']} ready of {problem.target}, {obs['pending']} pending, "
        f"{obs['total']} in all, {_or_unknown(obs.get('desired'))} desired"
    )
    lines = [
        f"{problem.name}: {problem.deploy}, step {step}",
        f"  last action: {_told(action)}",
        f"  {pods}",
    ]
    lines += [f"  {count} x {message}" for message, count in (obs.get("reasons") or {}).items()]
    lines += [f"  {_container(container)}" for container in obs.get("containers") or []]
    return "\n".join(lines) + "\n"


def _told(action: Action | None) -> str:
    if action is None:
        return "none"
    parts = [action["type"], action.get("container"), action.get("step")]
    return " ".join(str(part) for part in parts if part is not None)


def _container(container: ContainerObservation) -> str:
    cpu = _pair("cpu", container["cpu_request"], container["cpu_limit"])
    memory = _pair("memory", container["memory_request"], container["memory_limit"])
    ended = container["last_terminations"]
    return (
        f"{container['name']}: {cpu}, {memory}; "
        f"{_or_unknown(container['oom_killed'])} killed for memory, "
        f"{_or_unknown(container['restarts'])} restarts"
        + (f", ended last with {', '.join(ended)}" if ended else "")
    )


def _pair(resource: Resource, request: int | None, limit: int | None) -> str:
    asked = "no request" if request is None else format_resource(resource, request)
    most = "no limit" if limit is None else format_resource(resource, limit)
    return f"{resource} {asked} (limit: {most})"


def _or_unknown(value: int | None) -> str:
    return "unknown" if value is None else str(value)
