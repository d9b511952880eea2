"""Rolling updates, Recreate and scaling, step by step.

Source: Kubernetes 1.36 `pkg/controller/deployment/` (rolling.go, recreate.go, sync.go). Pods take
one second to start, so that each second shows one step.
"""

from typing import Any

import pytest

from sim_arena.engine import Simulation
from sim_arena.engine.state import PENDING, RUNNING
from tests.engine.manifests import Json, container, deployment, nodes, ref, template
from tests.engine.scenes import alive, fixed_delay, play, sizes, status

OLD = template(container("100m"))
NEW = template(container("200m"))
STUCK = template(container("99"))  # fits nowhere: its pods stay pending
ROOMY = nodes(3, cpu=16_000)


def rollout(
    *events: tuple[int, Json], at: list[float], delay: int = 1
) -> list[list[int]]:  # fmt: skip
    """The sizes of the ReplicaSets, the oldest first, at some times."""
    made = [(second, [applied]) for second, applied in events]
    simulation = play(*made, nodes=ROOMY, until=0, duration=600, **fixed_delay(delay))
    found = []
    for second in at:
        simulation.advance(second)
        found.append(sizes(simulation))
    return found


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "steps"),
    [
        # 25 % of 10: surge 2.5 up to 3, unavailable 2.5 down to 2. 13 pods at most, 8 available.
        (10, None, None, [[10], [8, 5], [3, 10], [0, 10]]),
        (10, "25%", "25%", [[10], [8, 5], [3, 10], [0, 10]]),
        (1, None, None, [[1], [1, 1], [0, 1], [0, 1]]),  # surge 1, unavailable 0
        (3, 0, 1, [[3], [2, 1], [1, 2], [0, 3]]),
        (3, 1, 0, [[3], [3, 1], [2, 2], [1, 3]]),
        (2, "1%", 0, [[2], [2, 1], [1, 2], [0, 2]]),  # 0.02 up to 1
        (2, 0, "1%", [[2], [1, 1], [0, 2], [0, 2]]),  # both round to 0: unavailable 1
        (4, "100%", 0, [[4], [4, 4], [0, 4], [0, 4]]),
        (4, 0, "100%", [[4], [0, 4], [0, 4], [0, 4]]),
        (0, None, None, [[0], [0, 0], [0, 0], [0, 0]]),
    ],
)
def test_rolling_update(replicas: int, surge: Any, unavailable: Any, steps: list[Any]) -> None:
    share: Json = {"surge": surge, "unavailable": unavailable}
    old, new = (deployment(pod, replicas, **share) for pod in (OLD, NEW))
    assert rollout((0, old), (10, new), at=[9, 10, 11, 12]) == steps


def test_a_rollout_waits_for_pods_that_never_become_available() -> None:
    share: Json = {"surge": 1, "unavailable": 1}
    old, new = (deployment(pod, 4, **share) for pod in (OLD, STUCK))
    assert rollout((0, old), (10, new), at=[10, 100]) == [[3, 2], [3, 2]]


def test_a_rollover_removes_what_is_not_available_first() -> None:
    share: Json = {"surge": 1, "unavailable": 1}
    old, stuck, new = (deployment(pod, 4, **share) for pod in (OLD, STUCK, NEW))
    steps = rollout((0, old), (10, stuck), (20, new), at=[19, 20, 21, 22, 23])
    assert steps[0] == [3, 2]
    assert steps[1] == [3, 0, 2]  # 5 - 3 - 0 may go: both that are stuck
    assert steps[-1] == [0, 0, 4]


def test_a_rollback_uses_the_old_replica_set_again() -> None:
    share: Json = {"surge": 1, "unavailable": 1}
    old, stuck = (deployment(pod, 4, **share) for pod in (OLD, STUCK))
    assert rollout((0, old), (10, stuck), (20, old), at=[19, 20, 21])[1:] == [[4, 0], [4, 0]]


def test_minimum_ready_seconds_delay_each_step() -> None:
    old, new = (deployment(pod, 2, surge=1, unavailable=0, minReadySeconds=5) for pod in (OLD, NEW))
    # Started after 1 s, available after 5 s more.
    steps = rollout((0, old), (20, new), at=[25.9, 26, 31.9, 32])
    assert steps == [[2, 1], [1, 2], [1, 2], [0, 2]]


@pytest.mark.parametrize(
    ("replicas", "sizes_after"),
    [
        # From the documentation of Deployments: 13 pods become 18, 8*18/13 = 11, 5*18/13 = 7.
        (15, [11, 7]),
        # 8 pods at most: 8*8/13 = 5, 5*8/13 = 3. Then 8 - 3 - 3 = 2 old ones may go, two new come.
        (5, [3, 5]),
    ],
)
def test_scaling_in_the_middle_of_a_rollout_is_in_proportion(
    replicas: int, sizes_after: list[int]
) -> None:
    share: Json = {"surge": 3, "unavailable": 2}
    old, new = (deployment(pod, 10, **share) for pod in (OLD, STUCK))
    more = deployment(STUCK, replicas, **share)
    assert rollout((0, old), (10, new), (20, more), at=[19, 30]) == [[8, 5], sizes_after]


def test_scaling_without_a_rollout() -> None:
    steps = rollout(*((10 * i, deployment(OLD, n)) for i, n in enumerate((3, 5, 2, 0))),
                    at=[5, 15, 25, 35])  # fmt: skip
    assert steps == [[3], [5], [2], [0]]


def test_a_paused_deployment_scales_but_does_not_roll() -> None:
    paused = deployment(NEW, 5, paused=True)
    steps = rollout((0, deployment(OLD, 3)), (10, paused), (20, deployment(NEW, 5)), at=[15, 25])
    assert steps == [[5], [0, 5]]


def test_a_deployment_that_is_made_paused_has_no_pods() -> None:
    simulation = play((0, [deployment(OLD, 3, paused=True)]), nodes=ROOMY)
    assert status(simulation).total == 0


def test_recreate_never_runs_old_and_new_pods_together() -> None:
    old, new = (deployment(pod, 3, strategy={"type": "Recreate"}) for pod in (OLD, NEW))
    simulation = play((0, [old]), (10, [new]), nodes=ROOMY, until=9, duration=60, **fixed_delay())
    assert sizes(simulation) == [3]
    while not simulation.advance_some(60, max_events=1):
        active = [pod for pod in alive(simulation) if pod["phase"] in (PENDING, RUNNING)]
        assert len({int(pod["template"]) for pod in active}) <= 1
    assert sizes(simulation) == [0, 3]
    assert status(simulation).ready == 3


def test_recreate_does_not_end_a_rollout_that_is_scaled_with_it() -> None:
    """As in Kubernetes: each sync is taken for one of scaling, which Recreate knows nothing of."""
    recreate = deployment(STUCK, 7, strategy={"type": "Recreate"})
    assert rollout((0, deployment(OLD, 4)), (10, deployment(STUCK, 4)), (20, recreate),
                   at=[15, 60]) == [[3, 2], [3, 2]]  # fmt: skip
    same = deployment(STUCK, 4, strategy={"type": "Recreate"})
    assert rollout((0, deployment(OLD, 4)), (10, deployment(STUCK, 4)), (20, same),
                   at=[15, 60]) == [[3, 2], [0, 4]]  # fmt: skip


def test_more_templates_than_pods() -> None:
    """Each application has a template of its own; scaling in proportion looks at all of them."""
    events = [(0, [deployment(OLD, 2, surge=3, unavailable=0)])]
    events += [
        (i, [deployment(template(container(f"{i}00")), 2 + i % 2, surge=3, unavailable=0)])
        for i in range(1, 150)
    ]
    simulation = play(*events, nodes=ROOMY, duration=200)
    assert sum(sizes(simulation)) == 2 + 149 % 2 + 3
    assert status(simulation).pending > 0


def test_a_deleted_deployment_takes_its_pods_along() -> None:
    made = deployment(OLD, 3)
    simulation = play((0, [made]), (10, [], [made]), (20, [made]), nodes=ROOMY, until=15)
    assert status(simulation).total == 0
    assert int(simulation.state.nodes["pods"].sum()) == 0
    simulation.advance()
    assert status(simulation).ready == 3


def test_a_template_that_comes_again_unchanged_changes_nothing() -> None:
    same = template(container("100m"))
    same["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "0.1"
    assert rollout((0, deployment(OLD, 3)), (10, deployment(same, 3)), at=[20]) == [[3]]


def container_rows(simulation: Simulation) -> dict[str, Any]:
    return {one["name"]: one for one in simulation.observe(ref())["containers"] or ()}


def test_containers_are_observed_by_name_during_a_rollout() -> None:
    """The stuck rollout's template has another first container than the pods that run."""
    old = template(container("100m", name="b", limits={"memory": "1Mi"}), usage={"b": "memory=2Mi"})
    new = template(container("99", name="a"), container(name="b"))
    share: Json = {"surge": 1, "unavailable": 0}
    first, second = (deployment(pod, 1, **share) for pod in (old, new))
    simulation = play((0, [first]), (15, [second]), nodes=ROOMY, until=16)
    rows = container_rows(simulation)
    assert rows["a"]["restarts"] == 0
    assert rows["b"]["restarts"] == 2
    assert rows["b"]["oom_killed"] == 3


def test_pods_that_wait_to_be_available_follow_changed_seconds() -> None:
    """With maxUnavailable 0 the rollout goes on when the new pod is available."""
    seconds = [
        deployment(pod, 1, surge=1, unavailable=0, minReadySeconds=wait)
        for pod, wait in ((OLD, 0), (NEW, 100), (NEW, 5))
    ]
    simulation = play((0, seconds[:1]), (10, seconds[1:2]), (12, seconds[2:]), until=14,
                      nodes=nodes(3), duration=300)  # fmt: skip
    assert sizes(simulation) == [1, 1]
    simulation.advance(15)
    assert sizes(simulation) == [0, 1]


def test_more_seconds_make_pods_unavailable_again() -> None:
    old, waiting = (
        deployment(pod, 1, surge=1, unavailable=0, minReadySeconds=wait)
        for pod, wait in ((OLD, 0), (OLD, 60))
    )
    simulation = play((0, [old]), (10, [waiting]), until=59, nodes=nodes(3), duration=300)
    assert int(simulation.state.sets["available"].sum()) == 0
    simulation.advance(60)
    assert int(simulation.state.sets["available"].sum()) == 1


def test_an_earlier_template_uses_its_replica_set_again() -> None:
    first, second = (deployment(pod, 2) for pod in (OLD, NEW))
    simulation = play((0, [first]), (10, [second]), (20, [first]), nodes=nodes(3), duration=60)
    assert sizes(simulation) == [2, 0]


def test_old_replica_sets_beyond_the_limit_are_forgotten() -> None:
    first, second = (deployment(pod, 2, revisionHistoryLimit=0) for pod in (OLD, NEW))
    simulation = play((0, [first]), (10, [second]), (20, [first]), nodes=nodes(3), until=15,
                      duration=60)  # fmt: skip
    assert sizes(simulation) == [2]
    simulation.advance()
    assert sizes(simulation) == [2]
    assert status(simulation).ready == 2


def test_changing_the_seconds_again_and_again_runs_out_of_no_room() -> None:
    events = [(second, [deployment(OLD, 60, minReadySeconds=200 + second)]) for second in range(40)]
    simulation = play(*events, nodes=nodes(3), duration=600)
    assert status(simulation).ready == 60
    assert int(simulation.state.sets["available"].sum()) == 60
