"""Usage on a real cluster: what the metrics API says where it is served, else nothing."""

from collections.abc import Iterator

import pytest

from sim_arena import verbs
from sim_arena.clusters.kube.api import Api, Json
from tests.cluster.kwok_runs import (
    MakeSpec,
    api,
    kubeconfig,
    make_kwok,
    namespaces,
    prepared,
    web_trace,
)
from tests.cluster.waiting import wait_until

__all__ = ["api", "kubeconfig", "make_kwok", "prepared"]  # fixtures

pytestmark = pytest.mark.cluster

GROUP = "metrics.k8s.io"
METRICS: Json = {"apiVersion": f"{GROUP}/v1beta1", "kind": "PodMetrics"}


@pytest.fixture
def metrics(api: Api) -> Iterator[Api]:
    """The metrics API, served from objects that a test writes: no metrics-server runs here."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1beta1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    kind: Json = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"pods.{GROUP}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, in the place of a server"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": "PodMetrics", "plural": "pods"},
            "versions": [version],
        },
    }
    name = kind["metadata"]["name"]
    api.create(kind)
    known = ("PodMetrics", METRICS["apiVersion"])
    wait_until(lambda: None if api.knows(known[1], known[0]) else "not served", 30)
    yield api
    api.delete(kind, None, name)
    wait_until(lambda: "still served" if GROUP in groups(api) else None, 60)


def groups(client: Api) -> set[str]:
    return {one["name"] for one in client.request("get", "/apis")["groups"]}


@pytest.mark.full  # a kind that comes and goes keeps the namespaces' controller busy
@pytest.mark.usefixtures("metrics", "prepared")
def test_what_the_metrics_api_says_is_what_the_pods_use(api: Api, make_kwok: MakeSpec) -> None:
    spec = make_kwok(web_trace(replicas=3), target=3)
    simulation = verbs.simulate(spec, spec.trace, 0)
    verbs.wait(simulation)
    before = verbs.observe(simulation)
    [namespace] = namespaces(api)
    where = namespace["metadata"]["name"]
    pods = api.list(f"/api/v1/namespaces/{where}/pods")
    for pod, cpu, memory in zip(pods[:2], ("250m", "350m"), ("100Mi", "300Mi"), strict=True):
        used = {"name": "main", "usage": {"cpu": cpu, "memory": memory}}
        metadata = {"name": pod["metadata"]["name"], "namespace": where}
        api.create({**METRICS, "metadata": metadata, "containers": [used]})
    [container] = verbs.observe(simulation)["containers"] or []
    verbs.clean_up(spec.place, "one")
    [unknown] = before["containers"] or []
    assert (unknown["cpu_usage"], unknown["memory_usage"]) == (None, None)
    # The mean of those pods of which anything is known.
    assert (container["cpu_usage"], container["memory_usage"]) == (300, 200 << 20)
