"""Play a trace on the real control plane, as SimKube would, and show what became of it.

    python -m tests.cluster.replay --trace F --nodes 3x16cpu,32Gi --at 20 --json

After each event the control plane is left to settle. Pauses in which nothing could happen by the
passing of time alone (no pod has an end, no Job waits) are skipped; others are waited out.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from sim_arena.clusters.kube.api import Api, ApiError, Json
from sim_arena.clusters.kube.timeline import Step
from sim_arena.clusters.kube.timeline import timeline as steps
from sim_arena.clusters.kwok.replay import Clock, workloads
from sim_arena.clusters.kwok.rewriting import Tenant, virtual_namespace, virtual_object
from sim_arena.nodes import DEFAULT_NODES, Node, parse_nodes
from tests.cluster.harness import ControlPlane
from tests.cluster.nodes import add_nodes, remove_nodes
from tests.cluster.settle import Settler, timers
from tests.cluster.state import (
    WORKLOAD_KINDS,
    Genealogy,
    State,
    Status,
    workload_status,
)
from tests.cluster.waiting import wait_until
from tests.cluster.webhook import Delays, PodMutator, PodWebhook
from traces import Trace, WorkloadRef, gvk, load_trace, pod_spec_template_paths

__all__ = ["Clock", "Options", "Replay", "Step", "snapshots", "timeline", "workloads"]

_CLEAN_S = 120.0
_LAST_S = 60
_NAP_S = 0.5
_ACCOUNT_S = 30.0
_ROOT: Json = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}


class ReplayError(RuntimeError):
    """The API server refused an object; SimKube's run would end here too."""


@dataclass(frozen=True)
class Options:
    """How to replay.

    Attributes:
        rewrite: whether to rewrite objects and pods as SimKube does.
        prefix: goes before the namespaces' names, when they are rewritten.
        duration: events this many seconds after the first one, and later ones, are dropped;
            None keeps all.
        speed: divides the pauses and the pods' running times, as in SimKube.
        skip: whether pauses in which nothing can happen are skipped.
        delays: SimKube's lifecycle parameters.
    """

    rewrite: bool = True
    prefix: str = "virtual"
    duration: int | None = None
    speed: float = 1.0
    skip: bool = True
    delays: Delays = field(default_factory=Delays)


def timeline(trace: Trace, options: Options) -> list[Step]:
    """The events that are played, with their times after `speed` and `duration`."""
    return steps(trace, options.duration, options.speed)


class Replay:
    """One trace on one control plane; a context manager that cleans up behind itself."""

    def __init__(
        self, plane: ControlPlane, trace: Trace, nodes: list[Node], options: Options
    ) -> None:
        self.plane = plane
        self.trace = trace
        self.nodes = nodes
        self.options = options
        self.error: str | None = None
        self.state = State({kind: [] for kind in WORKLOAD_KINDS})
        self._settler = Settler(plane)
        self._genealogy = Genealogy()
        self._namespaces: set[str] = set()
        self._cluster_objects: list[Json] = []
        self._tenant: Tenant | None = None
        self._webhook: PodWebhook | None = None

    def __enter__(self) -> Self:
        add_nodes(self.plane.api, self.nodes, virtual=self.options.rewrite)
        if self.options.rewrite:
            self._start_simulation()
        self._settle()
        self._clock = Clock()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After a failure the control plane itself is stopped, and its logs are wanted.
        if error is None:
            self._clean_up()
        elif self._webhook is not None:
            self._webhook.stop()

    def play(self) -> Iterator[Step]:
        """Play event by event; yields when an event has settled, its result is in `state`."""
        for step in timeline(self.trace, self.options):
            self._advance(step.due)
            try:
                self._play(step)
            except ReplayError as error:
                self.error = str(error)
            self._settle()
            if self.error is not None:
                return
            yield step

    def play_until(self, moments: list[float]) -> Iterator[tuple[float, list[Status]]]:
        """Play, and show all workloads at each moment, that moment's events included.

        Args:
            moments: seconds after the first event, ascending.

        Yields:
            The moment, and the status of every workload of the trace.
        """
        steps = self.play()
        due = [step.due for step in timeline(self.trace, self.options)]
        played = 0
        for moment in moments:
            while self.error is None and played < len(due) and due[played] <= moment:
                next(steps, None)
                played += 1
            self._advance(moment)
            yield moment, self.statuses()

    def end(self) -> float:
        """When the window ends without moments asked for: its duration, or a minute more."""
        if self.options.duration is not None:
            return int(self.options.duration / self.options.speed)
        steps = timeline(self.trace, self.options)
        return (steps[-1].due if steps else 0) + _LAST_S

    def statuses(self) -> list[Status]:
        """The status of every workload of the trace, in order of appearance."""
        return [workload_status(ref, self.pods(ref)) for ref in workloads(self.trace)]

    def pods(self, workload: WorkloadRef) -> list[Json]:
        """The pods that descend from a workload."""
        own = (workload.kind, self._namespace(workload.namespace), workload.name)
        return [pod for pod in self.state.pods if self._genealogy.root(pod) == own]

    def _settle(self) -> None:
        self.state = self._settler.wait(on_look=self._genealogy.update)

    def _advance(self, when: float) -> None:
        """Let the time pass until then, or skip it where nothing would happen."""
        while (left := when - self._clock.now()) > 0:
            if self.options.skip and not any(timers(self.state)):
                self._clock.skip_to(when)
                return
            time.sleep(min(left, _NAP_S))
            self._settle()

    def _play(self, step: Step) -> None:
        for obj in step.applied:
            self._attempt(step, "apply", obj)
        for obj in step.deleted:
            self._attempt(step, "delete", obj)

    def _attempt(self, step: Step, verb: str, obj: Json) -> None:
        try:
            (self._apply if verb == "apply" else self._delete)(obj)
        except ApiError as error:
            name = f"{obj['kind']} {obj['metadata'].get('namespace')}/{obj['metadata']['name']}"
            raise ReplayError(f"event {step.number}: {verb} {name}: {error}") from error

    def _apply(self, obj: Json) -> None:
        api = self.plane.api
        if not api.is_namespaced(obj):
            self._apply_cluster_object(obj)
            return
        original = obj["metadata"].get("namespace") or "default"
        obj = {**obj, "metadata": {**obj["metadata"], "namespace": original}}
        self._make_namespace(original)
        if self._tenant is not None:
            tracked = gvk(obj) in self.trace["config"]["trackedObjects"]
            paths = pod_spec_template_paths(self.trace, gvk(obj)) if tracked else []
            obj = virtual_object(self._tenant, obj, paths)
        api.apply(obj)

    def _apply_cluster_object(self, obj: Json) -> None:
        """Apply what has no namespace; SimKube itself would stop here."""
        if obj["kind"] == "Namespace":
            obj = {**obj, "metadata": {**obj["metadata"]}}
            obj["metadata"]["name"] = self._namespace(obj["metadata"]["name"])
            self._namespaces.add(obj["metadata"]["name"])
        else:
            self._cluster_objects.append(obj)
        self.plane.api.apply(obj)

    def _delete(self, obj: Json) -> None:
        api = self.plane.api
        metadata = obj["metadata"]
        name = metadata["name"]
        if obj["kind"] == "Namespace":
            name = self._namespace(name)
        api.delete(obj, self._namespace(metadata.get("namespace") or "default"), name)

    def _namespace(self, original: str) -> str:
        return self._tenant.namespace(original) if self._tenant else original

    def _make_namespace(self, original: str) -> None:
        name = self._namespace(original)
        kind: Json = {"apiVersion": "v1", "kind": "Namespace"}
        if name in self._namespaces:
            return
        self._namespaces.add(name)
        if self.plane.api.exists(kind, None, name):
            return
        if self._tenant is not None:
            manifest = virtual_namespace(self._tenant, original)
        else:
            manifest = {**kind, "metadata": {"name": name}}
        self.plane.api.create(manifest)
        # Pods are refused until the controllers have given the namespace its service account.
        account: Json = {"apiVersion": "v1", "kind": "ServiceAccount"}
        wait_until(
            lambda: None if self.plane.api.exists(account, name, "default") else f"{name}: bare",
            _ACCOUNT_S,
        )

    def _start_simulation(self) -> None:
        name = f"sim-{self.options.prefix}"
        root = self.plane.api.create({**_ROOT, "metadata": {"name": name}, "rules": []})
        reference = {**_ROOT, "name": name, "uid": root["metadata"]["uid"]}
        reference["blockOwnerDeletion"] = True
        self._tenant = Tenant(name, self.options.prefix, reference)
        mutator = PodMutator(
            self.plane.api, self._tenant, self.trace, self.options.delays, self.options.speed
        )
        self._webhook = PodWebhook(mutator, self.plane.pki)
        self._make_namespace("probe")
        self._webhook.start(self._tenant.namespace("probe"))

    def _clean_up(self) -> None:
        """Delete what was made, and wait until all of it is gone."""
        api = self.plane.api
        for namespace in self._namespaces:
            _empty(api, namespace)
        for obj in self._cluster_objects:
            api.delete(obj, None, obj["metadata"]["name"])
        wait_until(self._left_over, _CLEAN_S)
        for namespace in self._namespaces - {"default"}:
            api.delete({"apiVersion": "v1", "kind": "Namespace"}, None, namespace)
        if self._webhook is not None:
            self._webhook.stop()
        if self._tenant is not None:
            api.delete(_ROOT, None, self._tenant.name)
        remove_nodes(api)
        wait_until(lambda: "nodes left" if api.list("/api/v1/nodes") else None, _CLEAN_S)

    def _left_over(self) -> str | None:
        state, _ = self._settler.look()
        left = [
            f"{obj['kind']} {obj['metadata']['name']}"
            for objects in state.objects.values()
            for obj in objects
            if obj["metadata"]["namespace"] in self._namespaces
        ]
        return f"still there: {', '.join(left[:5])}" if left else None


def _empty(api: Api, namespace: str) -> None:
    """Delete what replays put into a namespace, owners before their pods."""
    for collection, root in _NAMESPACED_COLLECTIONS:
        path = f"{root}/namespaces/{namespace}/{collection}"
        if api.list(path):
            api.request("delete", path, propagation_policy="Background", grace_period_seconds=0)


_NAMESPACED_COLLECTIONS = (
    ("cronjobs", "/apis/batch/v1"),
    ("jobs", "/apis/batch/v1"),
    ("deployments", "/apis/apps/v1"),
    ("statefulsets", "/apis/apps/v1"),
    ("daemonsets", "/apis/apps/v1"),
    ("replicasets", "/apis/apps/v1"),
    ("resourcequotas", "/api/v1"),
    ("limitranges", "/api/v1"),
    ("poddisruptionbudgets", "/apis/policy/v1"),
    ("services", "/api/v1"),
    ("pods", "/api/v1"),
    ("persistentvolumeclaims", "/api/v1"),
)


def snapshots(replay: Replay, moments: list[float]) -> Json:
    """Play to the moments, and give what `sim-arena simulate --json` gives for them."""
    at = [
        {
            "t": int(moment) if moment == int(moment) else moment,
            "workloads": [status.as_json() for status in statuses],
        }
        for moment, statuses in replay.play_until(sorted(moments) or [replay.end()])
    ]
    return {"at": at} if replay.error is None else {"at": at, "error": replay.error}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns its exit status."""
    chosen = _parser().parse_args(arguments)
    options = Options(
        rewrite=chosen.replay == "simkube",
        duration=chosen.duration,
        speed=chosen.speed,
        skip=not chosen.real_time,
        delays=Delays(*chosen.delays),
    )
    trace = load_trace(Path(chosen.trace))
    nodes = parse_nodes(chosen.nodes)
    with ControlPlane() as plane, Replay(plane, trace, nodes, options) as replay:
        result = snapshots(replay, chosen.at)
        if chosen.pods:
            result["pods"] = [_pod_summary(pod) for pod in replay.state.pods]
    print(json.dumps(result, indent=None if chosen.json else 2))  # noqa: T201 - its output
    return 1 if "error" in result else 0


def _pod_summary(pod: Json) -> Json:
    return {
        "namespace": pod["metadata"]["namespace"],
        "name": pod["metadata"]["name"],
        "node": pod["spec"].get("nodeName"),
        "phase": pod["status"].get("phase"),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.replay", description=__doc__)
    add = parser.add_argument
    add("--trace", required=True, help="a SimKube trace file")
    add("--nodes", default=DEFAULT_NODES, help="as for sim-arena simulate")
    add("--at", type=float, action="append", default=[], help="seconds after the first event")
    add("--duration", type=int, help="seconds; later events are dropped")
    add("--speed", type=float, default=1.0, help="divides pauses and running times")
    add("--replay", choices=("simkube", "plain"), default="simkube")
    add("--delays", type=int, nargs=4, default=(0, 0, 0, 0), metavar="MS", help=_DELAYS)
    add("--real-time", action="store_true", help="wait every pause out")
    add("--pods", action="store_true", help="also list the pods at the end")
    add("--json", action="store_true", help="print JSON on one line")
    return parser


_DELAYS = "image pull delay and jitter, pod start-up delay and jitter"


if __name__ == "__main__":
    sys.exit(main())
