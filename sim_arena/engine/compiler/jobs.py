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


def job_fields(ref: WorkloadRef, spec: Mapping[str, Any], unmodelled: Unmodelled) -> dict[str, int]:
    """Return the fields of an `APPLICATION` record that a Job's spec sets.

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
    at_once = parallelism if completions == UNSET else min(parallelism, completions)
    return {
        "replicas": at_once,
        "parallelism": parallelism,
        "completions": completions,
        "indexed": indexed,
        "backoff_limit": number(ref, spec, "backoffLimit", default_limit),
        "index_limit": index_limit if indexed else UNSET,
        "most_failed": number(ref, spec, "maxFailedIndexes", UNSET),
        "enough": _enough(ref, spec, unmodelled),
        "deadline": _seconds(ref, spec, "activeDeadlineSeconds"),
        "suspended": int(bool(spec.get("suspend"))),
        "ttl": _seconds(ref, spec, "ttlSecondsAfterFinished"),
        "on_failure": _on_failure(spec),
    }


def _seconds(ref: WorkloadRef, spec: Mapping[str, Any], name: str) -> int:
    seconds = number(ref, spec, name, UNSET)
    return UNSET if seconds == UNSET else seconds * NS


def _enough(ref: WorkloadRef, spec: Mapping[str, Any], unmodelled: Unmodelled) -> int:
    """Return how many successes satisfy the successPolicy, UNSET if that is not what it asks."""
    counts = []
    for rule in (spec.get("successPolicy") or {}).get("rules") or ():
        if rule.get("succeededIndexes") is not None:
            unmodelled.note(f"{ref}: successPolicy.rules[].succeededIndexes is not modelled")
        else:
            counts.append(number(ref, rule, "succeededCount", UNSET))
    return min(counts, default=UNSET)


def _on_failure(spec: Mapping[str, Any]) -> int:
    """Return what the first matching rule of the podFailurePolicy says of a failed pod.

    A pod of the engine fails when all its regular containers were killed for their use of
    memory; no pod here has the conditions that a rule can ask for.
    """
    rules = (spec.get("podFailurePolicy") or {}).get("rules") or ()
    containers = {one["name"] for one in spec["template"]["spec"].get("containers") or ()}
    for rule in rules:
        codes = rule.get("onExitCodes")
        if codes and codes.get("containerName") in {None, *containers}:
            listed = _OOM_KILLED in (codes.get("values") or ())
            if listed == (codes.get("operator") == "In"):
                return _ACTIONS.get(str(rule.get("action")), COUNT)
    return COUNT
