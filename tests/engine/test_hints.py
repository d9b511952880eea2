"""What wakes a pod that waits, and what pods that are nominated to a node keep away.

Each scene was played on the real control plane (Kubernetes 1.36.3). Sources: the plugins'
`isSchedulableAfter...` functions in `pkg/scheduler/framework/plugins/`, and
`pkg/scheduler/framework/runtime/framework.go` (RunFilterPluginsWithNominatedPods).
"""

from typing import Any

from sim_arena.engine import Simulation
from sim_arena.nodes import Node
from tests.engine.manifests import Json, bare_pod, container, daemon_set, node, template
from tests.engine.scenes import play, status

HOST = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"


def one(name: str, cpu: str = "100m", port: int | None = None, **spec: Any) -> Json:
    """A bare pod, labelled with its name."""
    main = container(cpu)
    if port is not None:
        main["ports"] = [{"containerPort": port, "hostPort": port}]
    return bare_pod(labelled(name, template(main, **spec)), name)


def labelled(name: str, pod: Json, **labels: str) -> Json:
    return {**pod, "metadata": {**pod["metadata"], "labels": {"app": name, **labels}}}


def on(name: str) -> Json:
    return {"nodeSelector": {HOST: name}}


def apart(*names: str, key: str = HOST) -> Json:
    terms = [{"labelSelector": {"matchLabels": {"app": n}}, "topologyKey": key} for n in names]
    return {
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    }


def cluster(*zones: str) -> list[Node]:
    return [
        node(f"n{i}", **{HOST: f"n{i}"}, **({ZONE: zone} if zone else {}))
        for i, zone in enumerate(zones)
    ]


def counts(simulation: Simulation, name: str) -> tuple[int, int]:
    found = status(simulation, name)
    return found.ready, found.pending


def test_who_avoids_two_is_not_woken_by_the_end_of_one() -> None:
    """Kubernetes' hint asks for all terms, though each for itself keeps the pod away."""
    there = [one("a", **on("n0")), one("b", **on("n1"))]
    events = (0, there), (10, [one("y", **apart("a", "b"))]), (20, [], [there[0]])
    assert counts(play(*events, nodes=cluster("", ""), until=60), "y") == (0, 1)


def test_who_avoids_one_is_woken_by_its_end() -> None:
    there = one("a")
    events = (0, [there]), (10, [one("y", **apart("a"))]), (20, [], [there])
    assert counts(play(*events, nodes=cluster(""), until=60), "y") == (1, 0)


def test_who_is_avoided_by_several_terms_is_woken_if_all_are_about_it() -> None:
    first = one("z", **apart("y", "other"), **on("n0"))
    simulation = play(
        (0, [first]), (10, [one("y")]), (20, [], [first]), nodes=cluster(""), until=60
    )
    assert counts(simulation, "y") == (0, 1)
    first = one("z", **apart("y"), **on("n0"))
    simulation = play(
        (0, [first]), (10, [one("y")]), (20, [], [first]), nodes=cluster(""), until=60
    )
    assert counts(simulation, "y") == (1, 0)


def test_another_pods_end_wakes_nobody_who_waits_for_a_port() -> None:
    """It would be told another reason if it were tried again: nobody of lower priority is left."""
    there = [one("p", port=8080, priority=10), one("q", priority=0)]
    waiting = one("y", port=8080, priority=10)
    events: Any = (0, there), (10, [waiting])
    [before] = status(play(*events, nodes=cluster(""), until=25), "y").reasons
    simulation = play(*events, (30, [], [there[1]]), nodes=cluster(""), until=60)
    [after] = status(simulation, "y").reasons
    assert before == after
    simulation = play(*events, (30, [], [there[0]]), nodes=cluster(""), until=60)
    assert counts(simulation, "y") == (1, 0)


def test_a_nominated_pod_is_seen_on_its_own_node_only() -> None:
    """`p` waits for room on n0. `y` keeps away from its like in the zone, and goes to n1.

    When the room is there at last, `y` is there, and keeps `p` away.
    """
    low = one("l", "1", priority=0, **on("n0"))
    wall = [one("w", "3", priority=1000, **on("n1")), one("z", "3", priority=1000, **on("n0"))]
    alike = labelled("z", template(container("3"), priority=1000, **on("n0")), group="g")
    wall[1] = bare_pod(alike, "z")
    preempting = bare_pod(labelled("p", template(container("4"), priority=100), group="g"), "p")
    term = {"labelSelector": {"matchLabels": {"group": "g"}}, "topologyKey": ZONE}
    away = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    avoiding = one("y", "500m", priority=50, affinity=away)
    events = (0, [low, *wall]), (10, [preempting, avoiding]), (40, [], [wall[1]])
    for seed in range(8):
        simulation = play(*events, nodes=cluster("a", "a"), until=60, seed=seed)
        assert counts(simulation, "y") == (1, 0)
        assert counts(simulation, "p") == (0, 1)


def test_a_daemon_sets_pods_are_spread_over_the_one_node_that_each_is_for() -> None:
    """Their node affinity names it and is honoured: nowhere is there a domain to compare with."""
    constraint = {
        "maxSkew": 1,
        "topologyKey": ZONE,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "d"}},
    }
    for policy, ready in (({}, 4), ({"nodeAffinityPolicy": "Ignore"}, 3)):
        spread = [{**constraint, **policy}]
        pod = labelled("d", template(container("100m"), topologySpreadConstraints=spread))
        simulation = play((0, [daemon_set(pod, "d")]), nodes=cluster("a", "a", "a", "b"), until=60)
        assert counts(simulation, "d") == (ready, 4 - ready)


def test_what_a_daemon_sets_pod_cannot_have_on_its_own_node() -> None:
    """The constraint's label; or, while there are too few domains, one pod more than the skew."""
    constraint = {
        "maxSkew": 1,
        "topologyKey": ZONE,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "d"}},
    }
    pod = labelled("d", template(container("100m"), topologySpreadConstraints=[constraint]))
    simulation = play((0, [daemon_set(pod, "d")]), nodes=cluster("a", ""), until=60)
    assert counts(simulation, "d") == (1, 1)
    [reason] = status(simulation, "d").reasons
    assert (
        "1 node(s) didn't match pod topology spread constraints (missing required label)" in reason
    )
    few = [{**constraint, "minDomains": 2}]
    pod = labelled("d", template(container("100m"), topologySpreadConstraints=few))
    alike = bare_pod(labelled("d", template(**on("n0"))), "alike")
    simulation = play((0, [alike]), (5, [daemon_set(pod, "d")]), nodes=cluster("a", "b"), until=60)
    assert counts(simulation, "d") == (1, 1)
    pod = labelled("d", template(container("100m"), topologySpreadConstraints=[constraint]))
    simulation = play((0, [alike]), (5, [daemon_set(pod, "d")]), nodes=cluster("a", "b"), until=60)
    assert counts(simulation, "d") == (2, 0)
