"""Applies and deletes what an event of a trace says, in namespaces of the run's own."""

import time

from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.cleaning import CLUSTER_KINDS
from sim_arena.clusters.kube.errors import RefusedError
from sim_arena.clusters.kube.mirror import Mirror
from sim_arena.clusters.kube.ownership import RUN_ANNOTATION, RUN_LABEL
from sim_arena.clusters.kube.timeline import Step
from sim_arena.clusters.kwok.rewriting import (
    Tenant,
    owned_object,
    sent_to_virtual_nodes,
    stripped,
    virtual_namespace,
    virtual_object,
)
from sim_arena.errors import PermanentError, TransientError
from traces import Trace, gvk, pod_spec_template_paths
from traces.document import POD_SPEC_TEMPLATE_PATHS, POD_TEMPLATES

__all__ = ["Applier"]

_NAMESPACE: Json = {"apiVersion": "v1", "kind": "Namespace"}
_ACCOUNT: Json = {"apiVersion": "v1", "kind": "ServiceAccount"}
_ACCOUNT_S = 30.0
_LOOK_S = 0.1


class Applier:
    """Plays events on the API server.

    Args:
        api: the API server.
        mirror: what hears of each object that is applied or deleted.
        trace: the trace; its `config` says where the pod templates are.
        tenant: what every object gets to carry.
        run_id: the owner.
        rewrite: whether objects and pods are rewritten as SimKube does; namespaces always are.
    """

    def __init__(  # noqa: PLR0913 # each is needed
        self,
        api: Api,
        mirror: Mirror,
        trace: Trace,
        tenant: Tenant,
        run_id: str,
        *,
        rewrite: bool,
    ) -> None:
        self._api = api
        self._mirror = mirror
        self._trace = trace
        self._tenant = tenant
        self._run_id = run_id
        self._rewrite = rewrite
        self._namespaces: set[str] = set()

    def play(self, step: Step) -> None:
        """Apply and delete in the order of the trace. To do so again changes nothing.

        Raises:
            PermanentError: the API server refused an object; SimKube's run would end here too.
            TransientError: it was away for too long.
        """
        for obj in step.applied:
            try:
                self._apply(obj)
            except RefusedError as error:
                raise _told(step, "apply", obj, error) from error
        for obj in step.deleted:
            try:
                self._delete(obj)
            except RefusedError as error:
                raise _told(step, "delete", obj, error) from error

    def _apply(self, obj: Json) -> None:
        bare = stripped(obj)
        if not self._api.is_namespaced(bare):
            self._apply_cluster_object(bare)
            return
        original = bare["metadata"].get("namespace") or "default"
        bare["metadata"]["namespace"] = original
        self._make_namespace(original)
        applied = self._api.apply(owned_object(self._tenant, self._moved(bare)))
        self._mirror.wrote(applied)

    def _moved(self, obj: Json) -> Json:
        if self._rewrite:
            kind = gvk(obj)
            if kind in self._trace["config"]["trackedObjects"]:
                return virtual_object(self._tenant, obj, self._templates(kind))
            virtual = virtual_object(self._tenant, obj, [])
            return sent_to_virtual_nodes(virtual) if kind in POD_TEMPLATES else virtual
        namespace = self._tenant.namespace(obj["metadata"]["namespace"])
        return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}

    def _templates(self, kind: str) -> list[str]:
        """The places of a kind's pod templates.

        Where SimKube looks for a ReplicaSet's there is none, and the API server refuses what it
        adds there: see `simkube.preflight`. Here such a trace can be played.
        """
        real = "".join(f"/{name}" for name in POD_TEMPLATES.get(kind, ()))
        simkubes = POD_SPEC_TEMPLATE_PATHS.get(kind)
        paths = pod_spec_template_paths(self._trace, kind)
        return [real if path == simkubes else path for path in paths]

    def _apply_cluster_object(self, obj: Json) -> None:
        """Apply what has no namespace; SimKube itself would stop here."""
        if obj["kind"] == "Namespace":
            self._make_namespace(obj["metadata"]["name"])
            return
        kind, name = (obj["apiVersion"], obj["kind"]), obj["metadata"]["name"]
        if kind not in CLUSTER_KINDS:
            known = ", ".join(kind for _, kind in CLUSTER_KINDS)
            raise PermanentError(
                f"expected objects without a namespace of the kinds {known}, found "
                f"{obj['kind']} {name}: it would outlive the run; remove it from the trace"
            )
        found = self._api.get(obj, None, name)
        own = self._tenant.labels[RUN_LABEL]
        if found is not None and (found["metadata"].get("labels") or {}).get(RUN_LABEL) != own:
            raise PermanentError(
                f"expected no {obj['kind']} {name} on the cluster, found one that is not this "
                "run's: rename that of the trace"
            )
        owned = owned_object(self._tenant, obj)
        annotations = owned["metadata"].get("annotations") or {}
        owned["metadata"]["annotations"] = {**annotations, RUN_ANNOTATION: self._run_id}
        self._api.apply(owned)

    def _delete(self, obj: Json) -> None:
        metadata = obj["metadata"]
        if obj["kind"] == "Namespace":
            name = self._tenant.namespace(metadata["name"])
            self._namespaces.discard(name)
            self._api.delete(_NAMESPACE, None, name)
        elif self._api.is_namespaced(obj):
            namespace = self._tenant.namespace(metadata.get("namespace") or "default")
            self._api.delete(obj, namespace, metadata["name"])
            self._mirror.deleted(obj["kind"], namespace, metadata["name"])
        else:
            found = self._api.get(obj, None, metadata["name"])
            own = self._tenant.labels[RUN_LABEL]
            if found and (found["metadata"].get("labels") or {}).get(RUN_LABEL) == own:
                self._api.delete(obj, None, metadata["name"])

    def _make_namespace(self, original: str) -> None:
        name = self._tenant.namespace(original)
        if name in self._namespaces:
            return
        found = self._api.get(_NAMESPACE, None, name)
        if found is not None:
            self._require_own(found)
        manifest = virtual_namespace(self._tenant, original)
        manifest["metadata"]["annotations"] = {RUN_ANNOTATION: self._run_id}
        self._api.apply(manifest)
        self._await_account(name)
        self._namespaces.add(name)

    def _require_own(self, namespace: Json) -> None:
        metadata = namespace["metadata"]
        if (metadata.get("labels") or {}).get(RUN_LABEL) != self._tenant.labels[RUN_LABEL]:
            raise PermanentError(
                f"expected no namespace {metadata['name']}, found one that is not this run's"
            )
        if "deletionTimestamp" in metadata:
            raise TransientError(
                f"expected to make the namespace {metadata['name']}, found it on its way out"
            )

    def _await_account(self, namespace: str) -> None:
        """Pods are refused until the controllers have given the namespace its account."""
        deadline = time.monotonic() + _ACCOUNT_S
        while not self._api.exists(_ACCOUNT, namespace, "default"):
            if time.monotonic() > deadline:
                raise TransientError(
                    f"expected a service account in the namespace {namespace} within "
                    f"{_ACCOUNT_S:g} s, found none: does the cluster's controller manager run?"
                )
            time.sleep(_LOOK_S)


def _told(step: Step, verb: str, obj: Json, error: RefusedError) -> PermanentError:
    name = (
        f"{obj['kind']} {obj['metadata'].get('namespace') or 'default'}/{obj['metadata']['name']}"
    )
    return PermanentError(f"event {step.number}: the API server refused to {verb} {name}: {error}")
