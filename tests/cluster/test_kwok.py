"""The kwok cluster: a trace on a real API server, and nothing of it left."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim_arena import verbs
from sim_arena.clusters.clean import clean
from sim_arena.clusters.kube.api import Api, RefusedError
from sim_arena.clusters.kube.lease import LEASE, Lease
from sim_arena.clusters.kube.nodes import node_manifest, prepare_nodes
from sim_arena.clusters.kube.observing import observe
from sim_arena.clusters.kwok.preparing import prepare, unprepare
from sim_arena.clusters.kwok.rewriting import sent_to_virtual_nodes
from sim_arena.episode import play
from sim_arena.errors import PermanentError, TransientError
from sim_arena.nodes import parse_nodes
from sim_arena.spec import EpisodeSpec
from tests.cluster.kwok_runs import (
    NODES,
    MakeSpec,
    api,
    demo_spec,
    has_lease,
    hold,
    kubeconfig,
    make_kwok,
    namespaces,
    prepared,
    untouched,
    web_trace,
)
from tests.cluster.manifests import bare_pod, custom_kind, job, make_trace, workload
from tests.cluster.waiting import wait_until
from traces import WorkloadRef

__all__ = ["api", "kubeconfig", "make_kwok", "prepared"]  # fixtures

pytestmark = pytest.mark.cluster

FOREIGN: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "sim-somebody-else"},
}


def counts(seen: object) -> tuple[int, int, int]:
    assert isinstance(seen, dict)
    return seen["ready"], seen["pending"], seen["total"]


def step(spec: EpisodeSpec, number: int = 0) -> object:
    simulation = verbs.simulate(spec, spec.trace, number)
    verbs.wait(simulation)
    return verbs.observe(simulation)


def test_prepare_makes_nodes_once_and_changes_them_when_they_change(prepared: Api) -> None:
    nodes = "/api/v1/nodes"
    before = {n["metadata"]["name"]: n["metadata"]["uid"] for n in prepared.list(nodes)}
    assert [line for line in prepare(prepared, parse_nodes(NODES)) if "Stage" not in line] == []
    prepare(prepared, parse_nodes("2x16cpu,32Gi+1x8cpu,16Gi+1x1cpu,1Gi"))
    after = {n["metadata"]["name"]: n for n in prepared.list(nodes)}
    assert sorted(after) == ["node-0", "node-1", "node-2", "node-3"]
    assert after["node-0"]["metadata"]["uid"] == before["node-0"]
    assert after["node-2"]["status"]["allocatable"]["cpu"] == "8"


def test_a_node_of_somebody_else_is_not_taken(prepared: Api) -> None:
    foreign = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-3"}}
    prepared.create(foreign)
    try:
        with pytest.raises(PermanentError, match="not make: give the nodes other names"):
            prepare(prepared, parse_nodes("4x16cpu,32Gi"))
    finally:
        prepared.delete(foreign, None, "node-3")


def test_a_step_shows_what_the_embedded_cluster_shows_and_leaves_nothing(
    prepared: Api, make_kwok: MakeSpec
) -> None:
    spec = make_kwok(web_trace("7", replicas=8))
    before = untouched(prepared)
    assert [check.name for check in verbs.preflight(spec) if not check.ok] == []
    seen = step(spec)
    own = step(spec.model_copy(update={"cluster": "embedded"}))
    verbs.clean_up(spec.place, "one")
    assert isinstance(seen, dict)
    assert isinstance(own, dict)
    assert counts(seen) == counts(own) == (6, 2, 8)
    assert seen["reasons"] == own["reasons"]
    for name in ("desired", "nodes", "allocatable_cpu", "requested_cpu", "largest_free_memory"):
        assert seen[name] == own[name], name
    assert seen["containers"][0]["cpu_request"] == 7000
    assert set(seen["events"]) == {"FailedScheduling", "Scheduled"}
    assert seen["oom_killed"] is seen["throttled"] is seen["containers"][0]["cpu_usage"] is None
    assert seen["cluster"] == "kwok"
    assert namespaces(prepared) == []
    assert has_lease(prepared) is None
    assert untouched(prepared) == before


@pytest.mark.parametrize(
    "made",
    [
        workload("DaemonSet", "web", "1500m"),
        workload("StatefulSet", "web", "7", replicas=3, serviceName="web"),
        workload("ReplicaSet", "web", "7", replicas=3),
        job("web", "2", parallelism=3, completions=2),
    ],
    ids=lambda made: str(made["kind"]),
)
@pytest.mark.usefixtures("prepared")
def test_each_kind_is_seen_as_the_embedded_cluster_sees_it(make_kwok: MakeSpec, made: Any) -> None:
    spec = make_kwok(make_trace((0, [made], [])))
    seen = step(spec)
    own = step(spec.model_copy(update={"cluster": "embedded"}))
    verbs.clean_up(spec.place, "one")
    assert isinstance(seen, dict)
    assert isinstance(own, dict)
    for name in ("ready", "pending", "total", "desired", "reasons"):
        assert seen[name] == own[name], name
    assert seen["ready"] > 0
    assert seen["containers"][0]["cpu_request"] == own["containers"][0]["cpu_request"]


def test_a_cronjob_has_the_pods_of_its_jobs(prepared: Api) -> None:
    template = {"spec": job("nightly", "1", parallelism=2, completions=2)["spec"]}
    made = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}}
    made["spec"] = {"schedule": "0 0 1 1 *", "jobTemplate": template}
    made["metadata"]["namespace"] = "default"
    uid = prepared.create(made)["metadata"]["uid"]
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": uid}
    run = {"apiVersion": "batch/v1", "kind": "Job", **template}
    run["metadata"] = {"name": "nightly-1", "namespace": "default"}
    run["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
    prepared.create(sent_to_virtual_nodes(run))

    def seen() -> Any:
        return observe(prepared, WorkloadRef("CronJob", "default", "nightly"), "kwok", 1.0)

    try:
        wait_until(lambda: None if seen()["ready"] == 2 else f"{seen()['ready']} are ready", 30)
        assert (seen()["total"], seen()["desired"]) == (2, 2)
        assert seen()["containers"][0]["cpu_request"] == 1000
    finally:
        prepared.delete(made, "default", "nightly", propagationPolicy="Foreground")


@pytest.mark.usefixtures("prepared")
def test_refused_pods_are_told_as_the_embedded_cluster_tells_them(make_kwok: MakeSpec) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"pods": "2"}}}
    quota["metadata"] = {"name": "few", "namespace": "test-ns"}
    web = workload("Deployment", "web", replicas=3)
    spec = make_kwok(make_trace((0, [quota], []), (5, [web], [])), speed=1.0, duration=10)
    seen = step(spec)
    own = step(spec.model_copy(update={"cluster": "embedded"}))
    verbs.clean_up(spec.place, "one")
    assert counts(seen) == counts(own) == (2, 0, 2)
    assert seen["reasons"] == own["reasons"]
    assert list(seen["reasons"].values()) == [1]
    assert "FailedCreate" in seen["events"]
    assert "FailedCreate" in own["events"]


def test_pods_count_by_owner_and_end_when_their_lifecycle_says(
    prepared: Api, make_kwok: MakeSpec
) -> None:
    trace = make_trace(
        (0, [workload("Deployment", "web", replicas=1), bare_pod("web-1234")], []),
        (10, [job("web-job", parallelism=1, completions=2)], []),
        (15, [], [bare_pod("web-1234")]),
        lifecycles={("batch/v1.Job", "test-ns/web-job"): [{"Finished": [100, 120]}]},
    )
    spec = make_kwok(trace, duration=100, target=1)
    assert counts(step(spec)) == (1, 0, 1)
    path = f"/api/v1/namespaces/{namespaces(prepared)[0]['metadata']['name']}/pods"
    pods = {pod["metadata"]["name"]: pod["status"]["phase"] for pod in prepared.list(path)}
    assert "web-1234" not in pods
    assert [phase for name, phase in pods.items() if "web-job" in name] == ["Succeeded"] * 2
    verbs.clean_up(spec.place, "one")


def test_an_episode_by_the_heuristic_repairs_a_demo_trace(
    prepared: Api, make_kwok: MakeSpec
) -> None:
    spec = make_kwok(**demo_spec("001-cpu-over-node"))
    prepare(prepared, parse_nodes(spec.nodes))
    result = play(spec)
    embedded = play(spec.model_copy(update={"cluster": "embedded", "run_id": "two"}))
    seen = [(r["observation"], r["action"]) for r in result.records]
    own = [(r["observation"], r["action"]) for r in embedded.records]
    assert result.success
    assert [(counts(o), a) for o, a in seen] == [(counts(o), a) for o, a in own]
    assert namespaces(prepared) == []


def test_trouble_that_is_usage_is_not_taken_for_health(prepared: Api, make_kwok: MakeSpec) -> None:
    spec = make_kwok(**demo_spec("008-oom-killed"))
    prepare(prepared, parse_nodes(spec.nodes))
    [check] = [one for one in verbs.preflight(spec) if one.name == "usage"]
    result = play(spec)
    assert not check.ok
    assert "more memory than its limit" in check.found
    [record] = result.records
    assert (record["success"], record["terminated"], record["truncated"]) == (None, False, True)
    assert record["action"] is None
    assert not result.success
    assert result.unassessable == [check.found.partition(":")[0]]


def test_a_second_run_waits_and_says_for_whom(
    prepared: Api, make_kwok: MakeSpec, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = make_kwok(run_id="one"), make_kwok(run_id="two")
    verbs.simulate(first, first.trace, 0)
    impatient = second.model_copy(update={"timeout": 0.5})
    with pytest.raises(TransientError, match="found it used by run one"):
        verbs.simulate(impatient, second.trace, 0)
    [check] = [one for one in verbs.preflight(second) if one.name == "queue"]
    assert "run one has the cluster" in check.found
    with caplog.at_level(logging.WARNING):
        waiting = threading.Thread(target=verbs.simulate, args=(second, second.trace, 0))
        waiting.start()
        wait_until(lambda: None if "waiting for run one" in caplog.text else "silent", 20)
    verbs.clean_up(first.place, "one")
    waiting.join(60)
    assert has_lease(prepared) == "two"
    verbs.clean_up(second.place, "two")


def test_an_observation_without_the_lease_is_void(prepared: Api, make_kwok: MakeSpec) -> None:
    spec = make_kwok()
    simulation = verbs.simulate(spec, spec.trace, 0)
    with pytest.raises(PermanentError, match="to be over, found it open"):
        verbs.observe(simulation)
    verbs.wait(simulation)
    lease = Lease(prepared, LEASE)
    lease.release("one")
    lease.acquire("other", {}, 10)
    with pytest.raises(TransientError, match="found that run other has it"):
        verbs.observe(simulation)
    verbs.clean_up(spec.place, "one")
    assert has_lease(prepared) == "other"
    lease.release("other")


def test_a_workload_that_somebody_removed_is_no_failed_one(
    prepared: Api, make_kwok: MakeSpec
) -> None:
    spec = make_kwok()
    simulation = verbs.simulate(spec, spec.trace, 0)
    verbs.wait(simulation)
    [namespace] = namespaces(prepared)
    web = {"apiVersion": "apps/v1", "kind": "Deployment"}
    prepared.delete(web, namespace["metadata"]["name"], "web")
    with pytest.raises(PermanentError, match="somebody removed it"):
        verbs.observe(simulation)
    verbs.clean_up(spec.place, "one")


def test_an_object_that_is_refused_ends_the_step_in_the_servers_words(
    prepared: Api, make_kwok: MakeSpec
) -> None:
    web = workload("Deployment", "web", replicas=2)
    web["spec"]["selector"]["matchLabels"] = {"app": "other"}
    spec = make_kwok(make_trace((0, [web], [])))
    with pytest.raises(PermanentError, match=r"0: .* refused to apply Deployment test-ns/web"):
        step(spec)
    verbs.clean_up(spec.place, "one")
    assert namespaces(prepared) == []


def test_a_cluster_object_of_somebody_else_is_not_touched(
    prepared: Api, make_kwok: MakeSpec
) -> None:
    high = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "high"},
        "value": 10,
    }
    spec = make_kwok(make_trace((0, [high, workload("Deployment", "web", replicas=2)], [])))
    theirs = prepared.create(high)
    try:
        with pytest.raises(PermanentError, match="found one that is not this run's"):
            step(spec)
        verbs.clean_up(spec.place, "one")
        left = prepared.get(high, None, "high")
        assert left is not None
        assert left["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]
    finally:
        prepared.delete(high, None, "high")
    assert counts(step(spec)) == (2, 0, 2)
    assert prepared.exists(high, None, "high")
    verbs.clean_up(spec.place, "one")
    assert not prepared.exists(high, None, "high")


PLAY = """
import sys
from sim_arena import verbs
from sim_arena.spec import EpisodeSpec
spec = EpisodeSpec.model_validate_json(sys.argv[1])
simulation = verbs.simulate(spec, spec.trace, 0)
print("created", flush=True)
verbs.wait(simulation)
"""


def test_what_a_killed_process_left_is_cleaned_and_nothing_else(
    prepared: Api, make_kwok: MakeSpec, kubeconfig: Path
) -> None:
    spec = make_kwok(speed=1.0, duration=100)
    prepared.apply(FOREIGN)
    given = {"apiVersion": "v1", "kind": "ConfigMap"}  # by a controller, to every namespace
    name = FOREIGN["metadata"]["name"]
    wait_until(lambda: None if prepared.exists(given, name, "kube-root-ca.crt") else "not yet", 30)
    before = untouched(prepared)
    process = subprocess.Popen(
        [sys.executable, "-c", PLAY, spec.model_dump_json()],
        stdout=subprocess.PIPE,
        env=os.environ | {"KUBECONFIG": str(kubeconfig)},
    )
    try:
        wait_until(lambda: None if namespaces(prepared, "one") else "nothing made", 60)
    finally:
        process.kill()
        process.communicate()
    assert clean(prepared) == []  # its lease may be alive for a minute: it is left alone
    other = make_kwok(run_id="two")
    [check] = [one for one in verbs.preflight(other) if one.name == "queue"]
    assert "run one has the cluster" in check.found
    [removed] = clean(prepared, "one")
    assert removed.startswith("Namespace sim-")
    assert namespaces(prepared) == []
    assert has_lease(prepared) is None
    assert untouched(prepared) == before
    prepared.delete(FOREIGN, None, name)


@pytest.mark.full  # the namespace controller tries again after a minute
def test_a_namespace_that_is_stuck_is_told_and_its_run_shows_nothing_false(
    prepared: Api, make_kwok: MakeSpec, caplog: pytest.LogCaptureFixture
) -> None:
    spec = make_kwok()
    step(spec)
    [namespace] = namespaces(prepared)
    name = namespace["metadata"]["name"]
    release = hold(prepared, name)
    with pytest.raises(TransientError, match=rf"Namespace {name} \(.*test.sim-arena.io/stuck"):
        clean(prepared, "one", deadline_s=8)
    assert f"waiting, for 8 s at most, until this is gone: Namespace {name}" in caplog.text
    other = make_kwok(run_id="two")
    with pytest.raises(PermanentError, match="left, which would take room"):
        verbs.simulate(other, other.trace, 0)
    release()
    clean(prepared, "one")
    assert namespaces(prepared) == []


def test_real_nodes_are_refused_unless_they_are_allowed(prepared: Api, make_kwok: MakeSpec) -> None:
    real = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-1"}}
    prepared.create(real)
    try:
        spec = make_kwok()
        [check] = [one for one in verbs.preflight(spec) if one.name == "real nodes"]
        with pytest.raises(PermanentError, match="worker-1: is this the right cluster"):
            play(spec)
        allowed = spec.model_copy(update={"allow_real_nodes": True})
        assert counts(step(allowed)) == (2, 0, 2)
        verbs.clean_up(spec.place, "one")
    finally:
        prepared.delete(real, None, "worker-1")
    assert not check.ok


def test_an_unknown_context_is_refused_in_a_sentence(kubeconfig: Path) -> None:
    with pytest.raises(PermanentError, match="expected a kubeconfig with the context 'nope'"):
        Api.from_kubeconfig(kubeconfig, "nope")


def test_what_the_server_refuses_is_told_in_its_words(api: Api) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "Not Valid"}}
    with pytest.raises(RefusedError, match=r'Namespace "Not Valid" is invalid: \[metadata.name'):
        api.create(namespace)


def test_a_simulation_of_simkubes_is_waited_for_and_waits(
    prepared: Api, make_kwok: MakeSpec, caplog: pytest.LogCaptureFixture
) -> None:
    labels = {"simkube.io/virtual": "true", "simkube.io/simulation": "sk-theirs-driver-abc12"}
    theirs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "virtual-theirs"}}
    prepared.create({**theirs, "metadata": {"name": "virtual-theirs", "labels": labels}})
    spec = make_kwok(timeout=2.0)
    with pytest.raises(TransientError, match="used by SimKube's sk-theirs-driver-abc12"):
        verbs.simulate(spec, spec.trace, 0)
    assert "waiting for SimKube's sk-theirs" in caplog.text
    prepared.delete(theirs, None, "virtual-theirs")
    wait_until(lambda: "there" if prepared.exists(theirs, None, "virtual-theirs") else None, 60)
    verbs.simulate(spec, spec.trace, 0)
    other = make_kwok(run_id="two", cluster="simkube", timeout=2.0)
    with pytest.raises(TransientError, match="used by run one"):
        verbs.simulate(other, other.trace, 0)
    verbs.clean_up(spec.place, "one")


def test_the_cluster_is_kept_however_long_a_policy_takes(
    prepared: Api, make_kwok: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim_arena.clusters.kube.lease._RENEW_S", 0.2)
    spec = make_kwok()
    verbs.simulate(spec, spec.trace, 0)

    def renewed() -> str:
        holder = Lease(prepared, LEASE).holder()
        assert holder is not None
        return holder.renewed

    before = renewed()
    wait_until(lambda: None if renewed() > before else "not renewed", 10)
    verbs.clean_up(spec.place, "one")
    assert has_lease(prepared) is None


def test_nodes_of_a_run_that_lives_are_not_taken_away(prepared: Api, make_kwok: MakeSpec) -> None:
    spec = make_kwok()
    verbs.simulate(spec, spec.trace, 0)
    told = "expected no run on the cluster, found run one"
    with pytest.raises(PermanentError, match=told):
        prepare(prepared, parse_nodes("1x1cpu,1Gi"))
    with pytest.raises(PermanentError, match=told):
        unprepare(prepared)
    assert len(prepared.list("/api/v1/nodes", "type=virtual")) == 3
    verbs.clean_up(spec.place, "one")


CLAIM: dict[str, Any] = {"accessModes": ["ReadWriteOnce"]}
CLAIM["resources"] = {"requests": {"storage": "1Gi"}}


@pytest.mark.parametrize(
    "theirs",
    [
        {"kind": "ServiceAccount"},
        {"kind": "PersistentVolumeClaim", "spec": CLAIM},
        {"kind": "Service", "spec": {"ports": [{"port": 80}]}},
        {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1"},
    ],
    ids=lambda theirs: str(theirs["kind"]),
)
def test_what_an_administrator_has_put_beside_the_lease_stays(
    prepared: Api, caplog: pytest.LogCaptureFixture, theirs: dict[str, Any]
) -> None:
    kind = {"apiVersion": "v1", **theirs}
    prepared.create({**kind, "metadata": {"name": "theirs", "namespace": "sim-arena"}})
    try:
        assert "namespace sim-arena" not in unprepare(prepared)
        told = f"as it has {theirs['kind'].lower()}s/theirs of others"
        assert told in caplog.text
        assert prepared.exists(kind, "sim-arena", "theirs")
    finally:
        prepared.delete(kind, "sim-arena", "theirs")
        if prepared.exists(kind, "sim-arena", "theirs"):  # a claim waits for its controller
            path, free = (
                prepared.path(kind, "sim-arena", "theirs"),
                {"metadata": {"finalizers": None}},
            )
            prepared.request("patch", path, free, content_type="application/merge-patch+json")


def test_prepared_nodes_are_just_as_they_were_asked_for(prepared: Api) -> None:
    label = {"metadata": {"labels": {"disk": "ssd"}}}
    path = "/api/v1/nodes/node-0"
    prepared.request("patch", path, label, content_type="application/merge-patch+json")
    told = prepare(prepared, parse_nodes(NODES))
    assert "node node-0 made anew: node-0: label disk too" in told
    assert "disk" not in prepared.request("get", path)["metadata"]["labels"]


def test_a_foreign_node_in_the_way_is_told_before_anything_is_changed(prepared: Api) -> None:
    foreign = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "theirs"}}
    prepared.create(foreign)
    manifest = {**node_manifest(parse_nodes(NODES)[0], virtual=True), "kind": "Node"}
    manifest["metadata"] = {**manifest["metadata"], "name": "theirs"}
    before = {n["metadata"]["name"] for n in prepared.list("/api/v1/nodes")}
    try:
        with pytest.raises(PermanentError, match="the node theirs"):
            prepare_nodes(prepared, [manifest])
        assert {n["metadata"]["name"] for n in prepared.list("/api/v1/nodes")} == before
    finally:
        prepared.delete(foreign, None, "theirs")


@pytest.fixture
def stages(prepared: Api) -> Iterator[str]:
    """The cluster with KWOK's kind for Stages; returns their path."""
    version = "kwok.x-k8s.io/v1alpha1"
    kind = custom_kind(version, "Stage", "stages", "Cluster")
    prepared.create(kind)
    wait_until(lambda: None if prepared.knows(version, "Stage") else "not served", 30)
    yield f"/apis/{version}/stages"
    prepared.delete(kind, None, kind["metadata"]["name"])
    wait_until(lambda: "still served" if prepared.knows(version, "Stage") else None, 60)


@pytest.mark.full  # a kind that comes and goes keeps the namespaces' controller busy
def test_stages_of_somebody_else_are_not_taken_for_ours(
    prepared: Api, stages: str, make_kwok: MakeSpec
) -> None:
    """KWOK's own fast Stage of this name ends pods of Jobs at once."""

    def failed() -> list[str]:
        return [check.found for check in verbs.preflight(make_kwok()) if not check.ok]

    theirs = {"resourceRef": {"apiGroup": "v1", "kind": "Pod"}, "selector": {}, "next": {}}
    stage = {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "spec": theirs}
    prepared.create({**stage, "metadata": {"name": "pod-complete"}})
    done = prepare(prepared, parse_nodes(NODES))
    assert "stage pod-complete left: it is not ours; --replace-stages replaces it" in done
    [found] = failed()
    assert "made otherwise by somebody else: pod-complete;" in found
    prepare(prepared, parse_nodes(NODES), replace_stages=True)
    assert failed() == []
    assert len(prepared.list(stages)) == 6
    prepare(prepared, parse_nodes(NODES))
    assert "what replaced the stage pod-complete" in unprepare(prepared)
    [left] = prepared.list(stages)
    assert left["spec"] == theirs
    assert not left["metadata"].get("labels")


def test_finalizers_of_another_cluster_hold_nothing_up(prepared: Api, make_kwok: MakeSpec) -> None:
    web = workload("Deployment", "web", replicas=2)
    web["metadata"]["finalizers"] = ["example.com/guard"]
    spec = make_kwok(make_trace((0, [web], [])))
    assert counts(step(spec)) == (2, 0, 2)
    verbs.clean_up(spec.place, "one")
    assert namespaces(prepared) == []


def test_pods_of_a_kind_that_is_not_tracked_go_to_virtual_nodes_too(
    prepared: Api, make_kwok: MakeSpec
) -> None:
    trace = web_trace()
    del trace["config"]["trackedObjects"]["apps/v1.Deployment"]
    spec = make_kwok(trace)
    assert counts(step(spec)) == (2, 0, 2)
    [namespace] = namespaces(prepared)
    pods = prepared.list(f"/api/v1/namespaces/{namespace['metadata']['name']}/pods")
    assert [pod["spec"]["nodeSelector"] for pod in pods] == [{"type": "virtual"}] * 2
    verbs.clean_up(spec.place, "one")
