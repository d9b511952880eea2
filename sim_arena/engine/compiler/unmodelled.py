"""Names every kind and field of a trace that the engine does not model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from traces import WorkloadRef

__all__ = ["HARMLESS_KINDS", "MODELLED_KINDS", "Unmodelled"]

Object = Mapping[str, Any]

MODELLED_KINDS = {
    "apps/v1.Deployment": "Deployment",
    "apps/v1.ReplicaSet": "ReplicaSet",
    "apps/v1.StatefulSet": "StatefulSet",
    "apps/v1.DaemonSet": "DaemonSet",
    "batch/v1.Job": "Job",
    "batch/v1.CronJob": "CronJob",
    "v1.Pod": "Pod",
}
# They change nothing that is observed.
HARMLESS_KINDS = frozenset(
    {"v1.Namespace", "v1.ConfigMap", "v1.Secret", "v1.ServiceAccount", "v1.Service"}
)
_PROGRESS_DEADLINE = 600  # by default, and in every object that was read from a cluster
_IMMUTABLE = {
    "DaemonSet": ("selector",),
    "Job": (
        "selector",
        "template",
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "successPolicy",
        "managedBy",
    ),
    "Deployment": ("selector",),
    "Pod": (
        "nodeName",
        "nodeSelector",
        "affinity",
        "initContainers",
        "containers",
        "restartPolicy",
    ),
    "ReplicaSet": ("selector",),
    "StatefulSet": ("selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"),
}


class Unmodelled:
    """Collects warnings, each once, in the order in which they come up."""

    def __init__(self) -> None:
        self._notes: dict[str, None] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings so far."""
        return tuple(self._notes)

    def note(self, text: str) -> None:
        """Add a warning."""
        self._notes[text] = None

    def note_kind(self, kind: str, name: str) -> None:
        """Note an object of a kind that is not modelled."""
        if kind not in HARMLESS_KINDS:
            self.note(f"kind {kind} is not modelled: {name} is left out")

    def note_pod(self, ref: WorkloadRef, spec: Object) -> None:
        """Note the fields of a pod spec that are not modelled."""
        for field in _unmodelled_fields(spec):
            self.note(f"{ref}: {field} is not modelled")

    def note_workload(self, ref: WorkloadRef, spec: Object) -> None:
        """Note the fields of a workload's spec that are not modelled."""
        wanted = (spec.get("selector") or {}).get("matchLabels") or {}
        labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
        if not wanted.items() <= labels.items():
            self.note(
                f"{ref}: the selector does not match the template's labels: the API server would "
                f"refuse it, the engine does not"
            )

    def note_deadline(self, ref: WorkloadRef, spec: Object) -> None:
        """Note a Deployment's deadline for progress, if somebody chose one."""
        seconds = spec.get("progressDeadlineSeconds")
        if seconds not in (None, _PROGRESS_DEADLINE):
            self.note(
                f"{ref}: progressDeadlineSeconds {seconds} is not modelled: it would change the "
                f"Deployment's conditions, and no pod"
            )

    def note_immutable(self, ref: WorkloadRef, before: Object | None, after: Object) -> None:
        """Note a change that the API server refuses, for which SimKube ends its run."""
        if before is None:
            return
        old, new = before.get("spec") or {}, after.get("spec") or {}
        for field in _IMMUTABLE.get(ref.kind, ()):
            if field == "template" and old.get("suspend"):
                continue  # requests and where its pods may go can be changed
            if old.get(field) != new.get(field):
                self.note(
                    f"{ref}: {field} cannot be changed: SimKube's run would end with an error, "
                    f"the engine goes on"
                )


def _unmodelled_fields(spec: Object) -> list[str]:
    """Name what is left out; whether ResourceClaims exist is known, not what they get."""
    return [field for field in ("resourceClaims", "schedulingGroup") if spec.get(field)]
