"""Edits of a workload in a trace: its requests, limits and replicas.

Every event that applies the workload is edited, and the index gets the hash of the spec that is
applied last, as SimKube computes it. What was deleted is a record of the past and stays. What an
edit does to a number stands in `traces.arithmetic`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from traces import arithmetic
from traces.document import Object, Trace, WorkloadRef, gvk, object_name, pod_template
from traces.errors import TraceError, describe
from traces.quantities import LARGEST, Resource, format_resource, parse_resource
from traces.siphash import object_hash
from traces.workloads import REPLICATED_KINDS, applications, matching

__all__ = [
    "Change",
    "bump_cpu_limit",
    "bump_cpu_small",
    "bump_mem_limit",
    "bump_mem_small",
    "edit_container",
    "edit_replicas",
    "reduce_cpu_limit",
    "reduce_cpu_small",
    "reduce_mem_limit",
    "reduce_mem_small",
    "scale_down_replicas",
    "scale_up_replicas",
    "set_cpu_limit",
    "set_mem_limit",
]

_Values = list[tuple[str | None, str, str | None, str | None]]  # container, field, before, after
_Move = Callable[[int, int], tuple[int, int]]
_MOST_REPLICAS = (1 << 31) - 1  # the API's field has 32 bits


class Change(NamedTuple):
    """One value that was changed.

    `field` is `replicas` or such as `requests.cpu`; values are in Kubernetes' notation, None
    where there is no such field.
    """

    event: int
    workload: WorkloadRef
    container: str | None
    field: str
    before: str | None
    after: str | None


def edit_container(  # noqa: PLR0913 - what to edit and where; two of them by keyword only
    trace: Trace,
    deploy: str,
    resource: Resource,
    change: Callable[[int, int], tuple[int, int]],
    *,
    namespace: str | None = None,
    container: str | None = None,
) -> list[Change]:
    """Change the request and limit of one container, in place, in every event.

    Args:
        trace: The trace to edit.
        deploy: The workload's name; `statefulset/db` names the kind too.
        resource: `cpu` or `memory`.
        change: Maps request and limit to new ones, in milli-CPU or bytes;
            `arithmetic.UNSET` stands for a field that is not there.
        namespace: The workload's namespace; None for whichever it is in.
        container: The container's name; None for the first one.

    Returns:
        What was changed; nothing if the trace has no such workload or container.

    Raises:
        TraceError: Workloads in several namespaces have that name.
    """

    def edit(obj: Object) -> _Values:
        chosen = _container(obj, container)
        if chosen is None:
            return []
        old = (_amount(chosen, "requests", resource), _amount(chosen, "limits", resource))
        new = change(*old)
        changes = []
        for part, before, after in zip(("requests", "limits"), old, new, strict=True):
            if after != before:
                was = None if before == arithmetic.UNSET else format_resource(resource, before)
                now = _store(chosen, part, resource, after)
                changes.append((chosen["name"], f"{part}.{resource}", was, now))
        return changes

    return _edit(trace, deploy, namespace, edit)


def edit_replicas(
    trace: Trace, deploy: str, change: Callable[[int], int], *, namespace: str | None = None
) -> list[Change]:
    """Change the replicas of a workload, in place, in every event.

    Args:
        trace: The trace to edit.
        deploy: The workload's name; `statefulset/db` names the kind too.
        change: Maps the number of replicas to a new one; a missing number counts as 1.
        namespace: The workload's namespace; None for whichever it is in.

    Returns:
        What was changed; nothing if the trace has no such workload, or one without replicas: the
        parallelism of a Job is how many of its pods run at a time, not how many there are, and a
        DaemonSet has a pod on every node.

    Raises:
        TraceError: Workloads in several namespaces have that name.
    """

    def edit(obj: Object) -> _Values:
        if obj["kind"] not in REPLICATED_KINDS:
            return []
        before = obj["spec"].get("replicas")
        after = change(1 if before is None else before)
        if after == (1 if before is None else before):
            return []
        obj["spec"]["replicas"] = after
        return [(None, "replicas", None if before is None else str(before), str(after))]

    return _edit(trace, deploy, namespace, edit)


def bump_cpu_small(
    trace: Trace,
    deploy: str,
    step: str = "500m",
    *,
    namespace: str | None = None,
    container: str | None = None,
) -> bool:
    """Raise a container's CPU request by `step`; a limit in the way is raised too.

    Returns:
        True if something changed; False if nothing did, a missing workload included.

    Raises:
        TraceError: The step is not a quantity above 0, or several workloads have that name.
    """
    change = _by(arithmetic.change_request, _step("cpu", step))
    return bool(
        edit_container(trace, deploy, "cpu", change, namespace=namespace, container=container)
    )


def bump_mem_small(
    trace: Trace,
    deploy: str,
    step: str = "256Mi",
    *,
    namespace: str | None = None,
    container: str | None = None,
) -> bool:
    """Raise a container's memory request by `step`; a limit in the way is raised too.

    Returns:
        True if something changed; False if nothing did, a missing workload included.

    Raises:
        TraceError: The step is not a quantity above 0, or several workloads have that name.
    """
    change = _by(arithmetic.change_request, _step("memory", step))
    return bool(
        edit_container(trace, deploy, "memory", change, namespace=namespace, container=container)
    )


def reduce_cpu_small(
    trace: Trace,
    deploy: str,
    step: str = "500m",
    *,
    namespace: str | None = None,
    container: str | None = None,
) -> bool:
    """Lower a container's CPU request by `step`; a missing one counts as the limit.

    Returns:
        True if something changed; False if nothing did, a missing workload included.

    Raises:
        TraceError: The step is not a quantity above 0, or several workloads have that name.
    """
    change = _by(arithmetic.change_request, -_step("cpu", step))
    return bool(
        edit_container(trace, deploy, "cpu", change, namespace=namespace, container=container)
    )


def reduce_mem_small(
    trace: Trace,
    deploy: str,
    step: str = "256Mi",
    *,
    namespace: str | None = None,
    container: str | None = None,
) -> bool:
    """Lower a container's memory request by `step`; a missing one counts as the limit.

    Returns:
        True if something changed; False if nothing did, a missing workload included.

    Raises:
        TraceError: The step is not a quantity above 0, or several workloads have that name.
    """
    change = _by(arithmetic.change_request, -_step("memory", step))
    return bool(
        edit_container(trace, deploy, "memory", change, namespace=namespace, container=container)
    )


def scale_up_replicas(
    trace: Trace, deploy: str, delta: int = 1, *, namespace: str | None = None
) -> bool:
    """Raise the number of replicas by `delta`.

    Returns:
        True if something changed; False if nothing did, a missing workload included.

    Raises:
        TraceError: The delta is not a whole number above 0, or several workloads have that name.
    """
    change = partial(arithmetic.change_replicas, step=_delta(delta), low=0, high=_MOST_REPLICAS)
    return bool(edit_replicas(trace, deploy, change, namespace=namespace))


def scale_down_replicas(
    trace: Trace, deploy: str, delta: int = 1, *, namespace: str | None = None
) -> bool:
    """Lower the number of replicas by `delta`, down to 0 at most.

    Returns:
        True if something changed; False if nothing did, a missing workload included.

    Raises:
        TraceError: The delta is not a whole number above 0, or several workloads have that name.
    """
    change = partial(arithmetic.change_replicas, step=-_delta(delta), low=0, high=_MOST_REPLICAS)
    return bool(edit_replicas(trace, deploy, change, namespace=namespace))


def set_cpu_limit(
    trace: Trace,
    deploy: str,
    limit: str = "2000m",
    *,
    namespace: str | None = None,
    container: str | None = None,
) -> bool:
    """Set a container's CPU limit; a higher request is lowered to it.

    Returns:
        True if something changed; False if nothing did, a missing workload included.

    Raises:
        TraceError: The limit is not a quantity above 0, or several workloads have that name.
    """
    change = _by(arithmetic.set_limit, _step("cpu", limit))
    return bool(
        edit_container(trace, deploy, "cpu", change, namespace=namespace, container=container)
    )


def set_mem_limit(
    trace: Trace,
    deploy: str,
    limit: str = "2Gi",
    *,
    namespace: str | None = None,
    container: str | None = None,
) -> bool:
    """Set a container's memory limit; a higher request is lowered to it.

    Returns:
        True if something changed; False if nothing did, a missing workload included.

    Raises:
        TraceError: The limit is not a quantity above 0, or several workloads have that name.
    """
    change = _by(arithmetic.set_limit, _step("memory", limit))
    return bool(
        edit_container(trace, deploy, "memory", change, namespace=namespace, container=container)
    )


def bump_cpu_limit(
    trace: Trace,
    deploy: str,
    step: str = "500m",
    *,
    namespace: str | None = None,
    container: str | None = None,
) -> bool:
    """Raise a container's CPU limit by `step`; no limit means nothing to raise.

    Returns:
        True if something changed; False if nothing did, a missing workload included.

    Raises:
        TraceError: The step is not a quantity above 0, or several workloads have that name.
    """
    change = _by(arithmetic.change_limit, _step("cpu", step))
    return bool(
        edit_container(trace, deploy, "cpu", change, namespace=namespace, container=container)
    )


def bump_mem_limit(
    trace: Trace,
    deploy: str,
    step: str = "256Mi",
    *,
    namespace: str | None = None,
    container: str | None = None,
) -> bool:
    """Raise a container's memory limit by `step`; no limit means nothing to raise.

    Returns:
        True if something changed; False if nothing did, a missing workload included.

    Raises:
        TraceError: The step is not a quantity above 0, or several workloads have that name.
    """
    change = _by(arithmetic.change_limit, _step("memory", step))
    return bool(
        edit_container(trace, deploy, "memory", change, namespace=namespace, container=container)
    )


def reduce_cpu_limit(
    trace: Trace,
    deploy: str,
    step: str = "500m",
    *,
    namespace: str | None = None,
    container: str | None = None,
) -> bool:
    """Lower a container's CPU limit by `step`; a higher request comes along.

    Returns:
        True if something changed; False if nothing did, a missing workload included.

    Raises:
        TraceError: The step is not a quantity above 0, or several workloads have that name.
    """
    change = _by(arithmetic.change_limit, -_step("cpu", step))
    return bool(
        edit_container(trace, deploy, "cpu", change, namespace=namespace, container=container)
    )


def reduce_mem_limit(
    trace: Trace,
    deploy: str,
    step: str = "256Mi",
    *,
    namespace: str | None = None,
    container: str | None = None,
) -> bool:
    """Lower a container's memory limit by `step`; a higher request comes along.

    Returns:
        True if something changed; False if nothing did, a missing workload included.

    Raises:
        TraceError: The step is not a quantity above 0, or several workloads have that name.
    """
    change = _by(arithmetic.change_limit, -_step("memory", step))
    return bool(
        edit_container(trace, deploy, "memory", change, namespace=namespace, container=container)
    )


def _edit(
    trace: Trace, deploy: str, namespace: str | None, edit: Callable[[Object], _Values]
) -> list[Change]:
    ref = matching(trace, deploy, namespace)
    changes: list[Change] = []
    last: Object | None = None
    for event, workload, obj in applications(trace):
        if workload == ref:
            changes += [Change(event, workload, *values) for values in edit(obj)]
            last = obj
    if changes and last is not None:
        trace["index"].setdefault(gvk(last), {})[object_name(last)] = object_hash(last["spec"])
    return changes


def _container(obj: Object, name: str | None) -> dict[str, Any] | None:
    found: list[dict[str, Any]] = pod_template(obj)["spec"]["containers"]
    return next((one for one in found if name in (None, one["name"])), None)


def _amount(container: dict[str, Any], part: str, resource: Resource) -> int:
    amounts = (container.get("resources") or {}).get(part) or {}
    return parse_resource(resource, amounts[resource]) if resource in amounts else arithmetic.UNSET


def _store(container: dict[str, Any], part: str, resource: Resource, amount: int) -> str | None:
    resources = container["resources"] = container.get("resources") or {}
    amounts: dict[str, Any] = resources.get(part) or {}
    resources[part] = amounts
    if amount == arithmetic.UNSET:
        amounts.pop(resource, None)
        return None
    text = format_resource(resource, amount)
    amounts[resource] = text
    return text


def _step(resource: Resource, step: str) -> int:
    amount = parse_resource(resource, step)
    if amount == 0:
        raise TraceError("expected a step of more than 0, found 0", "step")
    return amount


def _delta(delta: int) -> int:
    if type(delta) is not int or delta < 1:
        raise TraceError(f"expected a whole number of at least 1, found {describe(delta)}", "delta")
    return delta


def _by(function: Callable[..., tuple[int, int]], amount: int) -> _Move:
    """Return one of `arithmetic`'s functions with its amount, free of guardrails."""

    def change(request: int, limit: int) -> tuple[int, int]:
        return function(request, limit, amount, 0, LARGEST)

    return change
