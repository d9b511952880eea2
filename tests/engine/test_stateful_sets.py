"""The order in which a StatefulSet makes, replaces and deletes its pods.

Source: Kubernetes 1.36 `pkg/controller/statefulset/stateful_set_control.go`.
"""

from typing import Any

from sim_arena.engine import Simulation
from tests.engine.manifests import Json, container, finished, nodes, ref, stateful_set, template
from tests.engine.scenes import alive, fixed_delay, play, status

OLD = template(container("100m"))
NEW = template(container("200m"))
STUCK = template(container("99"))
ROOMY = nodes(3, cpu=16_000)
SLOW: dict[str, Any] = {"nodes": ROOMY, "duration": 600, **fixed_delay()}


def ordinals(simulation: Simulation) -> list[int]:
    return sorted(int(pod["ordinal"]) for pod in alive(simulation))


def revisions(simulation: Simulation) -> str:
    """For each ordinal the number of its pod's template."""
    pods = sorted(alive(simulation), key=lambda pod: int(pod["ordinal"]))
    return "".join(str(int(pod["template"])) for pod in pods)


def over_time(simulation: Simulation, *seconds: float) -> list[str]:
    found = []
    for second in seconds:
        simulation.advance(second)
        found.append(revisions(simulation))
    return found


def test_pods_are_made_in_order() -> None:
    simulation = play((0, [stateful_set(OLD, 3)]), until=0, **SLOW)
    assert over_time(simulation, 0, 0.9, 1, 2, 3) == ["0", "0", "00", "000", "000"]
    assert status(simulation).ready == 3


def test_parallel_pods_are_made_at_once() -> None:
    made = stateful_set(OLD, 3, podManagementPolicy="Parallel")
    assert over_time(play((0, [made]), until=0, **SLOW), 0) == ["000"]


def test_each_waits_until_its_predecessor_is_available() -> None:
    made = stateful_set(OLD, 2, minReadySeconds=5)
    assert over_time(play((0, [made]), until=0, **SLOW), 5.9, 6) == ["0", "00"]


def test_a_pod_that_cannot_start_holds_the_others_up() -> None:
    simulation = play((0, [stateful_set(STUCK, 3)]), **SLOW)
    assert status(simulation)[3:6] == (0, 1, 1)


def test_scaling_down_begins_with_the_highest() -> None:
    simulation = play(
        (0, [stateful_set(OLD, 4)]), (10, [stateful_set(OLD, 2)]), until=10, **SLOW
    )  # fmt: skip
    assert ordinals(simulation) == [0, 1]


def test_an_update_goes_from_the_highest_down_one_by_one() -> None:
    simulation = play((0, [stateful_set(OLD, 3)]), (10, [stateful_set(NEW, 3)]), until=9, **SLOW)
    assert over_time(simulation, 9, 10, 11, 12, 13) == ["000", "001", "011", "111", "111"]


def test_a_parallel_set_is_updated_one_by_one_too() -> None:
    old, new = (stateful_set(pod, 3, podManagementPolicy="Parallel") for pod in (OLD, NEW))
    simulation = play((0, [old]), (10, [new]), until=9, **SLOW)
    assert over_time(simulation, 9, 10, 11, 12) == ["000", "001", "011", "111"]


def partitioned(pod: Json, replicas: int, partition: int) -> Json:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}
    return stateful_set(pod, replicas, updateStrategy=rolling)


def test_a_partition_keeps_the_lower_ordinals() -> None:
    simulation = play(
        (0, [partitioned(OLD, 3, 0)]), (10, [partitioned(NEW, 3, 2)]),
        (20, [partitioned(NEW, 5, 4)]), (30, [partitioned(NEW, 5, 0)]), until=9, **SLOW,
    )  # fmt: skip
    assert over_time(simulation, 9, 15) == ["000", "001"]
    # New pods below the partition get the revision that was current before.
    assert over_time(simulation, 25) == ["00102"]
    simulation.advance(60)
    assert status(simulation).ready == 5
    assert "0" not in revisions(simulation)


def test_on_delete_replaces_nothing_by_itself() -> None:
    old, new = (stateful_set(pod, 2, updateStrategy={"type": "OnDelete"}) for pod in (OLD, NEW))
    bigger = stateful_set(NEW, 3, updateStrategy={"type": "OnDelete"})
    simulation = play((0, [old]), (10, [new]), (20, [bigger]), until=9, **SLOW)
    assert over_time(simulation, 15, 25) == ["00", "002"]


def test_an_ordered_set_stays_stuck_in_a_broken_update() -> None:
    """Known of StatefulSets: the pod that cannot start must be deleted by hand."""
    simulation = play(
        (0, [stateful_set(OLD, 2)]), (10, [stateful_set(STUCK, 2)]),
        (20, [stateful_set(OLD, 2)]), **SLOW,
    )  # fmt: skip
    assert revisions(simulation) == "01"
    assert status(simulation)[3:6] == (1, 1, 2)


def test_a_parallel_set_comes_out_of_a_broken_update() -> None:
    good, stuck = (stateful_set(pod, 2, podManagementPolicy="Parallel") for pod in (OLD, STUCK))
    simulation = play((0, [good]), (10, [stuck]), (20, [good]), **SLOW)
    assert status(simulation).ready == 2


def test_pods_that_are_not_available_block_the_scale_down() -> None:
    """Throttled pods lose their readiness after 10 s; only the lowest of them may go."""
    throttled = template(container(limits={"cpu": "100m"}, probe=True), usage={"app": "cpu=1"})
    simulation = play(
        (0, [stateful_set(throttled, 3)]), (60, [stateful_set(throttled, 0)]), **SLOW
    )  # fmt: skip
    assert ordinals(simulation) == [0, 1, 2]


def test_a_pod_that_finishes_is_made_again_with_its_ordinal() -> None:
    simulation = play(
        (0, [stateful_set(OLD, 2)]), until=30, nodes=ROOMY, duration=100,
        lifecycles={ref("StatefulSet"): finished(20, 1000)},
    )  # fmt: skip
    assert ordinals(simulation) == [0, 1]
    # Its host name makes each pod's spec another: SimKube counts the pods of each ordinal.
    assert int(simulation.state.clock[0]["pods"]) == 4


def test_ordinals_may_begin_elsewhere() -> None:
    first, later = (stateful_set(OLD, 2, ordinals={"start": start}) for start in (3, 4))
    simulation = play((0, [first]), (10, [later]), until=9, **SLOW)
    assert ordinals(simulation) == [3, 4]
    simulation.advance(60)
    assert ordinals(simulation) == [4, 5]
    fewer = stateful_set(OLD, 1, ordinals={"start": 1})
    simulation = play((0, [stateful_set(OLD, 3)]), (10, [fewer]), **SLOW)
    assert ordinals(simulation) == [1]
