"""One pod on each node: which nodes, how the scheduler sees them, how they are replaced.

Source: Kubernetes 1.36 `pkg/controller/daemon/`.
"""

from typing import Any

import pytest

from sim_arena.engine import Simulation
from sim_arena.nodes import Node, Taint
from tests.engine.manifests import (
    Json,
    bare_pod,
    container,
    daemon_set,
    finished,
    node,
    nodes,
    ref,
    template,
)
from tests.engine.scenes import alive, fixed_delay, play, status

OLD = template(container("1"))
NEW = template(container("2"))
THREE = nodes(3, cpu=16_000)


def where(simulation: Simulation) -> list[int]:
    return sorted(int(pod["node"]) for pod in alive(simulation))


def mix(simulation: Simulation, *seconds: float) -> list[str]:
    """The templates' numbers by node, at some times; * for a pod that is not ready."""
    found = []
    for second in seconds:
        simulation.advance(second)
        pods = sorted(alive(simulation), key=lambda pod: (int(pod["ordinal"]), pod["template"]))
        found.append("".join(f"{pod['template']}{'' if pod['ready'] else '*'}" for pod in pods))
    return found


def rolling(pod: Json, **shares: Any) -> Json:
    return daemon_set(pod, updateStrategy={"type": "RollingUpdate", "rollingUpdate": shares})


def test_one_pod_on_each_node() -> None:
    assert where(play((0, [daemon_set(OLD)]), nodes=THREE)) == [0, 1, 2]


@pytest.mark.parametrize(("made", "runs"), [
    (node("n", pods=110), True),
    (node("n", unschedulable=True), True),
    (node("n", taints=(Taint("team", "a", "NoSchedule"),)), False),
    (node("n", taints=(Taint("team", "a", "NoExecute"),)), False),
    (node("n", taints=(Taint("team", "a", "PreferNoSchedule"),)), True),
    (node("n", taints=(Taint("node.kubernetes.io/disk-pressure", "", "NoSchedule"),)), True),
    (node("n", taints=(Taint("node.kubernetes.io/not-ready", "", "NoExecute"),)), True),
    (node("n", taints=(Taint("node.kubernetes.io/network-unavailable", "", "NoSchedule"),)), False),
])  # fmt: skip
def test_which_nodes_it_is_for(made: Node, runs: bool) -> None:
    one = play((0, [daemon_set(OLD)]), nodes=[made])
    assert status(one)[3:6] == ((1, 0, 1) if runs else (0, 0, 0))


def test_only_nodes_that_its_selector_and_affinity_choose() -> None:
    some = [node("a", disk="ssd"), node("b", disk="hdd"), node("c", disk="ssd", size="2")]
    term = {"matchExpressions": [{"key": "size", "operator": "Exists"}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    selecting = template(container("1"), nodeSelector={"disk": "ssd"})
    choosy = template(container("1"), affinity={"nodeAffinity": required})
    assert where(play((0, [daemon_set(selecting)]), nodes=some)) == [0, 2]
    assert where(play((0, [daemon_set(choosy)]), nodes=some)) == [2]
    assert play((0, [daemon_set(choosy)]), nodes=some).observe(ref("DaemonSet"))["desired"] == 1


def test_the_scheduler_binds_it_and_looks_at_resources() -> None:
    """Seen on the real scheduler: the other nodes are not looked at."""
    tight = [node("a", cpu=4000), node("b", cpu=500), node("c", cpu=4000)]
    one = play((0, [daemon_set(OLD)]), nodes=tight)
    assert status(one)[3:6] == (2, 1, 3)
    assert status(one).reasons == {
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) "
        "[NodeAffinity]. no new claims to deallocate, preemption: 0/3 nodes are available: "
        "3 Preemption is not helpful for scheduling.": 1
    }  # fmt: skip


def test_a_pod_that_waits_gets_the_room_on_its_own_node_only() -> None:
    filler = [bare_pod(template(container("4"), nodeSelector={"id": x}), x) for x in "ab"]
    some = [node(x, cpu=4000, id=x) for x in "ab"]
    one = play((0, filler), (1, [daemon_set(OLD)]), (5, [], filler[1:]), nodes=some, until=4)
    assert status(one)[3:6] == (0, 2, 2)
    one.advance(10)
    assert (status(one)[3:6], where(one)) == ((1, 1, 2), [-1, 0, 1])


def test_more_important_daemons_evict_on_their_own_node_only() -> None:
    filler = [bare_pod(template(container("4"), nodeSelector={"id": x}), x) for x in "ab"]
    some = [node("a", cpu=4000, id="a"), node("b", cpu=4000, id="b", disk="ssd")]
    urgent = template(container("1"), priority=1000, nodeSelector={"disk": "ssd"})
    one = play((0, filler), (1, [daemon_set(urgent)]), nodes=some)
    assert status(one)[3:6] == (1, 0, 1)
    assert [status(one, x).total for x in "ab"] == [1, 0]


def test_the_next_search_begins_one_node_further() -> None:
    one = play((0, [daemon_set(OLD)]), nodes=nodes(150))
    assert int(one.state.clock["start_node"][0]) == 0  # 150 pods: once round
    one = play((0, [daemon_set(template(container("1"), nodeSelector={"x": "y"}))]),
               nodes=[*nodes(150), node("last", x="y")])  # fmt: skip
    assert int(one.state.clock["start_node"][0]) == 1


def test_an_update_replaces_one_after_the_other() -> None:
    one = play((0, [rolling(OLD)]), (10, [rolling(NEW)]), nodes=THREE, until=9, **fixed_delay())
    assert [sorted(found) for found in mix(one, 9, 10, 11, 12, 13)] == [
        sorted("000"), sorted("001*"), sorted("011*"), sorted("111*"), sorted("111"),
    ]  # fmt: skip


def test_an_update_may_replace_several_at_a_time() -> None:
    """Percentages round up."""
    old, new = (rolling(pod, maxUnavailable="40%") for pod in (OLD, NEW))
    one = play((0, [old]), (10, [new]), nodes=THREE, until=10, **fixed_delay())
    assert sorted(mix(one, 10)[0]) == sorted("01*1*")


def test_new_pods_come_beside_the_old_ones_with_a_surge() -> None:
    shares = {"maxSurge": 1, "maxUnavailable": 0}
    one = play((0, [rolling(OLD, **shares)]), (10, [rolling(NEW, **shares)]),
               nodes=THREE, until=10, **fixed_delay())  # fmt: skip
    seen = [sorted(found) for found in mix(one, 10, 11, 12, 13)]
    assert seen == [sorted("0001*"), sorted("0011*"), sorted("0111*"), sorted("111")]


def test_pods_count_as_available_after_a_while() -> None:
    old, new = (daemon_set(pod, minReadySeconds=3) for pod in (OLD, NEW))
    one = play((0, [old]), (10, [new]), nodes=THREE, until=9)
    assert [sorted(found) for found in mix(one, 10, 12.9, 13, 16)] == [
        sorted("001"), sorted("001"), sorted("011"), sorted("111"),
    ]  # fmt: skip


def test_on_delete_replaces_nothing_by_itself() -> None:
    old, new = (daemon_set(pod, updateStrategy={"type": "OnDelete"}) for pod in (OLD, NEW))
    one = play((0, [old]), (10, [new]), nodes=THREE, until=9)
    assert mix(one, 9, 60) == ["000", "000"]


def test_pods_that_have_ended_are_made_anew() -> None:
    one = play((0, [daemon_set(OLD)]), nodes=THREE, until=0, duration=100,
               lifecycles={ref("DaemonSet"): finished(5, 1000)})  # fmt: skip
    one.advance(6)
    assert status(one).ready == 3
    # Each node's pods have a counter of their own.
    assert int(one.state.clock["pods"][0]) == 6


def test_nodes_that_a_new_template_does_not_tolerate_are_left() -> None:
    some = [node("a"), node("b", taints=(Taint("team", "a", "NoSchedule"),)),
            node("c", taints=(Taint("team", "a", "NoExecute"),))]  # fmt: skip
    tolerant = template(container("1"), tolerations=[{"operator": "Exists"}])
    one = play((0, [daemon_set(tolerant)]), (10, [daemon_set(OLD)]), nodes=some, until=9)
    assert where(one) == [0, 1, 2]
    one.advance(60)
    assert where(one) == [0]


def test_deleted_it_takes_its_pods_along() -> None:
    one = play((0, [daemon_set(OLD)]), (5, [], [daemon_set(OLD)]), nodes=THREE)
    assert not alive(one)
