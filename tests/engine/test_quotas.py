"""ResourceQuotas and missing PriorityClasses: pods that are refused, and when they are tried again.

Sources: Kubernetes `staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go`,
`pkg/quota/v1/evaluator/core/pods.go`, `pkg/controller/replicaset/replica_set.go` (slowStartBatch).
"""

from typing import Any

import pytest

from sim_arena.engine import Simulation, compile_trace
from sim_arena.engine.program import NS
from tests.engine.manifests import (
    Json,
    bare_pod,
    container,
    cron_job,
    deployment,
    finished,
    namespace,
    nodes,
    ref,
    replica_set,
    stateful_set,
    template,
    trace,
)
from tests.engine.scenes import alive, play, status


def quota(name: str = "q", *, spec: Json | None = None, **hard: str) -> Json:
    metadata = {"name": name, "namespace": "shop"}
    hard = {k.replace("_", "."): v for k, v in hard.items()}
    spec = {"hard": hard, **(spec or {})}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": spec}


def counts(simulation: Simulation, name: str = "web") -> tuple[int, int, int]:
    found = status(simulation, name)
    return found.ready, found.pending, found.total


@pytest.mark.parametrize("make", [deployment, replica_set, stateful_set])
def test_no_more_pods_than_the_quota_allows(make: Any) -> None:
    simulation = play((0, [quota(pods="3")]), (1, [make(template(), 5)]), nodes=nodes(1))
    assert counts(simulation) == (3, 0, 3)
    text = "forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3"
    assert status(simulation).refused == {text: 2}
    kind = {deployment: "Deployment", replica_set: "ReplicaSet", stateful_set: "StatefulSet"}[make]
    observation = simulation.observe(ref(kind))
    assert observation["reasons"] == {text: 2}
    assert observation["events"] == ["FailedCreate"]
    assert observation["desired"] == 5


def test_requests_and_limits_count_with_sidecars_init_containers_and_overhead() -> None:
    pod = template(
        container("200m", "64Mi", limits={"cpu": "300m", "memory": "64Mi"}),
        initContainers=[container("1", "10Mi", name="init", limits={"cpu": "1", "memory": "1Gi"})],
        overhead={"cpu": "50m", "memory": "6Mi"},
    )
    hard = quota(requests_cpu="2100m", requests_memory="1Gi", limits_memory="2500Mi")
    simulation = play((0, [hard, deployment(pod, 5)]), nodes=nodes(3))
    assert counts(simulation) == (2, 0, 2)
    text = (
        "forbidden: exceeded quota: q, requested: limits.memory=1030Mi,requests.cpu=1050m, "
        "used: limits.memory=2060Mi,requests.cpu=2100m, limited: limits.memory=2500Mi,"
        "requests.cpu=2100m"
    )
    assert status(simulation).refused == {text: 3}


def test_what_a_quota_on_cpu_makes_mandatory() -> None:
    pod = template(container("1", name="a"), container(memory="1Gi", name="b"))
    hard = quota(cpu="10", limits_memory="1Gi")
    simulation = play((0, [hard, deployment(pod)]), nodes=nodes(1))
    assert status(simulation).refused == {
        "forbidden: failed quota: q: must specify cpu for: b; limits.memory for: a,b": 1
    }


def test_extended_resources_count_by_their_requests() -> None:
    pod = template(container(limits={"example.com/gpu": "2"}))
    hard = quota(spec={"hard": {"requests.example.com/gpu": "3"}})
    simulation = play((0, [hard, deployment(pod, 2)]), nodes=nodes(1))
    assert status(simulation).refused == {
        "forbidden: exceeded quota: q, requested: requests.example.com/gpu=2, "
        "used: requests.example.com/gpu=2, limited: requests.example.com/gpu=3": 1
    }


def test_pods_that_have_ended_count_as_objects_only() -> None:
    jobs = [bare_pod(template(restartPolicy="Never"), name) for name in ("a", "b")]
    ended = {ref("Pod", "a"): [{"Finished": [0, 5]}]}
    for hard, taken in ((quota(pods="1"), 1), (quota(spec={"hard": {"count/pods": "1"}}), 0)):
        events = (0, [hard, jobs[0]]), (10, [jobs[1]])
        simulation = play(*events, nodes=nodes(1), lifecycles=ended)
        assert status(simulation, "b").total == taken


@pytest.mark.parametrize(
    ("scopes", "refused"),
    [
        ({"scopes": ["BestEffort"]}, {"idle"}),
        ({"scopes": ["NotBestEffort"]}, {"busy", "ends"}),
        ({"scopes": ["Terminating"]}, {"ends"}),
        ({"scopes": ["NotTerminating", "NotBestEffort"]}, {"busy"}),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [
                        {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
                    ]
                }
            },
            {"busy"},
        ),
    ],
)
def test_scopes(scopes: Json, refused: set[str]) -> None:
    high = priority_class("high", 5)
    found = [
        deployment(template(), 1, "idle"),
        deployment(template(container("1"), priorityClassName="high"), 1, "busy"),
        deployment(template(container("1"), activeDeadlineSeconds=600), 1, "ends"),
    ]
    simulation = play((0, [high, quota(pods="0", spec=scopes), *found]), nodes=nodes(1))
    # `spec` brings its scopes beside what is hard.
    assert {one.name for one in simulation.status() if one.refused} == refused


@pytest.mark.parametrize(
    ("term", "refused"),
    [({}, False), ({"namespaces": ["bank"]}, True), ({"namespaceSelector": {}}, True)],
)
@pytest.mark.parametrize("preferred", [True, False])
def test_a_scope_of_pods_whose_affinity_looks_across_namespaces(
    term: Json, *, refused: bool, preferred: bool
) -> None:
    asked = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "z"}}, **term}
    rules = {"requiredDuringSchedulingIgnoredDuringExecution": [asked]}
    if preferred:
        weighted = [{"weight": 1, "podAffinityTerm": asked}]
        rules = {"preferredDuringSchedulingIgnoredDuringExecution": weighted}
    web = deployment(template(affinity={"podAntiAffinity": rules}))
    only = quota(pods="0", spec={"scopes": ["CrossNamespacePodAffinity"]})
    only["spec"]["hard"] = {"pods": "0"}
    simulation = play((0, [only, web]), nodes=nodes(1))
    assert bool(status(simulation).refused) == refused


def test_a_quota_of_another_namespace_is_about_other_pods() -> None:
    other = quota(pods="0")
    other["metadata"]["namespace"] = "bank"
    simulation = play((0, [other, deployment(template(), 2)]), nodes=nodes(1))
    assert counts(simulation) == (2, 0, 2)


def test_a_controller_tries_again_later_and_later() -> None:
    many, few = quota(pods="9"), quota(pods="1")
    simulation = play((0, [few, deployment(template(), 3)]), (7, [many]), nodes=nodes(1), until=7)
    assert counts(simulation) == (1, 0, 1)  # the change alone wakes nobody
    waited = simulation.state.admission["retry_at"].max() / 1e9 - 7
    assert 0 < waited <= 7
    simulation.advance(14)
    assert counts(simulation) == (3, 0, 3)
    assert status(simulation).refused == {}


def test_room_that_another_workload_leaves_is_taken() -> None:
    first, second = deployment(template(), 2, "first"), deployment(template(), 2, "second")
    events = (0, [quota(pods="2"), first]), (5, [second]), (10, [], [first])
    simulation = play(*events, nodes=nodes(1), until=9)
    assert counts(simulation, "second") == (0, 0, 0)
    simulation.advance(21)
    assert counts(simulation, "second") == (2, 0, 2)


def test_a_quota_that_is_deleted_refuses_nothing() -> None:
    events = (0, [quota(pods="0")]), (1, [], [quota(pods="0")]), (2, [deployment(template(), 2)])
    assert counts(play(*events, nodes=nodes(1))) == (2, 0, 2)


def test_a_rollout_waits_for_the_quota() -> None:
    old, new = template(container("100m")), template(container("200m"))
    events = (0, [quota(pods="2"), deployment(old, 2)]), (10, [deployment(new, 2, surge=1)])
    simulation = play(*events, nodes=nodes(1))
    assert counts(simulation) == (2, 0, 2)
    assert {int(pod["template"]) for pod in alive(simulation)} == {0}
    events = (events[0], (10, [deployment(new, 2, surge=1, unavailable=1)]))
    simulation = play(*events, nodes=nodes(1))
    assert {int(pod["template"]) for pod in alive(simulation)} == {1}


def test_a_bare_pod_that_is_refused_is_named() -> None:
    simulation = play((0, [quota(pods="0"), bare_pod(template())]), nodes=nodes(1))
    assert counts(simulation) == (0, 0, 0)
    (warning,) = simulation.warnings
    assert warning.startswith("Pod shop/web: forbidden: exceeded quota: q, requested: pods=1")
    assert warning.endswith("SimKube's run would end with an error, the engine goes on")


def test_what_of_a_quota_is_not_modelled_is_named() -> None:
    hard = {"count/deployments.apps": "1", "requests.storage": "1Gi", "pods": "1"}
    simulation = play((0, [quota(spec={"hard": hard}), deployment(template())]), nodes=nodes(1))
    assert simulation.warnings == (
        "ResourceQuota shop/q: count/deployments.apps is not modelled",
        "ResourceQuota shop/q: requests.storage is not modelled",
    )


def priority_class(name: str, value: int) -> Json:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
    }


def test_pods_of_a_priority_class_that_is_missing_are_refused_until_it_comes() -> None:
    web = deployment(template(container("1"), priorityClassName="high"), 2)
    events = (0, [web]), (5, [priority_class("high", 7)])
    simulation = play(*events, nodes=nodes(1), until=4)
    assert counts(simulation) == (0, 0, 0)
    text = "forbidden: no PriorityClass with name high was found"
    assert status(simulation).refused == {text: 2}
    simulation.advance(15)
    assert counts(simulation) == (2, 0, 2)
    never = play((0, [web]), nodes=nodes(1))
    assert status(never).refused == {text: 2}


def test_a_priority_class_may_go() -> None:
    web = deployment(template(container("1"), priorityClassName="high"), 2)
    more = deployment(template(container("1"), priorityClassName="high"), 3)
    high = priority_class("high", 7)
    simulation = play((0, [high, web]), (5, [], [high]), (6, [more]), nodes=nodes(1))
    assert counts(simulation) == (2, 0, 2)
    assert list(status(simulation).refused.values()) == [1]


def priority_refusal(pod: Json, *classes: Json) -> str:
    simulation = play((0, [*classes, deployment(pod, 2)]), nodes=nodes(1), until=1)
    seen = status(simulation)
    assert (seen.ready, seen.pending, seen.total) == (0, 0, 0)
    ((text, count),) = seen.refused.items()
    assert count == 2
    return text


def test_a_priority_that_is_not_its_classs_is_refused() -> None:
    pod = template(priority=7, priorityClassName="high")
    assert priority_refusal(pod, priority_class("high", 5)) == (
        "forbidden: the integer value of priority (7) must not be provided in pod spec; priority "
        "admission controller computed 5 from the given PriorityClass name"
    )
    same = template(priority=5, priorityClassName="high", preemptionPolicy="PreemptLowerPriority")
    simulation = play((0, [priority_class("high", 5), deployment(same)]), nodes=nodes(1), until=1)
    assert status(simulation).ready == 1


def test_without_a_class_the_priority_is_0() -> None:
    document = trace((0, [bare_pod(template(priority=7))]))
    simulation = Simulation(compile_trace(document, nodes(1)))
    simulation.advance()
    assert status(simulation).total == 0
    assert any("computed 0 from the given PriorityClass" in text for text in simulation.warnings)


def test_a_preemption_policy_that_is_not_its_classs_is_refused() -> None:
    pod = template(preemptionPolicy="Never", priorityClassName="high")
    assert priority_refusal(pod, priority_class("high", 5)) == (
        "forbidden: the string value of PreemptionPolicy (Never) must not be provided in pod spec; "
        "priority admission controller computed PreemptLowerPriority from the given PriorityClass "
        "name"
    )


def test_refused_pods_count_in_simkubes_sequence() -> None:
    """The first pod of the spec is refused, so the one that is made is a later one."""
    web = deployment(template(container("1")), 1)
    ends = {ref(): finished(5, *[500] * 99)}
    events = (0, [quota(pods="0")]), (1, [web]), (2, [quota(pods="1")]), (60, [web])
    for some, length in ((events, 500), (events[2:], 5)):
        simulation = play(*some, nodes=nodes(1), until=61, lifecycles=ends, duration=90)
        (made,) = alive(simulation)
        assert made["lifetime"] == length * NS


def test_the_pods_of_a_cron_jobs_jobs_count() -> None:
    """A second Job finds the quota used up by the first one's pod, which runs on."""
    busy = cron_job(template(container("100m"), restartPolicy="Never"))
    simulation = play((0, [quota(pods="1")]), (2, [busy]), nodes=nodes(1), until=170)
    assert counts(simulation) == (1, 0, 1)


def test_a_quota_goes_with_its_namespace() -> None:
    made = deployment(template(), 3)
    events = (0, [namespace(), quota(pods="1"), made]), (20, [], [namespace()])
    before = play(*events, nodes=nodes(1), until=10)
    assert counts(before) == (1, 0, 1)
    after = play(*events, (40, [namespace(), made]), nodes=nodes(1), until=60)
    assert counts(after) == (3, 0, 3)
