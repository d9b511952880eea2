"""The scheduler's plugins that look at other pods, and preemption, on small scenes.

Every verdict and score is compared with the real scheduler's elsewhere; here stands what must
follow from them over time.
"""

from typing import Any

from sim_arena.nodes import Node, Taint
from tests.engine.manifests import bare_pod, container, deployment, node, nodes, template
from tests.engine.scenes import alive, message, play, status

HOST = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"


def zoned(*zones: str) -> list[Node]:
    return [node(f"n{i}", **{HOST: f"n{i}", ZONE: zone}) for i, zone in enumerate(zones)]


def labelled(pod: dict[str, Any], **labels: str) -> dict[str, Any]:
    pod["metadata"] = {**pod.get("metadata", {}), "labels": labels}
    return pod


def selector(**labels: str) -> dict[str, Any]:
    return {"matchLabels": labels}


def spread(skew: int, key: str = ZONE, **fields: Any) -> dict[str, Any]:
    return {
        "maxSkew": skew,
        "topologyKey": key,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": selector(app="web"),
        **fields,
    }


def on_nodes(simulation: Any) -> list[int]:
    return sorted(int(pod["node"]) for pod in alive(simulation))


def test_a_deployments_pods_spread_over_the_hosts_by_default() -> None:
    web = deployment(template(container("100m")), replicas=4)
    cluster = [node(f"n{i}", **{HOST: f"n{i}"}) for i in range(4)]
    assert on_nodes(play((0, [web]), nodes=cluster)) == [0, 1, 2, 3]


def test_a_hard_constraint_keeps_zones_within_its_skew() -> None:
    pod = labelled(template(container("100m"), topologySpreadConstraints=[spread(1)]), app="web")
    simulation = play((0, [deployment(pod, replicas=5)]), nodes=zoned("a", "a", "a", "b"))
    in_b = on_nodes(simulation).count(1)  # the scheduler lists one node of each zone in turn
    assert status(simulation).ready == 5
    assert in_b in (2, 3)


def test_a_full_zone_stops_the_others_and_says_so() -> None:
    pod = labelled(template(container("3"), topologySpreadConstraints=[spread(1)]), app="web")
    simulation = play((0, [deployment(pod, replicas=4)]), nodes=zoned("a", "a", "b"))
    seen = status(simulation)
    assert (seen.ready, seen.pending) == (3, 1) or seen.ready == 2
    assert any(
        "topology spread constraints" in reason or "cpu" in reason for reason in seen.reasons
    )


def test_min_domains_counts_missing_zones_as_empty() -> None:
    pod = labelled(
        template(container("1"), topologySpreadConstraints=[spread(1, minDomains=3)]), app="web"
    )
    simulation = play((0, [deployment(pod, replicas=4)]), nodes=zoned("a", "b"))
    assert (status(simulation).ready, status(simulation).pending) == (2, 2)


def test_a_node_without_the_key_is_not_helped_by_preemption() -> None:
    pod = labelled(template(container("1"), topologySpreadConstraints=[spread(1)]), app="web")
    text = message(bare_pod(pod, "p"), nodes(2))
    assert "2 node(s) didn't match pod topology spread constraints (missing required label)" in text
    assert "2 Preemption is not helpful for scheduling" in text


def required(kind: str, key: str = HOST, **labels: str) -> dict[str, Any]:
    term = {"topologyKey": key, "labelSelector": selector(**labels)}
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def test_anti_affinity_puts_one_pod_on_a_host() -> None:
    apart = labelled(
        template(container("100m"), affinity=required("podAntiAffinity", app="db")), app="db"
    )
    simulation = play((0, [deployment(apart, replicas=4)]), nodes=zoned("a", "b", "c"))
    seen = status(simulation)
    assert (seen.ready, seen.pending) == (3, 1)
    assert list(seen.reasons) == [
        (
            "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules. "
            "no new claims to deallocate, preemption: 0/3 nodes are available: "
            "3 No preemption victims found for incoming pod."
        )
    ]


def test_existing_pods_keep_others_away() -> None:
    shy = labelled(template(container("1"), affinity=required("podAntiAffinity", ZONE, app="web")))
    web = labelled(template(container("1")), app="web")
    simulation = play((0, [bare_pod(shy, "shy"), bare_pod(web, "web")]), nodes=zoned("a", "a"))
    (reason,) = status(simulation, "web").reasons
    assert "2 node(s) didn't satisfy existing pods anti-affinity rules" in reason


def test_affinity_waits_for_its_friend_and_goes_to_its_zone() -> None:
    near = labelled(template(container("1"), affinity=required("podAffinity", ZONE, app="web")))
    web = labelled(template(container("1"), nodeName="n2"), app="web")
    simulation = play(
        (0, [bare_pod(near, "near")]),
        (10, [bare_pod(web, "web")]),
        nodes=zoned("a", "b", "c", "c"),
        until=9,
    )
    assert "didn't match pod affinity rules" in next(iter(status(simulation, "near").reasons))
    simulation.advance(10)
    places = {int(pod["node"]) for pod in alive(simulation)}
    assert status(simulation, "near").ready == 1
    assert places <= {2, 3}


def test_the_first_of_a_group_that_wants_itself_may_go_anywhere() -> None:
    group = labelled(
        template(container("1"), affinity=required("podAffinity", ZONE, app="web")), app="web"
    )
    simulation = play((0, [deployment(group, replicas=3)]), nodes=zoned("a", "b"))
    assert status(simulation).ready == 3
    assert len(set(on_nodes(simulation))) == 1


def test_two_pods_cannot_share_a_host_port() -> None:
    ports = [{"containerPort": 80, "hostPort": 8080}]
    web = deployment(template({**container("100m"), "ports": ports}), replicas=3)
    simulation = play((0, [web]), nodes=nodes(2))
    assert (status(simulation).ready, status(simulation).pending) == (2, 1)
    (reason,) = status(simulation).reasons
    assert "2 node(s) didn't have free ports for the requested pod ports" in reason


def test_preferred_taints_and_labels_decide_among_equals() -> None:
    avoided = (Taint("spot", "", "PreferNoSchedule"),)
    cluster = [node("a", taints=avoided), node("b"), node("c", taints=avoided)]
    assert on_nodes(play((0, [bare_pod(template(container("1")))]), nodes=cluster)) == [1]
    term = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    wishes = {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": term}]
    }
    wishful = bare_pod(template(container("1"), affinity={"nodeAffinity": wishes}))
    cluster = [node("a"), node("b"), node("c", disk="ssd")]
    assert on_nodes(play((0, [wishful]), nodes=cluster)) == [2]


def test_a_pod_of_higher_priority_takes_the_place_of_a_lower_one() -> None:
    low = deployment(template(container("3"), priority=0), replicas=2, name="low")
    high = deployment(template(container("3"), priority=10), replicas=1, name="high")
    simulation = play((0, [low]), (10, [high]), nodes=nodes(2))
    assert status(simulation, "high").ready == 1
    assert (status(simulation, "low").ready, status(simulation, "low").pending) == (1, 1)


def test_preemption_evicts_no_more_than_needed() -> None:
    small = deployment(template(container("1"), priority=0), replicas=4, name="small")
    high = bare_pod(template(container("2"), priority=10), "high")
    simulation = play((0, [small]), (10, [high]), nodes=nodes(1))
    assert status(simulation, "high").ready == 1
    assert (status(simulation, "small").ready, status(simulation, "small").pending) == (2, 2)


def test_the_least_important_victims_are_chosen() -> None:
    pods = [
        bare_pod(template(container("3"), priority=p, nodeName=n), f"p{p}")
        for p, n in ((5, "n0"), (1, "n1"))
    ]
    high = bare_pod(template(container("3"), priority=10), "high")
    simulation = play((0, pods), (10, [high]), nodes=nodes(2))
    assert status(simulation, "p5").total == 1
    assert status(simulation, "p1").total == 0


def test_a_policy_of_never_waits() -> None:
    low = bare_pod(template(container("3"), priority=0), "low")
    high = bare_pod(template(container("3"), priority=9, preemptionPolicy="Never"), "high")
    simulation = play((0, [low]), (10, [high]), nodes=nodes(1))
    (reason,) = status(simulation, "high").reasons
    assert reason.endswith("preemption: not eligible due to preemptionPolicy=Never.")
    assert status(simulation, "low").ready == 1


def test_a_bare_pod_that_was_preempted_is_made_again_when_it_is_applied_again() -> None:
    low = bare_pod(template(container("3"), priority=0), "low")
    high = bare_pod(template(container("3"), priority=9), "high")
    simulation = play((0, [low]), (10, [high]), (20, [low]), nodes=nodes(1))
    assert (status(simulation, "low").total, status(simulation, "low").pending) == (1, 1)
