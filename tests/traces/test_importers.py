"""Traces of manifests: what is read, what is taken away, and what is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from traces import TraceError, dumps, findings, loads
from traces.importers import Imported, Manifest, assemble, read_path, read_text

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  uid: 11-22
  resourceVersion: "7"
  finalizers: [example.com/guard]
  annotations: {deployment.kubernetes.io/revision: "3", when: 2024-01-01}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: robot
      containers:
      - name: main
        image: registry.test/app:1
        args: [--at, 12:30:45]
        env:
        - {name: PLAIN, value: text}
        - {name: KEY, valueFrom: {secretKeyRef: {name: keys, key: one}}}
        envFrom: [{configMapRef: {name: settings}}]
        volumeMounts:
        - {name: settings, mountPath: /settings}
        - {name: scratch, mountPath: /scratch}
        resources: {requests: {cpu: 2, memory: 64Mi}}
      volumes:
      - {name: settings, configMap: {name: settings}}
      - {name: scratch, emptyDir: {}}
status: {readyReplicas: 1}
"""


def imported(text: str, **options: Any) -> Imported:
    return assemble(read_text(text, "test.yaml"), **options)


def objects(text: str, **options: Any) -> list[dict[str, Any]]:
    [event] = imported(text, **options).trace["events"]
    return event["applied_objs"]


def test_a_trace_of_manifests_is_one_that_simkube_takes() -> None:
    trace = imported(WEB, ts=100).trace
    assert loads(dumps(trace)) == trace
    assert findings(trace) == []
    assert trace["events"][0]["ts"] == 100
    assert trace["index"]["apps/v1.Deployment"].keys() == {"default/web"}


def test_what_belongs_to_its_cluster_is_taken_away() -> None:
    account, web = objects(WEB, namespace="shop")
    assert account["metadata"] == {"name": "robot", "namespace": "shop"}
    assert web["metadata"] == {
        "name": "web",
        "namespace": "shop",
        "annotations": {"when": "2024-01-01"},
    }
    assert "status" not in web
    pod = web["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["volumes"] == [{"name": "scratch", "emptyDir": {}}]
    assert container["volumeMounts"] == [{"name": "scratch", "mountPath": "/scratch"}]
    assert container["env"] == [{"name": "PLAIN", "value": "text"}]
    assert "envFrom" not in container
    assert container["args"] == ["--at", "12:30:45"]  # YAML 1.1 would make a number of it
    assert container["resources"] == {"requests": {"cpu": 2, "memory": "64Mi"}}


def pod(name: str, **metadata: Any) -> dict[str, Any]:
    spec = {"nodeName": "node-7", "containers": [{"name": "main", "image": "a"}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", **metadata},
        "spec": spec,
    }


def owner(version: str, kind: str, name: str) -> dict[str, Any]:
    reference = {"apiVersion": version, "kind": kind, "name": name, "uid": "1"}
    return {"ownerReferences": [reference]}


def test_what_others_make_or_has_ended_is_left_out_and_named() -> None:
    web = read_text(WEB.replace("name: web\n", "name: web\n  namespace: shop\n"), "web.yaml")[0].obj
    replica_set = {
        **web,
        "kind": "ReplicaSet",
        "metadata": {"name": "web-1", "namespace": "shop", **owner("apps/v1", "Deployment", "web")},
    }
    ended = {**pod("ended"), "status": {"phase": "Succeeded"}}
    found = assemble(
        Manifest(obj, obj["metadata"]["name"])
        for obj in (
            pod("web-1-a", **owner("apps/v1", "ReplicaSet", "web-1")),
            replica_set,
            web,
            pod("alone"),
            pod("static", **owner("v1", "Node", "node-7")),
            pod("going", deletionTimestamp="2024-01-01T00:00:00Z"),
            ended,
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}},
        )
    )
    [event] = found.trace["events"]
    assert [obj["metadata"]["name"] for obj in event["applied_objs"]] == ["robot", "web", "alone"]
    assert "nodeName" not in event["applied_objs"][2]["spec"]
    assert found.left_out == {
        "of a kind that says nothing of pods, or that belongs to no namespace": {"v1.Service": 1},
        "run by a node itself": {"v1.Pod": 1},
        "being deleted": {"v1.Pod": 1},
        "run to its end": {"v1.Pod": 1},
        "made by another object of the trace": {"apps/v1.ReplicaSet": 1, "v1.Pod": 1},
        "used by no pod": {"v1.ServiceAccount": 1},
    }


def test_a_job_loses_the_selector_that_its_controller_gave_it() -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "work", "labels": {"job-name": "work", "team": "a"}},
        "spec": {
            "selector": {"matchLabels": {"controller-uid": "1"}},
            "template": {
                "metadata": {"labels": {"controller-uid": "1", "team": "a"}},
                "spec": {"containers": [{"name": "main", "image": "a"}]},
            },
        },
    }
    [cleaned] = objects(json.dumps(job))
    assert cleaned["metadata"]["labels"] == {"team": "a"}
    assert cleaned["spec"]["template"]["metadata"]["labels"] == {"team": "a"}
    assert "selector" not in cleaned["spec"]
    kept = {**job, "spec": {**job["spec"], "manualSelector": True}}  # type: ignore[dict-item]
    [manual] = objects(json.dumps(kept))
    assert manual["spec"]["selector"] == {"matchLabels": {"controller-uid": "1"}}


def test_documents_lists_and_folders_are_unpacked(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "bad.yaml").write_text("nothing of ours")
    (tmp_path / "notes.txt").write_text("nothing of ours")
    (tmp_path / "a.yaml").write_text(f"# first\n---\n{WEB}\n---\n")
    pods = {"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "one"}}]}
    nested = {"apiVersion": "v1", "kind": "List", "items": [pods, pod("two")]}
    (tmp_path / "sub" / "b.json").write_text(json.dumps(nested))
    found = read_path(tmp_path)
    assert [(one.obj["kind"], one.obj["metadata"]["name"]) for one in found] == [
        ("Deployment", "web"),
        ("Pod", "one"),
        ("Pod", "two"),
    ]
    assert found[1].where.endswith("b.json, document 1, item 1, item 1")


def test_what_is_given_twice_counts_as_it_was_given_last() -> None:
    found = imported(f"{WEB}\n---\n{WEB.replace('replicas: 3', 'replicas: 5')}")
    assert found.trace["events"][0]["applied_objs"][1]["spec"]["replicas"] == 5
    assert found.left_out == {"given again": {"apps/v1.Deployment": 1}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hello", "test.yaml, document 1: expected a Kubernetes object.*found 'hello'"),
        ("a: b", "with apiVersion, found null; is this a manifest"),
        ("{{ .Values.x }}: [", "render the templates first: helm template"),
        ("apiVersion: v1\nkind: Kustomization", "kustomize build DIR"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: web-}", "found generateName 'web-'"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {1: a, name: b}", "put it into quotes"),
        ("apiVersion: v1\nkind: Pod\nx: &x {y: *x}\nmetadata: {name: b}", "128 levels deep"),
        ("[" * 5000, "expected YAML"),
        (WEB.replace("cpu: 2", "cpu: 2x"), r"document 1: spec.template.spec.containers\[0\].*cpu"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: a}", "found 1 x v1.Service"),
        ("", "at least one object that makes pods .* found nothing"),
    ],
)
def test_what_is_no_manifest_is_told(text: str, told: str) -> None:
    with pytest.raises(TraceError, match=told):
        imported(text)


def test_a_folder_without_manifests_and_a_missing_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"expected files of manifests .* found none"):
        read_path(tmp_path)
    with pytest.raises(TraceError, match="cannot read it"):
        read_path(tmp_path / "none.yaml")
