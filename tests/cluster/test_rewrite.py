"""SimKube's rewriting, against what SimKube's own code says."""

import copy

from sim_arena.clusters.kwok.rewriting import Tenant, virtual_namespace, virtual_object
from tests.cluster.manifests import bare_pod, workload

ROOT = {"apiVersion": "v1", "kind": "Root", "name": "root", "uid": "1"}
SIMULATION = Tenant("sim", "virtual", ROOT)
TOLERATION = {"key": "kwok-provider", "operator": "Exists", "effect": "NoSchedule"}


def test_a_deployment_is_moved_and_sent_to_virtual_nodes() -> None:
    web = workload("Deployment", "web", replicas=2)
    web["status"] = {"readyReplicas": 1}
    spec = web["spec"]["template"]["spec"]
    spec["nodeSelector"] = {"disk": "ssd", "type": "physical"}
    spec["containers"][0]["ports"] = [{"containerPort": 80}]
    before = copy.deepcopy(web)
    virtual = virtual_object(SIMULATION, web, ["/spec/template"])
    template = virtual["spec"]["template"]
    assert web == before
    assert "status" not in virtual
    assert virtual["metadata"]["namespace"] == "virtual-test-ns"
    assert virtual["metadata"]["ownerReferences"] == [ROOT]
    assert virtual["metadata"]["labels"]["app.kubernetes.io/name"] == "web"
    assert template["metadata"]["labels"] == {"app": "web"}
    assert template["metadata"]["annotations"] == {
        "static.simkube.io/original-namespace": "test-ns"
    }
    assert template["spec"]["nodeSelector"] == {"disk": "ssd", "type": "virtual"}
    assert template["spec"]["tolerations"] == [TOLERATION]
    assert "ports" not in template["spec"]["containers"][0]


def test_a_pod_is_its_own_template() -> None:
    virtual = virtual_object(SIMULATION, bare_pod("alone"), [""])
    assert virtual["metadata"]["annotations"] == {"static.simkube.io/original-namespace": "test-ns"}
    assert virtual["metadata"]["labels"]["app.kubernetes.io/name"] == "alone"
    assert virtual["spec"]["nodeSelector"] == {"type": "virtual"}


def test_without_a_path_the_template_is_left_alone() -> None:
    web = workload("Deployment", "web")
    assert virtual_object(SIMULATION, web, [])["spec"] == web["spec"]


def test_a_long_name_is_cut_in_labels_only() -> None:
    name = "n" * 70
    namespace = virtual_namespace(SIMULATION, name)
    assert namespace["metadata"]["name"] == f"virtual-{name}"
    label = namespace["metadata"]["labels"]["app.kubernetes.io/name"]
    assert (len(label), label[-5:]) == (63, "nXXXX")
