"""Claims for volumes: what the scheduler says of those that are missing, unbound or out of reach.

Sources: Kubernetes `pkg/scheduler/framework/plugins/volumebinding/`, `volumerestrictions/`,
`volumezone/` and `pkg/controller/volume/persistentvolume/pv_controller.go`.
"""

from typing import Any

import pytest

from sim_arena.engine import Simulation
from tests.engine.manifests import (
    Json,
    bare_pod,
    container,
    deployment,
    node,
    nodes,
    stateful_set,
    template,
)
from tests.engine.scenes import message, play, status

MISSING = '0/2 nodes are available: persistentvolumeclaim "data" not found. not found'
UNBOUND = "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
ZONE = "topology.kubernetes.io/zone"


def named(*claims: str, **spec: Any) -> Json:
    volumes = [
        {"name": f"v{i}", "persistentVolumeClaim": {"claimName": claim}}
        for i, claim in enumerate(claims)
    ]
    return template(container("1"), volumes=[{"name": "e", "emptyDir": {}}, *volumes], **spec)


def claim(name: str = "data", size: str = "1Gi", **spec: Any) -> Json:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
        **spec,
    }
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def volume(
    name: str = "pv", size: str = "1Gi", labels: Json | None = None, on: str = "", **spec: Any
) -> Json:
    spec = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}, **spec}
    if on:
        host = {"key": "kubernetes.io/hostname", "operator": "In", "values": [on]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [host]}]}}
    metadata = {"name": name, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}


def storage_class(name: str, mode: str = "Immediate", **fields: Any) -> Json:
    made = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "volumeBindingMode": mode,
        "provisioner": "kubernetes.io/no-provisioner",
    }
    return {**made, **fields}


def cluster(**labels: str) -> list[Any]:
    return [node(f"n{i}", **{"kubernetes.io/hostname": f"n{i}", **labels}) for i in range(2)]


def reasons(simulation: Simulation, name: str = "web") -> dict[str, int]:
    return status(simulation, name).reasons


def test_a_claim_that_no_pod_names_changes_nothing() -> None:
    played = play((0, [claim(), deployment(template(container("1")), 2)]), nodes=nodes(1))
    assert status(played).ready == 2


def test_a_claim_that_nobody_made() -> None:
    assert message(bare_pod(named("data")), nodes(2)) == MISSING
    assert message(bare_pod(named("other", "data")), nodes(2)) == MISSING.replace("data", "other")


def test_a_claim_that_nothing_fits() -> None:
    simulation = play((0, [claim(), deployment(named("data"), 2)]), nodes=nodes(2))
    assert reasons(simulation) == {UNBOUND: 2}
    assert simulation.warnings == ()


def test_a_missing_claim_is_named_before_an_unbound_one() -> None:
    simulation = play((0, [claim("a"), deployment(named("a", "data"))]), nodes=nodes(2))
    assert reasons(simulation) == {MISSING: 1}


def test_a_claim_of_another_namespace_is_another_claim() -> None:
    other = claim()
    other["metadata"]["namespace"] = "bank"
    simulation = play((0, [other, volume(), deployment(named("data"))]), nodes=nodes(2))
    assert reasons(simulation) == {MISSING: 1}


def test_claims_that_no_pod_names_change_nothing() -> None:
    web = deployment(template(container("1")), 2)
    alone = play((0, [web]), (9, [], [web]), nodes=nodes(2))
    beside = play((0, [claim(), volume(), web]), (9, [], [claim(), web]), nodes=nodes(2))
    applied, expected = beside.program.arrays.applications, alone.program.arrays.applications
    assert applied.tobytes() == expected.tobytes()
    assert beside.status() == alone.status()


@pytest.mark.parametrize(
    "objects",
    [
        [claim(), volume()],
        [volume(), claim()],
        [claim(), volume("small", "500Mi"), volume("large", "5Gi")],
        [claim(storageClassName="fast"), volume(storageClassName="fast")],
        [claim(volumeName="pv"), volume(size="1Mi", storageClassName="other")],
        [claim(), volume(claimRef={"namespace": "shop", "name": "data"})],
        [claim(selector={"matchLabels": {"a": "b"}}), volume(labels={"a": "b"})],
        [storage_class("usual", metadata={"name": "usual", "annotations": {
            "storageclass.kubernetes.io/is-default-class": "true"}}),
         claim(), volume(storageClassName="usual")],
    ],
)  # fmt: skip
def test_a_claim_that_a_volume_fits_is_bound(objects: list[Json]) -> None:
    simulation = play((0, [*objects, deployment(named("data"))]), nodes=nodes(2))
    assert status(simulation)[3:6] == (1, 0, 1)


@pytest.mark.parametrize(
    "objects",
    [
        [claim(), volume(size="1Mi")],
        [claim(), volume(storageClassName="other")],
        [claim(accessModes=["ReadWriteMany"]), volume()],
        [claim(volumeMode="Block"), volume()],
        [claim(volumeName="another"), volume()],
        [claim(), volume(claimRef={"namespace": "shop", "name": "another"})],
        [claim(selector={"matchLabels": {"a": "b"}}), volume(labels={"a": "c"})],
        [claim("first"), claim(), volume()],
    ],
)
def test_a_claim_that_no_volume_fits_is_unbound(objects: list[Json]) -> None:
    simulation = play((0, [*objects, deployment(named("data"))]), nodes=nodes(2))
    assert reasons(simulation) == {UNBOUND: 1}


def test_the_smallest_volume_that_fits_is_taken() -> None:
    volumes = volume("large", "5Gi", on="n0"), volume("small", "2Gi", on="n1")
    simulation = play((0, [*volumes, claim(), deployment(named("data"))]), nodes=cluster())
    assert simulation.state.pods["node"][0] == 1


def test_a_pod_is_tried_again_when_its_claim_comes_and_when_it_is_bound() -> None:
    events = (0, [deployment(named("data"))]), (5, [claim()]), (20, [volume()])
    simulation = play(*events, nodes=nodes(2), until=4)
    assert reasons(simulation) == {MISSING: 1}
    simulation.advance(19)
    assert reasons(simulation) == {UNBOUND: 1}
    simulation.advance(40)
    assert status(simulation)[3:6] == (1, 0, 1)


def test_a_bound_volume_is_where_it_is() -> None:
    simulation = play(
        (0, [claim(), volume(on="n1"), deployment(named("data"), 3)]), nodes=cluster()
    )
    assert {int(pod["node"]) for pod in simulation.state.pods[:3]} == {1}
    text = (
        "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity. "
        "no new claims to deallocate, preemption: 0/2 nodes are available: "
        "2 Preemption is not helpful for scheduling."
    )
    simulation = play((0, [claim(), volume(on="n7"), deployment(named("data"))]), nodes=cluster())
    assert reasons(simulation) == {text: 1}


def test_the_zone_of_a_volume() -> None:
    far = volume(labels={ZONE: "z1__z2"})
    simulation = play((0, [claim(), far, deployment(named("data"))]), nodes=cluster(**{ZONE: "z0"}))
    assert reasons(simulation) == {
        "0/2 nodes are available: 2 node(s) had no available volume zone. no new claims to "
        "deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for "
        "scheduling.": 1
    }
    near = cluster(**{ZONE: "z2"})
    for some in (near, cluster()):  # nodes without zones take any volume
        simulation = play((0, [claim(), far, deployment(named("data"))]), nodes=some)
        assert status(simulation).ready == 1


def test_a_claim_that_waits_for_its_pod_and_finds_nothing() -> None:
    local = storage_class("local", "WaitForFirstConsumer")
    waiting = claim(storageClassName="local")
    simulation = play((0, [local, waiting, deployment(named("data"))]), nodes=nodes(2))
    assert reasons(simulation) == {
        "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind. "
        "no new claims to deallocate, preemption: 0/2 nodes are available: "
        "2 Preemption is not helpful for scheduling.": 1
    }
    assert simulation.warnings == ()
    provisioned = storage_class("local", "WaitForFirstConsumer", provisioner="example.com/disk")
    simulation = play((0, [provisioned, waiting, deployment(named("data"))]), nodes=nodes(2))
    assert simulation.warnings == (
        (
            "PersistentVolumeClaim shop/data: binding when the first pod comes is not modelled: "
            "its pods stay pending"
        ),
    )


def test_claims_of_each_pod_are_never_bound() -> None:
    templates = [claim("data")]
    simulation = play(
        (0, [stateful_set(template(), 3, volumeClaimTemplates=templates)]), nodes=nodes(2)
    )
    assert status(simulation)[3:6] == (0, 1, 1)
    assert reasons(simulation) == {UNBOUND: 1}
    own = template(volumes=[{"name": "v", "ephemeral": {"volumeClaimTemplate": claim("v")}}])
    simulation = play((0, [deployment(own, 2)]), nodes=nodes(2))
    assert reasons(simulation) == {UNBOUND: 2}
    assert simulation.warnings == ()
    simulation = play((0, [volume(), deployment(own, 2)]), nodes=nodes(2))
    assert simulation.warnings == (
        "Deployment shop/web: binding the claims of each pod is not modelled",
    )


def test_a_volume_is_not_free_again_when_its_claim_goes() -> None:
    """It is only released: it still names the claim that it was bound to."""
    made = volume(storageClassName="s")
    events = (
        (0, [made]),
        (5, [claim("a", storageClassName="s")]),
        (30, [bare_pod(template(container("1")), "o")], [claim("a", storageClassName="s")]),
        (40, [claim("b", storageClassName="s")]),
        (45, [bare_pod(named("b"), "b")]),
    )
    simulation = play(*events, nodes=nodes(2), until=80)
    assert list(status(simulation, "b").reasons) == [UNBOUND]
