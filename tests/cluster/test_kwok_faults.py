"""The kwok cluster on a bad day: nothing false is recorded, and nothing is left."""

import re
import threading

import pytest

from sim_arena import verbs
from sim_arena.clusters.kube.api import Api, AwayError
from sim_arena.clusters.kube.mirror import Collection, Mirror
from sim_arena.clusters.kube.objects import COLLECTIONS
from tests.cluster.faulty import FaultyServer
from tests.cluster.harness import ControlPlane
from tests.cluster.kwok_runs import (
    MakeSpec,
    api,
    faulty,
    kubeconfig,
    make_kwok,
    namespaces,
    prepared,
    web_trace,
)
from tests.cluster.manifests import make_trace, workload
from tests.cluster.test_kwok import counts, step
from tests.cluster.waiting import wait_until

__all__ = ["api", "faulty", "kubeconfig", "make_kwok", "prepared"]  # fixtures

pytestmark = pytest.mark.cluster

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap"}


def config_map(name: str) -> dict[str, object]:
    return {**CONFIG, "metadata": {"name": name, "namespace": "sim-arena"}}


def names(mirror: Mirror) -> set[str]:
    found = mirror.state().objects["ConfigMap"]
    return {obj["metadata"]["name"] for obj in found} - {"kube-root-ca.crt"}


def test_a_server_that_asks_for_time_gets_it(faulty: FaultyServer) -> None:
    client = Api.from_kubeconfig(faulty.kubeconfig)
    faulty.busy = 2
    assert client.request("get", "/version")["gitVersion"].startswith("v1.")
    assert faulty.seen == ["GET /version"] * 3


def test_a_server_that_stays_away_is_a_passing_fault(faulty: FaultyServer) -> None:
    client = Api.from_kubeconfig(faulty.kubeconfig, patience_s=1.0)
    faulty.away = True
    with pytest.raises(AwayError, match="the API server does not answer"):
        client.request("get", "/version")
    assert len(faulty.seen) > 2


def test_a_watch_that_breaks_or_is_too_old_misses_nothing(
    faulty: FaultyServer, prepared: Api
) -> None:
    client = Api.from_kubeconfig(faulty.kubeconfig)
    path = "/api/v1/namespaces/sim-arena/configmaps"
    with Mirror(client, [Collection("ConfigMap", path)]) as mirror:
        mirror.wait_for_lists()
        prepared.create(config_map("first"))
        wait_until(lambda: None if names(mirror) == {"first"} else "not seen", 20)
        faulty.away = True
        faulty.break_all()
        wait_until(lambda: None if mirror.behind() else "nothing noticed", 20)
        prepared.create(config_map("second"))
        faulty.gone = 1
        faulty.away = False
        wait_until(lambda: None if names(mirror) == {"first", "second"} else "not seen", 20)
        prepared.delete(CONFIG, "sim-arena", "first")
        wait_until(lambda: None if names(mirror) == {"second"} else "not seen", 20)
        prepared.delete(CONFIG, "sim-arena", "second")
        wait_until(mirror.behind, 20)
    assert faulty.gone == 0


def test_a_copy_is_behind_until_it_shows_what_was_written(prepared: Api) -> None:
    path = "/api/v1/namespaces/sim-arena/configmaps"
    with Mirror(prepared, [Collection("ConfigMap", path)]) as mirror:
        mirror.wait_for_lists()
        for number in range(20):
            written = prepared.create(config_map(f"map-{number}"))
            mirror.wrote(written)
            wait_until(mirror.behind, 20)
            assert f"map-{number}" in names(mirror)
            prepared.delete(CONFIG, "sim-arena", f"map-{number}")
            mirror.deleted("ConfigMap", "sim-arena", f"map-{number}")
            wait_until(mirror.behind, 20)
            assert f"map-{number}" not in names(mirror)
        to_come = str(int(written["metadata"]["resourceVersion"]) + 1_000_000)
        written["metadata"]["resourceVersion"] = to_come
        mirror.wrote(written)
        assert "has not come to what was done to ConfigMap sim-arena/map-19" in str(mirror.behind())


def test_a_step_survives_a_bad_day(
    faulty: FaultyServer, prepared: Api, make_kwok: MakeSpec
) -> None:
    """An event is due while the server is away: it comes late, and the step says so."""
    larger, smaller = (workload("Deployment", "web", "7", replicas=n) for n in (8, 7))
    spec = make_kwok(make_trace((0, [larger], []), (18, [smaller], [])), speed=2.0)
    simulation = verbs.simulate(spec, spec.trace, 0)
    faulty.busy, faulty.gone = 3, 2
    found: list[list[str]] = []
    waiting = threading.Thread(target=lambda: found.append(verbs.wait(simulation)))
    waiting.start()
    wait_until(lambda: None if namespaces(prepared, "one") else "nothing made", 60)
    faulty.away = True
    faulty.break_all()
    away = threading.Timer(20.0, lambda: setattr(faulty, "away", False))
    away.start()
    waiting.join(120)
    [[late]] = found
    assert re.match(r"events came up to 1\d s late", late)
    assert counts(verbs.observe(simulation)) == (6, 1, 7)
    verbs.clean_up(spec.place, "one")
    assert namespaces(prepared) == []


def test_what_cannot_be_read_is_no_observation(
    faulty: FaultyServer, prepared: Api, make_kwok: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_kwok()
    simulation = verbs.simulate(spec, spec.trace, 0)
    verbs.wait(simulation)
    faulty.away = True
    monkeypatch.setattr("sim_arena.clusters.kube.api._LONGEST_PAUSE_S", 0.1)
    impatient = Api.from_kubeconfig(faulty.kubeconfig, patience_s=1.0)
    monkeypatch.setattr("sim_arena.clusters.kwok.cluster.KwokCluster.api", impatient)
    with pytest.raises(AwayError):
        verbs.observe(simulation)
    faulty.away = False
    assert counts(verbs.observe(simulation)) == (2, 0, 2)
    verbs.clean_up(spec.place, "one")
    assert namespaces(prepared) == []


@pytest.mark.full  # the controllers' watches come back after up to half a minute
def test_a_killed_api_server_that_comes_back_changes_nothing(
    control_plane: ControlPlane, prepared: Api, make_kwok: MakeSpec
) -> None:
    """Killed before each verb, and back some seconds later: each verb gets what it came for."""
    spec = make_kwok()
    with control_plane.server_away(4.0):
        simulation = verbs.simulate(spec, spec.trace, 0)
    with control_plane.server_away(4.0):
        verbs.wait(simulation)
    with control_plane.server_away(4.0):
        assert counts(verbs.observe(simulation)) == (2, 0, 2)
    with control_plane.server_away(4.0):
        verbs.clean_up(spec.place, "one")
    assert namespaces(prepared) == []
    assert counts(step(spec)) == (2, 0, 2)
    verbs.clean_up(spec.place, "one")


@pytest.mark.full  # the controllers' watches come back after up to half a minute
def test_an_api_server_that_is_killed_in_the_middle_of_each_verb_changes_nothing(
    faulty: FaultyServer, prepared: Api, make_kwok: MakeSpec
) -> None:
    spec = make_kwok(web_trace("7", replicas=8))
    with faulty.killed_at(2, 4.0):
        simulation = verbs.simulate(spec, spec.trace, 0)
    with faulty.killed_at(len(COLLECTIONS) + 6, 4.0):  # it has listed all, and is applying
        verbs.wait(simulation)
    with faulty.killed_at(3, 4.0):
        assert counts(verbs.observe(simulation)) == (6, 2, 8)
    with faulty.killed_at(4, 4.0):
        verbs.clean_up(spec.place, "one")
    assert namespaces(prepared) == []
