"""Claims for volumes: which pods need which, and when they are there and bound.

The volume controller binds a claim whose class does not wait for a pod when it comes, if a volume
that fits has been there before; else when it next looks at all claims, every 15 s. That depends on
the trace's objects alone, so it is played here. Each change of a claim becomes a row of rules.

Sources: Kubernetes `pkg/controller/volume/persistentvolume/pv_controller.go`,
`staging/src/k8s.io/component-helpers/storage/volume/pv_helpers.go` (FindMatchingVolume).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim_arena.engine.compiler.matching import matches_terms
from sim_arena.engine.compiler.selectors import PodLabels, Selector, label_selector
from sim_arena.engine.program import NS, OTHER_VOLUME, OTHER_ZONE, PASSES
from traces import TraceError
from traces.quantities import parse_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sim_arena.engine.compiler.admission_rules import AdmissionRules
    from sim_arena.engine.compiler.unmodelled import Unmodelled
    from sim_arena.nodes import Node

__all__ = ["Volumes", "why_not"]

Object = Mapping[str, Any]

_KINDS = ("v1.PersistentVolumeClaim", "v1.PersistentVolume", "storage.k8s.io/v1.StorageClass")
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_PERIOD = 15 * NS  # PVClaimBinderSyncPeriod
_NO_PROVISIONER = "kubernetes.io/no-provisioner"
_WAITS = "WaitForFirstConsumer"
_ZONE_LABELS = (
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
)


@dataclass
class _Claim:
    """A claim that is there."""

    namespace: str
    name: str
    spec: Object
    volume: str | None = None


class Volumes:
    """Plays the volume controller over the trace's events.

    Args:
        rules: where the claims' changes go.
        unmodelled: where to note what is not modelled.
    """

    def __init__(self, rules: AdmissionRules, unmodelled: Unmodelled) -> None:
        self._rules = rules
        self._unmodelled = unmodelled
        self._claims: dict[tuple[str, str], _Claim] = {}
        self._volumes: dict[str, Object] = {}
        self._since: dict[str, int] = {}
        self._taken: set[str] = set()
        self._look_again: int | None = None
        self._classes: dict[str, Object] = {}
        self.bound: list[tuple[dict[str, int], Object]] = []
        """Rows of claims, with the volumes that they are bound to."""

    def take(self, time: int, order: int, obj: Object, *, deleted: bool) -> bool:
        """Take an object in that is applied or deleted, if it has to do with volumes.

        Raises:
            TraceError: if it cannot be understood.
        """
        kind = f"{obj.get('apiVersion')}.{obj.get('kind')}"
        if kind not in _KINDS:
            return False
        try:
            self._take(kind, time, order, obj, deleted=deleted)
        except (TypeError, ValueError, AttributeError, TraceError) as error:
            name = (obj.get("metadata") or {}).get("name")
            raise TraceError(f"{obj.get('kind')} {name}: {error}") from error
        return True

    def _take(self, kind: str, time: int, order: int, obj: Object, *, deleted: bool) -> None:
        self._look(time, order)
        metadata = obj.get("metadata") or {}
        name = str(metadata.get("name"))
        if kind == "v1.PersistentVolumeClaim":
            key = (str(metadata.get("namespace") or "default"), name)
            if deleted:
                self._claims.pop(key, None)
                self._gone(time, order, *key)
            else:
                known = self._claims.get(key)
                volume = known.volume if known else None
                self._claims[key] = _Claim(*key, self._with_class(obj.get("spec") or {}), volume)
                if known is None:
                    self._bind([self._claims[key]], before=time)
                    self._changed(time, order, self._claims[key])
        elif kind == "v1.PersistentVolume":
            self._keep(self._volumes, name, obj, deleted=deleted)
            self._since.setdefault(name, time)
            if deleted:
                self._taken.discard(name)
                del self._since[name]
        else:
            self._keep(self._classes, name, obj, deleted=deleted)
        if self._look_again is None and any(c.volume is None for c in self._claims.values()):
            self._look_again = time + _PERIOD

    def finish(self, order: int) -> None:
        """Let the controller look at all claims for the last time."""
        if self._look_again is not None:
            self._look(self._look_again, order)

    def _look(self, time: int, order: int) -> None:
        """Bind what can be bound when the controller looks at all claims, if that is due."""
        due = self._look_again
        if due is not None and due <= time:
            self._look_again = None
            for claim in self._bind(list(self._claims.values()), before=due + 1):
                self._changed(due, order, claim)

    def needed(self, ref: str, namespace: str, spec: Object) -> list[int]:
        """Return the numbers of the claims that a pod names."""
        numbers = []
        for volume in spec.get("volumes") or ():
            claim = volume.get("persistentVolumeClaim")
            if claim:
                numbers.append(self._rules.claim(namespace, str(claim.get("claimName"))))
            if volume.get("ephemeral"):
                self._note_own(ref, (volume["ephemeral"].get("volumeClaimTemplate") or {}))
        return numbers

    def note_templates(self, ref: str, templates: Sequence[Object]) -> None:
        """Note what of a StatefulSet's claims is not modelled."""
        for template in templates:
            self._note_own(ref, template)

    def _note_own(self, ref: str, template: Object) -> None:
        """A pod's own claims are taken never to be bound: there is no provisioner."""
        spec = self._with_class(template.get("spec") or {})
        if self._waits(spec) or self._candidates(spec):
            self._unmodelled.note(f"{ref}: binding the claims of each pod is not modelled")

    def _keep(self, into: dict[str, Object], name: str, obj: Object, *, deleted: bool) -> None:
        if deleted:
            into.pop(name, None)
        else:
            into[name] = obj

    def _with_class(self, spec: Object) -> dict[str, Any]:
        """Fill the default class in, as the API server does when a claim is made."""
        if spec.get("storageClassName") is None:
            for name, found in self._classes.items():
                annotations = (found.get("metadata") or {}).get("annotations") or {}
                if annotations.get(_DEFAULT_CLASS) == "true":
                    return {**spec, "storageClassName": name}
        return dict(spec)

    def _waits(self, spec: Object) -> bool:
        found = self._classes.get(spec.get("storageClassName") or "")
        waits = found is not None and found.get("volumeBindingMode") == _WAITS
        return waits and not spec.get("volumeName")

    def _bind(self, claims: Sequence[_Claim], before: int) -> list[_Claim]:
        """Bind claims to volumes that came before a time; return those that were bound."""
        bound = []
        for claim in claims:
            if claim.volume is not None or self._waits(claim.spec):
                continue
            candidates = [
                name for name in self._candidates(claim.spec, claim) if self._since[name] < before
            ]
            if candidates:
                claim.volume = min(candidates, key=self._capacity)
                self._taken.add(claim.volume)
                bound.append(claim)
        return bound

    def _capacity(self, name: str) -> int:
        spec = self._volumes[name].get("spec") or {}
        return parse_memory((spec.get("capacity") or {}).get("storage", 0))

    def _candidates(self, spec: Object, claim: _Claim | None = None) -> list[str]:
        """Return the volumes that fit; who was bound once is never free again, only released."""
        return [
            name
            for name, volume in self._volumes.items()
            if name not in self._taken and self._fits(name, volume, spec, claim)
        ]

    def _fits(self, name: str, volume: Object, spec: Object, claim: _Claim | None) -> bool:
        offered = volume.get("spec") or {}
        wanted = spec.get("volumeName")
        if wanted:
            return bool(wanted == name)
        owner = offered.get("claimRef")
        if owner:
            return claim is not None and (owner.get("namespace"), owner.get("name")) == (
                claim.namespace,
                claim.name,
            )
        storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage", 0)
        labels = (volume.get("metadata") or {}).get("labels") or {}
        selector = spec.get("selector")
        return (
            (offered.get("storageClassName") or "") == (spec.get("storageClassName") or "")
            and self._capacity(name) >= parse_memory(storage)
            and set(spec.get("accessModes") or ()) <= set(offered.get("accessModes") or ())
            and offered.get("volumeMode", "Filesystem") == spec.get("volumeMode", "Filesystem")
            and (selector is None or _selects(selector, labels))
        )

    def _changed(self, time: int, order: int, claim: _Claim) -> None:
        label = f"PersistentVolumeClaim {claim.namespace}/{claim.name}"
        state = {"bound": int(claim.volume is not None), "waits": 0}
        if claim.volume is None and self._waits(claim.spec):
            state["waits"] = 1
            found = self._classes[claim.spec["storageClassName"]]
            provisioned = found.get("provisioner") not in (None, "", _NO_PROVISIONER)
            if provisioned or self._candidates(claim.spec):
                self._unmodelled.note(
                    f"{label}: binding when the first pod comes is not modelled: its pods stay "
                    f"pending"
                )
        if "ReadWriteOncePod" in (claim.spec.get("accessModes") or ()):
            self._unmodelled.note(f"{label}: ReadWriteOncePod is not modelled")
        row = self._rules.add_claim(time, order, claim.namespace, claim.name, exists=1, **state)
        if claim.volume is not None:
            self.bound.append((row, self._volumes.get(claim.volume, {})))

    def _gone(self, time: int, order: int, namespace: str, name: str) -> None:
        self._rules.add_claim(time, order, namespace, name, exists=0)


def why_not(volume: Object, node: Node) -> int:
    """Return why a volume cannot be used on a node, or 0."""
    if not _node_allows(volume, node):
        return OTHER_VOLUME
    return PASSES if _zone_allows(volume, node) else OTHER_ZONE


def _node_allows(volume: Object, node: Node) -> bool:
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    if required is None:
        return True
    return matches_terms(required.get("nodeSelectorTerms") or (), node)


def _zone_allows(volume: Object, node: Node) -> bool:
    """Say whether a node is in a zone of a volume: its labels name several as `a__b`."""
    labels = (volume.get("metadata") or {}).get("labels") or {}
    known = any(label in node.labels for label in _ZONE_LABELS)
    if not known:
        return True  # a node without zones is one of a cluster without zones
    return all(
        node.labels.get(label, node.labels.get(_modern(label))) in labels[label].split("__")
        for label in _ZONE_LABELS
        if label in labels
    )


def _modern(label: str) -> str:
    return label.replace("failure-domain.beta", "topology")


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    requirements = label_selector(selector)
    return Selector(requirements, frozenset([""])).matches(PodLabels("", {}, labels))
