"""The heuristic policy: read what is wrong, and mend that."""

from dataclasses import dataclass
from typing import Any, Literal, cast

from sim_arena.actions import STEP_BOUNDS, Action
from sim_arena.observation import ContainerObservation, Observation
from sim_arena.policies.base import pure
from sim_arena.policies.reasons import causes
from traces.arithmetic import UNSET, effective_request
from traces.quantities import format_resource, parse_resource

__all__ = ["heuristic"]

Resource = Literal["cpu", "memory"]

INSUFFICIENT: dict[Resource, str] = {"cpu": "Insufficient cpu", "memory": "Insufficient memory"}
TOO_MANY_PODS = "Too many pods"

# A throttled container is left alone below this share: a probe does not fail for it.
THROTTLED = 0.1
# Nodes with less left than this share of a pod are full: the pods are too many, not too large.
FULL = 0.25
# Rounding of the amounts, and the step where nothing better is known.
UNITS: dict[Resource, int] = {"cpu": parse_resource("cpu", "10m"), "memory": 1 << 20}
STEPS: dict[Resource, int] = {"cpu": parse_resource("cpu", "500m"), "memory": 1 << 28}
# No request is lowered below this: a container needs something to start.
FLOORS: dict[Resource, int] = {"cpu": parse_resource("cpu", "50m"), "memory": 1 << 26}
SHORT: dict[Resource, str] = {"cpu": "cpu", "memory": "mem"}


@pure
def heuristic(obs: Observation, deploy: str) -> Action:
    """Act on what keeps the pods from being ready: kills, evictions, throttling, the scheduler.

    In this order:

    - more pods than the nodes have slots for: remove those beyond
    - a container killed for memory: double its limit
    - pods evicted from nodes short of memory: request what the container uses
    - a container throttled: raise its limit to what it wants to use
    - pods pending for cpu or memory: lower the request of the container that asks for most, as
      far as it takes; or remove the replicas that do not fit, if the nodes are full, or it uses
      the memory
    - anything else, such as a taint: nothing, because no edit of resources helps
    """
    return (
        _too_many_pods(obs, deploy)
        or _killed(obs, deploy)
        or _evicted(obs, deploy)
        or _throttled(obs, deploy)
        or _pending(obs, deploy)
        or Action(type="noop", deploy=deploy)
    )


def _too_many_pods(obs: Observation, deploy: str) -> Action | None:
    """Remove the replicas for which the nodes have no slot, however small the pods are."""
    missing = _missing(obs)
    beyond = missing - slots if (slots := _free_slots(obs)) is not None else 0
    named = causes(obs.get("reasons")).most_common(1)
    if beyond <= 0 and not (named and named[0][0] == TOO_MANY_PODS):
        return None
    return _scale_down(obs, deploy, beyond if beyond > 0 else missing)


def _killed(obs: Observation, deploy: str) -> Action | None:
    """Double the memory limit of the container that was killed most often.

    One without a limit was killed because its node had no more: it has to ask for what it uses.
    """
    worst = max(obs.get("containers") or [], key=_kills, default=None)
    if worst is None or not _kills(worst):
        return None
    limit = worst["memory_limit"]
    if limit is None:
        return _ask_for_usage(worst, deploy)
    return _action("bump_mem_limit", deploy, worst["name"], "memory", max(limit, STEPS["memory"]))


def _evicted(obs: Observation, deploy: str) -> Action | None:
    """Let the container that uses most beyond its request ask for what it uses.

    So the scheduler leaves room for it, and the kubelet evicts others first.
    """
    containers = obs.get("containers")
    if not obs.get("evicted") or not containers:
        return None
    worst = max(containers, key=_beyond)
    if _beyond(worst) <= 0 and any(one["memory_usage"] is not None for one in containers):
        return None
    return _ask_for_usage(worst, deploy)


def _ask_for_usage(container: ContainerObservation, deploy: str) -> Action:
    """Raise a memory request to what is used, or by a step where that is unknown or less."""
    step = max(_rounded_up(_beyond(container), UNITS["memory"]), STEPS["memory"])
    return _action("bump_mem_small", deploy, container["name"], "memory", step)


def _throttled(obs: Observation, deploy: str) -> Action | None:
    """Raise the CPU limit of the container that is throttled most to what it wants to use."""
    worst = max(obs.get("containers") or [], key=_throttling, default=None)
    if worst is None or _throttling(worst) <= THROTTLED or worst["cpu_limit"] is None:
        return None
    limit = worst["cpu_limit"]
    # The share that is missing is 1 - limit / wanted.
    wanted = limit / max(1.0 - _throttling(worst), 0.01)
    step = _rounded_up(int(wanted) - limit + 1, UNITS["cpu"])
    return _action("bump_cpu_limit", deploy, worst["name"], "cpu", step)


def _pending(obs: Observation, deploy: str) -> Action | None:
    """Lower the request that does not fit, or remove the replicas that do not."""
    if not obs["pending"]:
        return None
    named = causes(obs.get("reasons"))
    resources = [one for one in INSUFFICIENT if named[INSUFFICIENT[one]]]
    if not resources:
        return None
    resource = max(resources, key=lambda one: named[INSUFFICIENT[one]])
    fit = _Fit.of(obs, resource)
    if fit is None:
        return _action(f"reduce_{SHORT[resource]}_small", deploy, None, resource, STEPS[resource])
    biggest = max(obs.get("containers") or [], key=lambda one: _request(one, resource))
    excess = _rounded_up(fit.excess(), UNITS[resource])
    lowest = _request(biggest, resource) - excess
    if fit.nodes_are_full(_free_slots(obs), _missing(obs)) or lowest < _floor(biggest, resource):
        return _scale_down(obs, deploy, _missing(obs))
    kind = f"reduce_{SHORT[resource]}_small"
    return _action(kind, deploy, biggest["name"], resource, excess)


@dataclass(frozen=True, slots=True)
class _Fit:
    """How the pods fit onto the nodes, as far as the observation tells.

    Args:
        pod: what a pod requests
        free: the most that one node has left
        placed: pods on a node now, on average and rounded down
        wanted: pods on a node if all had one, on average and rounded up
        step: where nothing better is known
    """

    pod: int
    free: int
    placed: int
    wanted: int
    step: int

    @classmethod
    def of(cls, obs: Observation, resource: Resource) -> "_Fit | None":
        containers = obs.get("containers")
        free = cast("dict[str, Any]", obs).get(f"largest_free_{resource}")
        nodes = obs.get("nodes")
        if not containers or free is None or not nodes:
            return None
        return cls(
            pod=sum(_request(container, resource) for container in containers),
            free=free,
            placed=_placed(obs) // nodes,
            wanted=max(1, -(-_desired(obs) // nodes)),
            step=STEPS[resource],
        )

    def excess(self) -> int:
        """Return by how much a pod is too large for all to fit."""
        room = (self.placed * self.pod + self.free) // self.wanted
        return self.pod - room if room < self.pod else self.step

    def nodes_are_full(self, slots: int | None, missing: int) -> bool:
        """Say whether there is no room to speak of, and the pods are too many.

        Where the pods would fill the nodes' slots to the last, their number is what the nodes
        were made for, and it is their size that is wrong.
        """
        return self.placed > 0 and self.free < FULL * self.pod and slots != missing


def _floor(container: ContainerObservation, resource: Resource) -> int:
    """Return the least that a container should ask for: memory that it uses has to be there."""
    used = container["memory_usage"] if resource == "memory" else None
    return max(FLOORS[resource], used or 0)


def _scale_down(obs: Observation, deploy: str, count: int) -> Action | None:
    """Remove replicas, though never the last one."""
    step = min(count, _desired(obs) - 1, int(STEP_BOUNDS["replicas"][1]))
    return Action(type="scale_down_replicas", deploy=deploy, step=step) if step > 0 else None


def _action(kind: str, deploy: str, container: str | None, resource: Resource, step: int) -> Action:
    _, most = STEP_BOUNDS[resource]
    step = min(step, parse_resource(resource, most))
    action = Action(type=kind, deploy=deploy, step=format_resource(resource, step))
    if container is not None:
        action["container"] = container
    return action


def _desired(obs: Observation) -> int:
    desired = obs.get("desired")
    return obs["total"] if desired is None else desired


def _placed(obs: Observation) -> int:
    return obs["total"] - obs["pending"]


def _missing(obs: Observation) -> int:
    """Return the pods that have no node; a StatefulSet has not even made all of them."""
    return max(_desired(obs) - _placed(obs), 0)


def _free_slots(obs: Observation) -> int | None:
    """Return how many more pods the nodes take."""
    allocatable, requested = obs.get("allocatable_pods"), obs.get("requested_pods")
    return None if allocatable is None or requested is None else allocatable - requested


def _kills(container: ContainerObservation) -> int:
    return container["oom_killed"] or 0


def _beyond(container: ContainerObservation) -> int:
    """Return the memory that is used beyond the request; 0 where nobody knows."""
    used = container["memory_usage"]
    return 0 if used is None else used - _request(container, "memory")


def _throttling(container: ContainerObservation) -> float:
    return container["throttled"] or 0.0


def _request(container: ContainerObservation, resource: Resource) -> int:
    values = cast("dict[str, int | None]", container)
    request, limit = values[f"{resource}_request"], values[f"{resource}_limit"]
    return effective_request(
        UNSET if request is None else request, UNSET if limit is None else limit
    )


def _rounded_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
