"""Usage on a real cluster: what the metrics API says where it is served, else nothing."""

from collections.abc import Iterator

import pytest

from sim_arena import verbs
from sim_arena.clusters import Simulation
from sim_arena.clusters.kube.api import Api, Json
from sim_arena.spec import EpisodeSpec
from tests.cluster.kwok_runs import (
    MakeSpec,
    api,
    kubeconfig,
    make_kwok,
    namespaces,
    prepared,
    web_trace,
)
from tests.cluster.manifests import custom_kind
from tests.cluster.waiting import wait_until

__all__ = ["api", "kubeconfig", "make_kwok", "prepared"]  # fixtures

pytestmark = pytest.mark.cluster

GROUP = "metrics.k8s.io"
METRICS: Json = {"apiVersion": f"{GROUP}/v1beta1", "kind": "PodMetrics"}


@pytest.fixture
def metrics(api: Api) -> Iterator[Api]:
    """The metrics API, served from objects that a test writes: no metrics-server runs here."""
    kind = custom_kind(METRICS["apiVersion"], METRICS["kind"], "pods")
    name = kind["metadata"]["name"]
    api.create(kind)
    known = ("PodMetrics", METRICS["apiVersion"])
    wait_until(lambda: None if api.knows(known[1], known[0]) else "not served", 30)
    yield api
    api.delete(kind, None, name)
    wait_until(lambda: "still served" if GROUP in groups(api) else None, 60)


def groups(client: Api) -> set[str]:
    return {one["name"] for one in client.request("get", "/apis")["groups"]}


def played(api: Api, spec: EpisodeSpec) -> tuple[Simulation, str]:
    """A simulation at the end of its window, and the only namespace that it made."""
    simulation = verbs.simulate(spec, spec.trace, 0)
    verbs.wait(simulation)
    [namespace] = namespaces(api)
    return simulation, namespace["metadata"]["name"]


@pytest.mark.full  # a kind that comes and goes keeps the namespaces' controller busy
@pytest.mark.usefixtures("metrics", "prepared")
def test_what_the_metrics_api_says_is_what_the_pods_use(api: Api, make_kwok: MakeSpec) -> None:
    spec = make_kwok(web_trace(replicas=3), target=3)
    simulation, where = played(api, spec)
    before = verbs.observe(simulation)
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


@pytest.mark.usefixtures("prepared")
def test_a_container_that_was_killed_says_so(api: Api, make_kwok: MakeSpec) -> None:
    """KWOK kills nothing: the status is written as a kubelet would, and read through the API."""
    spec = make_kwok(web_trace(replicas=2), target=2)
    simulation, where = played(api, spec)
    before = verbs.observe(simulation)
    pods = f"/api/v1/namespaces/{where}/pods"
    for pod, ended in zip(api.list(pods), ("OOMKilled", None), strict=True):
        [status] = pod["status"]["containerStatuses"]
        last = {"exitCode": 137, "reason": ended} if ended else {"exitCode": 3}
        status |= {"restartCount": 2, "lastState": {"terminated": last}}
        patch = {"status": {"containerStatuses": [status]}}
        api.request(
            "patch",
            f"{pods}/{pod['metadata']['name']}/status",
            patch,
            content_type="application/merge-patch+json",
        )
    after = verbs.observe(simulation)
    verbs.clean_up(spec.place, "one")
    [unknown], [container] = before["containers"] or [], after["containers"] or []
    assert (unknown["oom_killed"], unknown["last_terminations"]) == (None, [])
    assert container["last_terminations"] == ["OOMKilled", "exit code 3"]
    assert (container["restarts"], container["oom_killed"]) == (4, 1)
    assert (after["restarts"], after["oom_killed"]) == (4, 1)
