"""The real clusters under exactly the permissions of `deploy/`, and under fewer."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from sim_arena import verbs
from sim_arena.clusters.clean import clean
from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.permissions import Need
from sim_arena.clusters.kwok.permissions import RUNNING
from sim_arena.clusters.simkube.preflight import NEEDS
from sim_arena.episode import play
from sim_arena.errors import PermanentError
from tests.cluster.harness import ControlPlane
from tests.cluster.kwok_runs import (
    MakeSpec,
    age_lease,
    api,
    has_lease,
    kubeconfig,
    make_kwok,
    namespaces,
    prepared,
)
from tests.cluster.manifests import NAMESPACE, make_trace, workload
from tests.cluster.simkube_runs import left, make_simkube, simkube, simkube_host

__all__ = ["api", "kubeconfig", "make_kwok", "make_simkube", "prepared", "simkube", "simkube_host"]

DEPLOY = Path(__file__).parents[2] / "deploy"
UseAccount = Callable[[], None]


def objects(manifest: str = "kwok-rbac.yaml") -> list[Json]:
    return list(yaml.safe_load_all((DEPLOY / manifest).read_text("utf-8")))


def role(found: list[Json]) -> Json:
    return next(obj for obj in found if obj["kind"] == "ClusterRole")


@pytest.fixture
def manifest() -> str:
    """The file in `deploy/` whose account is used."""
    return "kwok-rbac.yaml"


@pytest.fixture
def account(
    control_plane: ControlPlane,
    prepared: Api,
    manifest: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[UseAccount]:
    """Apply the manifest, and be its service account from when this is called."""
    for obj in objects(manifest):
        prepared.apply(obj)
    [name] = [o["metadata"]["name"] for o in objects(manifest) if o["kind"] == "ServiceAccount"]

    def use() -> None:
        path = f"/api/v1/namespaces/sim-arena/serviceaccounts/{name}/token"
        wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        token = prepared.request("post", path, wanted)["status"]["token"]
        document = json.loads(control_plane.kubeconfig.read_text())
        document["users"][0]["user"] = {"token": token}
        own = tmp_path / "account-kubeconfig"
        own.write_text(json.dumps(document))
        monkeypatch.setenv("KUBECONFIG", str(own))

    yield use
    for obj in objects(manifest):
        prepared.delete(obj, obj["metadata"].get("namespace"), obj["metadata"]["name"])


@pytest.mark.parametrize(
    ("manifest", "needs"), [("kwok-rbac.yaml", RUNNING), ("simkube-rbac.yaml", NEEDS)]
)
def test_the_manifest_grants_what_is_needed_and_no_more(
    manifest: str, needs: tuple[Need, ...]
) -> None:
    granted = {
        (group, resource, verb, obj["metadata"].get("namespace"))
        for obj in objects(manifest)
        for rule in obj.get("rules") or ()
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    needed = {(n.group, n.resource, verb, n.namespace) for n in needs for verb in n.verbs}
    assert granted == needed


@pytest.mark.cluster
def test_an_episode_needs_no_more_than_the_manifest_grants(
    account: UseAccount, prepared: Api, make_kwok: MakeSpec
) -> None:
    account()
    spec = make_kwok()
    assert [check.name for check in verbs.preflight(spec) if not check.ok] == []
    assert play(spec).success
    assert namespaces(prepared) == []
    assert has_lease(prepared) is None


@pytest.mark.cluster
def test_what_is_not_permitted_is_named_and_nothing_is_begun(
    account: UseAccount, prepared: Api, make_kwok: MakeSpec
) -> None:
    less = role(objects())
    for rule in less["rules"]:
        if "deployments" in rule["resources"]:
            rule["verbs"] = ["get", "list", "watch"]
    prepared.apply(less, force=True)
    account()
    with pytest.raises(PermanentError) as refused:
        play(make_kwok())
    told = "not permitted: create, delete, deletecollection, patch deployments.apps"
    assert told in str(refused.value)
    assert "have an administrator apply deploy/kwok-rbac.yaml" in str(refused.value)
    assert namespaces(prepared) == []


@pytest.mark.cluster
def test_what_a_trace_applies_beside_workloads_has_to_be_permitted_too(
    account: UseAccount, prepared: Api, make_kwok: MakeSpec
) -> None:
    config: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    config["metadata"]["namespace"] = NAMESPACE
    widget = {**config, "apiVersion": "example.com/v1", "kind": "Widget"}
    node: Json = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "late"}}

    def found(*events: tuple[int, list[Json], list[Json]]) -> str:
        trace = make_trace((0, [workload("Deployment", "web")], []), *events)
        [lacking] = [check for check in verbs.preflight(make_kwok(trace)) if not check.ok]
        return lacking.found

    account()
    assert found((1, [config], [])) == "not permitted: create, patch configmaps"
    deleted = (1, [config], []), (2, [], [config])
    assert found(*deleted) == "not permitted: create, delete, patch configmaps"
    assert found((1, [widget], [])) == "the cluster has no kind Widget in example.com/v1"
    told = "objects without a namespace are not replayed: Node in v1"
    assert found((1, [node], [])) == told
    # What comes after the window is not played.
    late = make_trace((0, [workload("Deployment", "web")], []), (9999, [config, node], []))
    assert all(check.ok for check in verbs.preflight(make_kwok(late)))
    more = role(objects())
    more["rules"].append(
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "delete", "patch"]}
    )
    prepared.apply(more, force=True)
    trace = make_trace((0, [workload("Deployment", "web"), config], []), deleted[1])
    assert play(make_kwok(trace, target=1)).success
    assert namespaces(prepared) == []


@pytest.mark.cluster
@pytest.mark.usefixtures("simkube")  # with its kinds there is more to look at
@pytest.mark.parametrize("manifest", ["kwok-rbac.yaml", "simkube-rbac.yaml"])
def test_what_is_left_can_be_cleaned_by_the_account_that_left_it(
    account: UseAccount,
    prepared: Api,
    manifest: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    make = request.getfixturevalue(f"make_{manifest.partition('-')[0]}")
    spec = make(allow_real_nodes=True)
    account()
    simulation = verbs.simulate(spec, spec.trace, 0)
    verbs.wait(simulation)
    age_lease(prepared)
    own = Api.from_kubeconfig()
    assert clean(own, trace_store=str(tmp_path / "store")) != []
    own.close()
    assert (left(prepared), namespaces(prepared), has_lease(prepared)) == ([], [], None)
    assert [*tmp_path.glob("store/*")] == []


@pytest.mark.cluster
@pytest.mark.parametrize("manifest", ["simkube-rbac.yaml"])
def test_an_episode_on_simkube_needs_no_more_than_its_manifest_grants(
    account: UseAccount, prepared: Api, make_simkube: MakeSpec
) -> None:
    account()
    spec = make_simkube()
    assert [check.name for check in verbs.preflight(spec) if not check.ok] == ["sk-ctrl"]
    assert play(spec).success
    assert left(prepared) == []
