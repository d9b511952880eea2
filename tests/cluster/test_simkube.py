"""The simkube cluster, with the real sk-ctrl and sk-driver."""

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from results.store import store_at
from sim_arena import verbs
from sim_arena.clusters.clean import clean
from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.ownership import prefix_of, run_labels
from sim_arena.clusters.kube.simkube_objects import SIMULATION, state_of
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.clusters.simkube.simulation import (
    begun_at,
    create_simulation,
    delete_simulation,
    manifest,
    namespaces_of,
)
from sim_arena.clusters.simkube.traces import place
from sim_arena.errors import PermanentError, TransientError
from tests.cluster.faulty import FaultyServer
from tests.cluster.kwok_runs import (
    MakeSpec,
    age_lease,
    api,
    faulty,
    has_lease,
    hold,
    kubeconfig,
    make_kwok,
    namespaces,
    prepared,
    untouched,
    web_trace,
)
from tests.cluster.manifests import make_trace, workload
from tests.cluster.simkube_host import SimKubeHost
from tests.cluster.simkube_runs import left, make_simkube, simkube, simkube_host, simulations
from tests.cluster.test_kwok import PLAY, counts, step
from tests.cluster.waiting import wait_until

__all__ = [
    "api",
    "faulty",
    "kubeconfig",
    "make_kwok",
    "make_simkube",
    "prepared",
    "simkube",
    "simkube_host",
]

pytestmark = pytest.mark.cluster

_MERGE = "application/merge-patch+json"
_LEASE: Json = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}


def await_pods(client: Api, count: int) -> None:
    """Wait until the driver has let so many pods in."""

    def missing() -> str | None:
        made = {one["metadata"]["name"] for one in namespaces_of(client, prefix_of("one-0-0"))}
        there = client.list("/api/v1/pods")
        pods = [pod for pod in there if pod["metadata"]["namespace"] in made]
        return None if len(pods) == count else f"{len(pods)} pods"

    wait_until(missing, 90)


def in_state(client: Api, name: str, state: str) -> str | None:
    found = client.get(SIMULATION, None, name)
    seen = None if found is None else state_of(found)
    return None if seen == state else f"{name} is {seen}"


def patch(client: Api, name: str, body: Json) -> None:
    client.request("patch", client.path(SIMULATION, None, name), body, content_type=_MERGE)


def test_a_step_shows_what_the_embedded_cluster_shows_and_leaves_nothing(
    prepared: Api, make_simkube: MakeSpec, tmp_path: Path
) -> None:
    spec = make_simkube(web_trace("7", replicas=8))
    before = untouched(prepared)
    failed = {check.name for check in verbs.preflight(spec) if not check.ok}
    assert failed == {"sk-ctrl"}  # a process here, and no Deployment: a warning
    seen = step(spec)
    own = step(spec.model_copy(update={"cluster": "embedded"}))
    verbs.clean_up(spec.place, "one")
    assert isinstance(seen, dict)
    assert isinstance(own, dict)
    assert counts(seen) == counts(own) == (6, 2, 8)
    assert (seen["cluster"], seen["desired"]) == ("simkube", 8)
    assert left(prepared) == []
    assert list((tmp_path / "store").iterdir()) == []
    assert untouched(prepared) == before


@pytest.mark.usefixtures("prepared")
def test_the_preflight_names_what_simkube_itself_cannot_replay(make_simkube: MakeSpec) -> None:
    spec = make_simkube(make_trace((0, [workload("ReplicaSet", "web", replicas=2)], [])))
    [told] = [one for one in verbs.preflight(spec) if one.name == "replicasets"]
    assert not told.ok
    assert told.found == "SimKube cannot replay ReplicaSets: web"


def test_every_field_of_the_settings_is_one_of_simkubes(
    prepared: Api, simkube: SimKubeHost
) -> None:
    assert simkube
    settings = SimKubeSettings.model_validate(
        {
            "driver_image": "registry.test/sk-driver:1",
            "port": 9000,
            "driver_args": ["--verbosity", "debug"],
            "secrets": ["keys"],
            "cert_manager_issuer": "ours",
            "virtual_ns_prefix": "mine",
            "reschedule_interrupted_bare_pods": True,
            "metrics": {"namespace": "metrics", "remoteWriteConfigs": []},
            "repetitions": 3,
            "lifecycle": dict.fromkeys(("image_pull_delay", "pod_startup_jitter"), 5),
            "hooks": {
                f"{when}_hooks": [{"cmd": "true", "args": ["a"], "ignore_failure": True}]
                for when in ("pre_start", "pre_run", "post_run", "post_stop")
            },
        }
    )
    wanted = manifest("any", "s3://bucket/any.sktrace", 90.5, "drivers", settings, 2.0)
    path = prepared.path(SIMULATION, None)
    got = prepared.request("post", f"{path}?dryRun=All&fieldValidation=Strict", wanted)
    assert got["spec"] == wanted["spec"]
    assert got["spec"]["duration"] == "+91s"
    assert got["spec"]["driver"]["virtualNsPrefix"] == "mine"
    assert settings.metrics_namespace == "metrics"


def test_a_driver_that_is_killed_is_a_failure_with_its_reasons(
    simkube: SimKubeHost, prepared: Api, make_simkube: MakeSpec
) -> None:
    spec = make_simkube(duration=100)
    simulation = verbs.simulate(spec, spec.trace, 0)
    wait_until(lambda: None if simkube.drivers else "no driver", 60)
    simkube.kill_drivers()
    with pytest.raises(PermanentError, match=r"simulation sim-\w+ failed; .*exit code 9"):
        verbs.wait(simulation)
    with pytest.raises(PermanentError, match="failed"):
        verbs.observe(simulation)
    verbs.clean_up(spec.place, "one")
    assert left(prepared) == []


def test_a_driver_that_gives_up_is_a_failure_with_its_log(
    prepared: Api, make_simkube: MakeSpec
) -> None:
    web = workload("Deployment", "web", replicas=2)
    web["spec"]["selector"]["matchLabels"] = {"app": "other"}
    spec = make_simkube(make_trace((0, [web], [])))
    simulation = verbs.simulate(spec, spec.trace, 0)
    with pytest.raises(PermanentError) as failed:
        verbs.wait(simulation)
    verbs.clean_up(spec.place, "one")
    assert "the driver's log ends with" in str(failed.value)
    assert "does not match template `labels`" in str(failed.value)
    assert "events: " in str(failed.value)
    assert left(prepared) == []


def test_without_a_controller_it_says_so_and_shows_nothing(
    simkube: SimKubeHost, prepared: Api, make_simkube: MakeSpec
) -> None:
    simkube.stop_controller()
    spec = make_simkube(timeout=2.0)
    simulation = verbs.simulate(spec, spec.trace, 0)
    with pytest.raises(PermanentError, match="unknown to sk-ctrl: does sk-ctrl run"):
        verbs.wait(simulation)
    with pytest.raises(TransientError, match="to be Running, found None"):
        verbs.observe(simulation)
    verbs.clean_up(spec.place, "one")
    assert left(prepared) == []


def test_a_controller_that_tries_again_and_again_is_told(
    prepared: Api, make_simkube: MakeSpec, caplog: pytest.LogCaptureFixture
) -> None:
    spec = make_simkube(simkube={"driver_store": "ftp://nowhere/traces"}, timeout=15.0)
    simulation = verbs.simulate(spec, spec.trace, 0)
    with pytest.raises(PermanentError, match="found it in state Retrying"):
        verbs.wait(simulation)
    verbs.clean_up(spec.place, "one")
    assert "waiting for sk-ctrl to try" in caplog.text
    assert left(prepared) == []


def test_the_lease_of_an_earlier_simulation_of_the_name_is_not_taken_for_its_own(
    simkube: SimKubeHost, prepared: Api, make_simkube: MakeSpec
) -> None:
    """It goes by itself some time after its Simulation: the next one may be there before."""
    simkube.stop_controller()
    spec = make_simkube()
    name = prefix_of(verbs.simulate(spec, spec.trace, 0)["name"])
    body = {
        **_LEASE,
        "metadata": {"name": "sk-lease"},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": 60,
            "renewTime": "2026-01-01T00:00:00.000000Z",
        },
    }
    prepared.request("post", prepared.path(_LEASE, "simkube"), body)
    made = prepared.get(_LEASE, "simkube", "sk-lease")["metadata"]["creationTimestamp"]  # type: ignore[index] # it is there
    later = (datetime.fromisoformat(made) + timedelta(seconds=1)).isoformat()
    ages = {made: datetime(2026, 1, 1, tzinfo=UTC).timestamp(), later: None}
    for created, begun in ages.items():
        one = {"metadata": {"name": name, "creationTimestamp": created}}
        assert begun_at(prepared, one, SimKubeSettings()) == begun
    with pytest.raises(TransientError, match="found Lease simkube/sk-lease"):
        delete_simulation(prepared, name, 1.0)
    prepared.delete(_LEASE, "simkube", "sk-lease")
    verbs.clean_up(spec.place, "one")
    assert left(prepared) == []


def test_somebody_elses_simulation_is_waited_for_by_name_and_not_touched(
    prepared: Api, make_simkube: MakeSpec, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = ("theirs", "file:///nowhere.sktrace", 600, "simkube")
    create_simulation(*nowhere, api=prepared, settings=SimKubeSettings())
    wait_until(lambda: None if prepared.exists(_LEASE, "simkube", "sk-lease") else "no lease", 30)
    before = prepared.get(SIMULATION, None, "theirs")
    spec = make_simkube(timeout=4.0)
    simulation = verbs.simulate(spec, spec.trace, 0)
    with pytest.raises(TransientError, match="found that simulation theirs has it"):
        verbs.wait(simulation)
    verbs.clean_up(spec.place, "one")
    assert clean(prepared) == []
    after = prepared.get(SIMULATION, None, "theirs")
    assert "waiting for simulation theirs" in caplog.text
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert simulations(prepared) == ["theirs"]
    prepared.delete(SIMULATION, None, "theirs")
    wait_until(lambda: ", ".join(left(prepared)) or None, 60)


def test_namespaces_of_somebody_else_are_not_written_into(
    prepared: Api, make_simkube: MakeSpec, tmp_path: Path
) -> None:
    theirs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop-web"}}
    prepared.create(theirs)
    spec = make_simkube(simkube={"virtual_ns_prefix": "shop"})
    try:
        with pytest.raises(PermanentError, match="SimKube would write into them"):
            verbs.simulate(spec, spec.trace, 0)
        assert list((tmp_path / "store").iterdir()) == []
        verbs.clean_up(spec.place, "one")
        assert prepared.exists(theirs, None, "shop-web")
    finally:
        prepared.delete(theirs, None, "shop-web")


def test_a_run_on_kwok_waits_for_a_simulation_that_has_no_pods_yet(
    prepared: Api, simkube: SimKubeHost, make_kwok: MakeSpec, caplog: pytest.LogCaptureFixture
) -> None:
    simkube.stop_controller()
    nowhere = ("theirs", "file:///nowhere.sktrace", 600, "simkube")
    create_simulation(*nowhere, api=prepared, settings=SimKubeSettings())
    spec = make_kwok(timeout=2.0)
    with pytest.raises(TransientError, match="found it used by SimKube's theirs"):
        verbs.simulate(spec, spec.trace, 0)
    assert "waiting for SimKube's theirs" in caplog.text
    assert has_lease(prepared) is None
    prepared.delete(SIMULATION, None, "theirs")


def test_a_run_on_kwok_gets_the_cluster_when_one_on_simkube_is_gone_from_it(
    prepared: Api, make_simkube: MakeSpec, make_kwok: MakeSpec
) -> None:
    first, second = make_simkube(), make_kwok(run_id="two", allow_real_nodes=True)
    assert counts(step(first)) == (2, 0, 2)
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(step(second)))
    waiting.start()
    assert not found
    verbs.clean_up(first.place, "one")
    assert left(prepared) == []
    waiting.join(120)
    assert counts(found[0]) == (2, 0, 2)
    verbs.clean_up(second.place, "two")


def test_what_a_killed_process_left_is_cleaned_and_nothing_else(
    prepared: Api, make_simkube: MakeSpec, kubeconfig: Path, tmp_path: Path
) -> None:
    spec = make_simkube(duration=600)
    before = untouched(prepared)
    process = subprocess.Popen(
        [sys.executable, "-c", PLAY, spec.model_dump_json()],
        stdout=subprocess.PIPE,
        env=os.environ | {"KUBECONFIG": str(kubeconfig)},
    )
    name = prefix_of("one-0-0")
    try:
        wait_until(lambda: None if namespaces_of(prepared, name) else "nothing made", 90)
    finally:
        process.kill()
        process.communicate()
    assert clean(prepared) == []  # it may be alive for a minute: it is left alone
    age_lease(prepared)
    checks = verbs.preflight(make_simkube(run_id="two"))
    [check] = [one for one in checks if one.name == "cluster leftovers"]
    assert "left by one" in check.found
    assert f"Simulation {name}" in clean(prepared)
    assert left(prepared) == []
    assert namespaces(prepared) == []
    assert list((tmp_path / "store").iterdir()) == []
    assert untouched(prepared) == before


def test_a_trace_whose_simulation_was_never_made_is_cleaned_with_its_run(
    prepared: Api, tmp_path: Path
) -> None:
    settings = SimKubeSettings(trace_store=str(tmp_path))
    for run in ("one", "other"):
        place(web_trace(), run, prefix_of(f"{run}-0-0"), settings)
    removed = clean(prepared, "one", trace_store=str(tmp_path))
    [kept] = [path.name for path in tmp_path.iterdir()]
    assert removed == [f"trace {prefix_of('one')}.{prefix_of('one-0-0')}.sktrace"]
    assert kept == f"{prefix_of('other')}.{prefix_of('other-0-0')}.sktrace"


@pytest.mark.full
def test_a_pause_is_waited_out_and_the_window_is_as_much_longer(
    prepared: Api, make_simkube: MakeSpec, caplog: pytest.LogCaptureFixture
) -> None:
    spec = make_simkube(duration=20)
    name = prefix_of("one-0-0")
    simulation = verbs.simulate(spec, spec.trace, 0)
    found: list[list[str]] = []
    waiting = threading.Thread(target=lambda: found.append(verbs.wait(simulation)))
    waiting.start()
    wait_until(lambda: None if namespaces_of(prepared, name) else "nothing made", 60)
    begun = time.monotonic()
    patch(prepared, name, {"spec": {"pausedTime": datetime.now(UTC).isoformat()}})
    wait_until(lambda: in_state(prepared, name, "Paused"), 20)
    with pytest.raises(TransientError, match="to be Running, found Paused"):
        verbs.observe(simulation)
    wait_until(lambda: None if time.monotonic() > begun + 8 else "paused", 20)
    patch(prepared, name, {"spec": {"pausedTime": None}})
    waiting.join(60)
    assert time.monotonic() - begun > 15  # a window of 10 s, and the pause
    assert "somebody has paused it" in caplog.text
    assert any("paused for" in line for line in found[0])
    assert counts(verbs.observe(simulation)) == (2, 0, 2)
    verbs.clean_up(spec.place, "one")
    assert left(prepared) == []


@pytest.mark.full
def test_a_simulation_that_ends_early_is_no_empty_workload(
    prepared: Api, make_simkube: MakeSpec
) -> None:
    spec = make_simkube(speed=1.0, duration=60)
    settings = spec.simkube
    create_simulation(
        prefix_of("one-0-0"),
        Path(spec.trace).as_uri(),
        1,
        "simkube",
        api=prepared,
        settings=settings,
        labels=run_labels("one", "one-0-0"),
    )
    simulation = verbs.simulate(spec, spec.trace, 0)  # finds that one
    with pytest.raises(PermanentError, match="found it finished and its pods deleted"):
        verbs.wait(simulation)
    with pytest.raises(PermanentError, match="found it finished"):
        verbs.observe(simulation)
    verbs.clean_up(spec.place, "one")
    assert left(prepared) == []


@pytest.mark.full  # the namespace controller tries again after a minute
def test_a_namespace_that_is_stuck_is_told_and_found_again(
    prepared: Api, make_simkube: MakeSpec
) -> None:
    spec = make_simkube()
    step(spec)
    [namespace] = namespaces_of(prepared, prefix_of("one-0-0"))
    name = namespace["metadata"]["name"]
    release = hold(prepared, name)
    with pytest.raises(TransientError, match=rf"Namespace {name} \(.*test.sim-arena.io/stuck"):
        clean(prepared, "one", deadline_s=20)
    release()
    clean(prepared)  # the run has no lease any more: it is dead
    assert left(prepared) == []


@pytest.mark.full
def test_an_api_server_that_is_killed_while_the_driver_applies_shows_nothing_false(
    control_plane: Any, prepared: Api, make_simkube: MakeSpec
) -> None:
    """The driver may die of it, before the Deployment is there, or before it lets its pods in."""
    spec = make_simkube(web_trace("7", replicas=8), duration=40, simkube={"margin": 60})
    simulation = verbs.simulate(spec, spec.trace, 0)
    name = prefix_of("one-0-0")
    wait_until(lambda: None if namespaces_of(prepared, name) else "nothing made", 90)
    with control_plane.server_away(4.0), suppress(TransientError, PermanentError):
        verbs.wait(simulation)
        assert counts(verbs.observe(simulation)) == (6, 2, 8)
    verbs.clean_up(spec.place, "one")
    assert left(prepared) == []


@pytest.mark.full
def test_a_killed_api_server_that_comes_back_shows_nothing_false(
    control_plane: Any, prepared: Api, make_simkube: MakeSpec
) -> None:
    """Killed before each verb, and back some seconds later."""
    spec = make_simkube(web_trace("7", replicas=8), duration=40, simkube={"margin": 60})
    with control_plane.server_away(4.0):
        simulation = verbs.simulate(spec, spec.trace, 0)
    await_pods(prepared, 8)
    with control_plane.server_away(4.0):
        verbs.wait(simulation)
    with control_plane.server_away(4.0):
        assert counts(verbs.observe(simulation)) == (6, 2, 8)
    with control_plane.server_away(4.0):
        verbs.clean_up(spec.place, "one")
    assert left(prepared) == []


@pytest.mark.full
def test_an_api_server_that_is_killed_in_the_middle_of_each_verb_shows_nothing_false(
    prepared: Api, make_simkube: MakeSpec, faulty: FaultyServer
) -> None:
    spec = make_simkube(web_trace("7", replicas=8), duration=40, simkube={"margin": 60})
    with faulty.killed_at(2, 4.0):
        simulation = verbs.simulate(spec, spec.trace, 0)
    await_pods(prepared, 8)
    with faulty.killed_at(6, 4.0):
        verbs.wait(simulation)
    with faulty.killed_at(3, 4.0):
        assert counts(verbs.observe(simulation)) == (6, 2, 8)
    with faulty.killed_at(4, 4.0):
        verbs.clean_up(spec.place, "one")
    assert left(prepared) == []


@pytest.mark.full
def test_a_trace_is_handed_over_in_an_object_store(
    simkube: SimKubeHost, prepared: Api, make_simkube: MakeSpec, s3: str, tmp_path: Path
) -> None:
    """With the keys in a Secret, a hook, and delays of pods."""
    place = s3.rpartition("=")[2]
    keys = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{place}",
        "AWS_ALLOW_HTTP": "true",
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": keys}
    prepared.create({**secret, "metadata": {"name": "keys", "namespace": "simkube"}})
    touched = tmp_path / "touched"
    settings = {
        "trace_store": s3,
        "secrets": ["keys"],
        "hooks": {"pre_run_hooks": [{"cmd": "touch", "args": [str(touched)]}]},
        "lifecycle": {"pod_startup_delay": 700, "image_pull_delay": 300},
    }
    spec = make_simkube(simkube=settings)
    store = store_at(s3)
    try:
        simulation = verbs.simulate(spec, spec.trace, 0)
        assert store.list() == [f"{prefix_of('one')}.{prefix_of('one-0-0')}.sktrace"]
        assert verbs.wait(simulation) == []
        assert counts(verbs.observe(simulation)) == (2, 0, 2)
        [namespace] = namespaces_of(prepared, prefix_of("one-0-0"))
        path = f"/api/v1/namespaces/{namespace['metadata']['name']}/pods"
        [annotations] = [p["metadata"]["annotations"] for p in prepared.list(path)][:1]
        assert annotations["simkube.io/kwok-stage-ready-delay"] == "700ms"
    finally:
        verbs.clean_up(spec.place, "one")
        prepared.delete(secret, "simkube", "keys")
    assert simkube.drivers == {}
    assert touched.exists()
    assert store.list() == []
    assert left(prepared) == []
