"""The arrays grow before they are full: nothing is ever written behind them."""

import pytest

from tests.engine.manifests import (
    Json,
    container,
    daemon_set,
    deployment,
    job,
    nodes,
    stateful_set,
    template,
)
from tests.engine.scenes import play, status


def waiting(seconds: int) -> Json:
    """A Deployment whose pods wait anew at each change: timers are never taken back."""
    return deployment(template(container("1m")), 30, "old", minReadySeconds=10_000 + seconds)


BOUND = template(
    container("1m", "1Mi", limits={"cpu": "1m"}, probe=True),
    usage={"app": "cpu=10m"},
    nodeName="n0",
)


@pytest.mark.parametrize(
    "made",
    [
        deployment(BOUND, 34, "new", minReadySeconds=10_000),
        stateful_set(BOUND, 34, "new", podManagementPolicy="Parallel", minReadySeconds=10_000),
        daemon_set(BOUND, "new", minReadySeconds=10_000),
        job({**BOUND, "spec": {**BOUND["spec"], "restartPolicy": "Never"}}, "new", parallelism=34),
    ],
    ids=["Deployment", "StatefulSet", "DaemonSet", "Job"],
)
def test_pods_that_begin_as_they_are_made_find_room_for_their_timers(made: Json) -> None:
    """They name their node, so that one sync starts them all, each with several timers."""
    changes = [(5 * i, [waiting(i)]) for i in range(12)]
    large = nodes(1, 1_000_000, pods=100_000)
    simulation = play(*changes, (100, [made]), nodes=large, until=120)
    assert int(simulation.state.clock[0]["timers"]) < simulation.state.timers.shape[0]
    assert status(simulation, "new").total == (1 if made["kind"] == "DaemonSet" else 34)
