"""The PodScheduled condition's text, word for word.

Source: Kubernetes 1.36 `pkg/scheduler/framework/types.go` (FitError), the plugins' reasons, and
`pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go`.
"""

from typing import Any

import pytest

from sim_arena.engine import compile_trace
from sim_arena.nodes import Node, Taint
from tests.engine.manifests import (
    Json,
    bare_pod,
    container,
    deployment,
    node,
    nodes,
    template,
    trace,
)
from tests.engine.scenes import message, play, status
from traces import Trace

NO_CLAIMS = "no new claims to deallocate, preemption: "
NAMED_M = {"key": "metadata.name", "operator": "In", "values": ["m"]}
TAINTED = (Taint("team", "a", "NoSchedule"),)


def pod(*containers: Json, **spec: Any) -> Json:
    return bare_pod(template(*containers, **spec))


def terms(*found: Json) -> Json:
    required = {"nodeSelectorTerms": list(found)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def test_a_request_above_what_any_node_has() -> None:
    assert message(pod(container("4001m")), nodes(3)) == (
        "0/3 nodes are available: 3 Insufficient cpu. " + NO_CLAIMS
        + "0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )  # fmt: skip


def test_a_request_above_what_is_left() -> None:
    web = deployment(template(container("3", "1Gi")), replicas=4)
    simulation = play((0, [web]), nodes=nodes(3))
    assert status(simulation).reasons == {
        "0/3 nodes are available: 3 Insufficient cpu. " + NO_CLAIMS
        + "0/3 nodes are available: 3 No preemption victims found for incoming pod.": 1
    }  # fmt: skip
    assert status(simulation)[3:6] == (3, 1, 4)


def test_a_node_counts_under_each_resource_that_it_lacks() -> None:
    assert message(pod(container("5", "9Gi")), nodes(2)) == (
        "0/2 nodes are available: 2 Insufficient cpu, 2 Insufficient memory. " + NO_CLAIMS
        + "0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    )  # fmt: skip


def test_counts_are_sorted_as_texts() -> None:
    cluster = [*nodes(10, cpu=1000), *(node(f"t{i}", taints=TAINTED) for i in range(2))]
    assert message(pod(container("2")), cluster) == (
        "0/12 nodes are available: 10 Insufficient cpu, 2 node(s) had untolerated taint(s). "
        + NO_CLAIMS
        + "0/12 nodes are available: 12 Preemption is not helpful for scheduling."
    )


def test_resolvable_and_unresolvable_nodes_are_counted_apart() -> None:
    web = deployment(template(container("3")), replicas=2)
    simulation = play((0, [web]), nodes=[node("big"), node("small", cpu=1000)])
    assert list(status(simulation).reasons) == [
        "0/2 nodes are available: 2 Insufficient cpu. " + NO_CLAIMS
        + "0/2 nodes are available: 1 No preemption victims found for incoming pod, "
        "1 Preemption is not helpful for scheduling."
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("made", "cluster", "reason"),
    [
        (pod(), [node(unschedulable=True)], "node(s) were unschedulable"),
        (pod(), [node(taints=TAINTED)], "node(s) had untolerated taint(s)"),
        (pod(), [node(taints=TAINTED, unschedulable=True)], "node(s) were unschedulable"),
        (
            pod(nodeSelector={"disk": "ssd"}),
            [node(disk="hdd")],
            "node(s) didn't match Pod's node affinity/selector",
        ),
        (
            pod(nodeSelector={"disk": "ssd"}),
            [node(disk="hdd", taints=TAINTED)],
            "node(s) had untolerated taint(s)",
        ),
        (
            pod(container("9"), affinity=terms({})),
            [node()],
            "node(s) didn't match Pod's node affinity/selector",
        ),
        (
            pod(affinity=terms({"matchFields": [NAMED_M]})),
            [node(unschedulable=True)],
            "node(s) didn't satisfy plugin(s) [NodeAffinity]",
        ),
    ],
)  # fmt: skip
def test_the_first_filter_that_rejects_a_node_gives_the_reason(
    made: Json, cluster: list[Node], reason: str
) -> None:
    assert message(made, cluster) == (
        f"0/1 nodes are available: 1 {reason}. {NO_CLAIMS}"
        "0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    )


def test_an_affinity_to_names_leaves_the_other_nodes_out() -> None:
    field = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    made = pod(container("5"), affinity=terms({"matchFields": [field]}))
    assert message(made, nodes(3)).startswith(
        "0/3 nodes are available: 1 Insufficient cpu, "
        "2 node(s) didn't satisfy plugin(s) [NodeAffinity]. "
    )


def test_too_many_pods() -> None:
    simulation = play((0, [deployment(template(), replicas=3)]), nodes=[node(pods=2)])
    assert status(simulation).reasons == {
        f"0/1 nodes are available: 1 Too many pods. {NO_CLAIMS}"
        "0/1 nodes are available: 1 No preemption victims found for incoming pod.": 1
    }


def test_an_extended_resource_that_no_node_has() -> None:
    gpu = {"nvidia.com/gpu": "1"}
    assert message(pod(container(limits=gpu)), nodes(1)) == (
        f"0/1 nodes are available: 1 Insufficient nvidia.com/gpu. {NO_CLAIMS}"
        "0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    )


def test_a_pod_that_never_preempts() -> None:
    assert message(pod(container("5"), preemptionPolicy="Never"), nodes(1)) == (
        f"0/1 nodes are available: 1 Insufficient cpu. {NO_CLAIMS}"
        "not eligible due to preemptionPolicy=Never."
    )


def test_a_priority_class_can_forbid_preemption() -> None:
    polite = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "polite"},
        "value": 10,
        "preemptionPolicy": "Never",
    }
    simulation = play(
        (0, [polite, pod(container("5"), priorityClassName="polite")]), nodes=nodes(1)
    )
    assert next(iter(status(simulation).reasons)).endswith(
        "not eligible due to preemptionPolicy=Never."
    )
    assert simulation.warnings == ()


def test_no_nodes() -> None:
    assert message(pod(), []) == "no nodes available to schedule pods"


def test_scheduling_gates() -> None:
    made = pod(schedulingGates=[{"name": "later"}])
    assert message(made, nodes(1)) == "Scheduling is blocked due to non-empty scheduling gates"


def test_a_pod_that_found_a_node_has_no_message() -> None:
    simulation = play((0, [pod(container("1"))]), nodes=nodes(1))
    assert status(simulation).reasons == {}
    assert simulation.observe(simulation.program.workloads[0])["reasons"] == {}


def test_the_default_is_named_as_simkube_would_meet_it() -> None:
    """SimKube's selector and toleration are in the pods, and every node is a virtual one."""
    cluster = [
        node("v", taints=(Taint("kwok-provider", "true", "NoSchedule"),)),
        node("w", taints=TAINTED),
    ]
    made = deployment(template(container("3")), replicas=2)
    simulation = play((0, [made]), nodes=cluster, replay="simkube")
    assert list(status(simulation).reasons) == [
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). "
        + NO_CLAIMS
        + "0/2 nodes are available: 1 No preemption victims found for incoming pod, "
        "1 Preemption is not helpful for scheduling."
    ]


DEVICE = {"name": "d", "resourceClaimName": "gpu"}
CSI_NODE = {"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": "n0"}}
UNMODELLED: list[tuple[Trace, str]] = [
    (trace((0, [pod(resourceClaims=[DEVICE])])), "resourceClaims"),
    (trace((0, [pod()]), (1, [pod(container("1"))])), "containers cannot be changed"),
    (
        trace((0, [deployment(template(), progressDeadlineSeconds=60)])),
        "progressDeadlineSeconds 60",
    ),
    (trace((0, [CSI_NODE])), "kind storage.k8s.io/v1.CSINode"),  # what limits volumes on a node
]


def test_the_usual_deadline_for_progress_is_not_named() -> None:
    document = trace((0, [deployment(template(), progressDeadlineSeconds=600)]))
    assert not compile_trace(document, nodes(1)).warnings


@pytest.mark.parametrize("known", [False, True])
def test_a_pod_whose_resource_claim_is_missing_stays_out_of_the_queue(*, known: bool) -> None:
    claim = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim",
             "metadata": {"name": "gpu", "namespace": "shop"}, "spec": {}}  # fmt: skip
    found = [*([claim] if known else []), pod(resourceClaims=[DEVICE])]
    simulation = play((0, found), nodes=nodes(1))
    seen = simulation.status()[-1]
    assert (seen.ready, seen.pending, seen.reasons) == ((1, 0, {}) if known else (0, 1, {}))
    named = any("ResourceClaim gpu is not in the trace" in one for one in simulation.warnings)
    assert named != known


@pytest.mark.parametrize(("document", "named"), UNMODELLED)
def test_what_is_not_modelled_is_named(document: Trace, named: str) -> None:
    assert any(named in warning for warning in compile_trace(document, nodes(1)).warnings)
