"""The fields of a Job's spec that its controller reads.

Defaults as the API server sets them: Kubernetes `pkg/apis/batch/v1/defaults.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim_arena.engine.compiler.fields import number
from sim_arena.engine.program import COUNT, FAIL_INDEX, FAIL_JOB, IGNORE, NS
from traces.arithmetic import UNSET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim_arena.engine.compiler.unmodelled import Unmodelled
    from traces import WorkloadRef

__all__ = ["job_fields"]

_ACTIONS = {"Count": COUNT, "Ignore": IGNORE, "FailJob": FAIL_JOB, "FailIndex": FAIL_INDEX}
_OOM_KILLED = 137
_BACKOFF_LIMIT = 6
_NO_LIMIT = (1 << 31) - 1


def job_fields(
    ref: WorkloadRef, spec: Mapping[str, Any], unmodelled: Unmodelled, numbers: list[int]
) -> dict[str, int]:
    """Return the fields of an `APPLICATION` record that a Job's spec sets.

    Args:
        ref: its name.
        spec: its spec.
        unmodelled: where to note what the engine does not model.
        numbers: where to add the rules of its successPolicy.

    Raises:
        TraceError: if a number is none.
    """
    parallelism = number(ref, spec, "parallelism", 1)
    completions = number(ref, spec, "completions", UNSET)
    if spec.get("parallelism") is None and completions == UNSET:
        completions = 1
    indexed = int(spec.get("completionMode") == "Indexed")
    if indexed and completions == UNSET:
        unmodelled.note(
            f"{ref}: an Indexed Job without completions: the API server would refuse it, the "
            f"engine takes 1"
        )
        completions = 1
    index_limit = number(ref, spec, "backoffLimitPerIndex", UNSET)
    default_limit = _BACKOFF_LIMIT if index_limit == UNSET else _NO_LIMIT
    if spec.get("managedBy") not in (None, "kubernetes.io/job-controller"):
        unmodelled.note(f"{ref}: managedBy is not modelled")
    first_success = len(numbers)
    numbers += _success_rules(ref, spec, completions)
    at_once = parallelism if completions == UNSET else min(parallelism, completions)
    return {
        "replicas": at_once,
        "parallelism": parallelism,
        "completions": completions,
        "indexed": indexed,
        "backoff_limit": number(ref, spec, "backoffLimit", default_limit),
        "index_limit": index_limit if indexed else UNSET,
        "most_failed": number(ref, spec, "maxFailedIndexes", UNSET),
        "first_success": first_success,
        "end_success": len(numbers),
        "deadline": _seconds(ref, spec, "activeDeadlineSeconds"),
        "suspended": int(bool(spec.get("suspend"))),
        "ttl": _seconds(ref, spec, "ttlSecondsAfterFinished"),
        "on_failure": _on_failure(spec, _FAILED),
        "on_eviction": _on_failure(spec, _EVICTED),
    }


def _seconds(ref: WorkloadRef, spec: Mapping[str, Any], name: str) -> int:
    seconds = number(ref, spec, name, UNSET)
    return UNSET if seconds == UNSET else seconds * NS


def _success_rules(ref: WorkloadRef, spec: Mapping[str, Any], completions: int) -> list[int]:
    """Return the successPolicy as numbers: see `job._meets_success_policy`.

    Source: Kubernetes `pkg/controller/job/success_policy.go`.
    """
    made: list[int] = []
    for rule in (spec.get("successPolicy") or {}).get("rules") or ():
        count = number(ref, rule, "succeededCount", UNSET)
        text = rule.get("succeededIndexes")
        if text is None:
            made += [count, 0]
        elif ranges := _indexes(str(text), completions):
            made += [count, len(ranges), *(bound for pair in ranges for bound in pair)]
    return made


def _indexes(text: str, completions: int) -> list[tuple[int, int]]:
    """Read `1,3-5`; nothing if it is not so, or an index is none of the Job's.

    Source: Kubernetes `pkg/controller/job/indexed_job_utils.go` (parseIndexesFromString).
    """
    ranges = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            return []
        ranges.append((int(first), int(last or first)))
    if any(first > last or last >= completions for first, last in ranges):
        return []
    return ranges


# The conditions of a failed pod, and of one that the kubelet has evicted.
_FAILED = {
    "PodScheduled": "True",
    "Initialized": "True",
    "Ready": "False",
    "ContainersReady": "False",
    "PodReadyToStartContainers": "False",
}
_EVICTED = {**_FAILED, "DisruptionTarget": "True"}


def _on_failure(spec: Mapping[str, Any], conditions: Mapping[str, str]) -> int:
    """Return what the first matching rule of the podFailurePolicy says of a failed pod.

    A pod of the engine fails when all its regular containers were killed for their use of
    memory, or when it is evicted; both times they are killed (exit 137).

    Source: Kubernetes `pkg/controller/job/pod_failure_policy.go`.
    """
    rules = (spec.get("podFailurePolicy") or {}).get("rules") or ()
    containers = {one["name"] for one in spec["template"]["spec"].get("containers") or ()}
    for rule in rules:
        if rule.get("onExitCodes"):
            matches = _has_exit_code(rule["onExitCodes"], containers)
        else:
            patterns = rule.get("onPodConditions") or ()
            matches = any(
                conditions.get(str(one.get("type"))) == (one.get("status") or "True")
                for one in patterns
            )
        if matches:
            return _ACTIONS.get(str(rule.get("action")), COUNT)
    return COUNT


def _has_exit_code(codes: Mapping[str, Any], containers: set[str]) -> bool:
    if codes.get("containerName") not in {None, *containers}:
        return False
    listed = _OOM_KILLED in (codes.get("values") or ())
    return listed == (codes.get("operator") == "In")
