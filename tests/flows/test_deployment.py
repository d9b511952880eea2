"""The deployments of prefect.yaml, with a worker: what a person does in the UI."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from tempfile import gettempdir
from threading import Thread
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Cancelled, Cancelling, Failed, Scheduled

from deploy import alerts
from flows.parameters import ROOTS
from results import Run, load_episodes
from sim_arena.episode import EpisodeSpec
from sim_arena.hooks import ALLOW_CODE

pytestmark = pytest.mark.xdist_group("prefect")

ROOT = Path(__file__).parents[2]
NAME = "episode/embedded"
PLAYED = ("COMPLETED", "FAILED", "CRASHED")
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]
BOUNDS: dict[str, dict[str, dict[str, Any]]] = {
    "episode": {"target": {"minimum": 1}, "max_steps": {"maximum": 10_000}},
    "sweep": {"chunk": {"minimum": 1, "maximum": 10_000}, "max_failed": {"maximum": 1}},
    "fidelity": {"seeds": {"minimum": 1, "maximum": 100_000}, "traces": {"minItems": 1}},
}
MakeSpec = Callable[..., EpisodeSpec]


def prefect(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *words],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != ALLOW_CODE}
    # The traces and runs of these tests are in temporary folders.
    return kept | {"PYTHONPATH": str(ROOT), "PWD": str(ROOT), ROOTS: gettempdir()}


@pytest.fixture(scope="module")
def deployed(prefect_server: str) -> str:
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="local", type="process"))
    prefect("deploy", "--all")
    return prefect_server


@pytest.fixture(scope="module")
def worker(
    deployed: str,  # noqa: ARG001 # the work pool has to be there
    tmp_path_factory: pytest.TempPathFactory,
    stop: Callable[["subprocess.Popen[bytes]"], None],
) -> Iterator[None]:
    log = tmp_path_factory.mktemp("worker") / "worker.log"
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "local"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--type", "process", "--name", "tests"],
            cwd=ROOT,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        stop(process)
        print(log.read_text())  # noqa: T201 # pytest shows it where a test failed


@pytest.fixture
def heard() -> "Queue[bytes]":
    """What was posted to the tests' webhook."""
    return Queue()


@pytest.fixture
def webhook(heard: "Queue[bytes]") -> Iterator[str]:
    """The address of a webhook."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name is http.server's
            heard.put(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/alerts"
        server.shutdown()
        thread.join()


@pytest.fixture
def start(client: Any, make_spec: MakeSpec) -> Callable[..., UUID]:
    """Starts a run as the UI does: with the form's values as JSON."""

    def run(variables: dict[str, Any] | None = None, **values: Any) -> UUID:
        spec = make_spec()
        given = {"trace": spec.trace, "deploy": "web", "target": 3, "runs_dir": spec.runs_dir}
        deployment = client.read_deployment_by_name(NAME)
        created = client.create_flow_run_from_deployment(
            deployment.id, parameters=given | values, job_variables=variables
        )
        identifier: UUID = created.id
        return identifier

    return run


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize("written", DEPLOYMENTS, ids=[one["name"] for one in DEPLOYMENTS])
def test_what_prefect_yaml_says_is_what_was_deployed(
    client: Any, written: dict[str, Any], eventually: Callable[..., Any]
) -> None:
    flow = written["entrypoint"].partition(":")[2]
    found = client.read_deployment_by_name(f"{flow}/{written['name']}")
    assert found.entrypoint == written["entrypoint"]
    assert found.pull_steps == []
    assert found.work_pool_name == "local"
    assert found.job_variables == {"working_dir": str(ROOT)}
    assert sorted(found.tags) == sorted(written["tags"])
    assert found.description == written["description"]
    assert found.parameters == written["parameters"]
    form = found.parameter_openapi_schema["properties"]
    assert found.parameters.keys() <= form.keys()
    assert all(field["description"] for field in form.values())
    for name, bounds in BOUNDS[flow].items():
        kinds = form[name].get("anyOf", [form[name]])  # or none, where it may be left out
        [kind] = [kind for kind in kinds if kind != {"type": "null"}]
        assert kind.items() >= bounds.items(), name
    assert found.enforce_parameter_schema
    limit = written["concurrency_limit"]
    assert found.global_concurrency_limit.limit == limit["limit"]
    assert found.concurrency_options.collision_strategy.value == limit["collision_strategy"]
    shown = [
        {
            "slug": one.slug,
            "cron": one.schedule.cron,
            "timezone": one.schedule.timezone,
            "active": one.active,
        }
        for one in found.schedules
    ]
    assert shown == written.get("schedules", [])
    if shown:
        # With an sqlalchemy that Prefect cannot use everything works but this.
        runs = eventually(lambda: runs_of(client, found.id))
        times = {datetime.fromisoformat(run["expected_start_time"]) for run in runs}
        there = {time.astimezone(ZoneInfo(shown[0]["timezone"])) for time in times}
        minute, hour, *_ = shown[0]["cron"].split()
        assert {(time.hour, time.minute) for time in there} == {(int(hour), int(minute))}
        assert all(run["auto_scheduled"] for run in runs)


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(
    "values",
    [
        {"target": 0},
        {"target": "many"},
        {"duration": -1},
        {"max_steps": 10_001},
        {"reward": "gold"},
        {"policy": "os:system"},
        {"guardrails": {"cpu_maximum": "4"}},
    ],
)
def test_values_out_of_bounds_are_refused(
    start: Callable[..., UUID], values: dict[str, Any]
) -> None:
    with pytest.raises(PrefectHTTPStatusError, match=r"409|422"):
        start(**values)


@pytest.fixture
def small(make_spec: MakeSpec, tmp_path: Path) -> dict[str, Any]:
    """Parameters of a sweep of two episodes."""
    one = {"traces": [make_spec().trace], "deploy": "web", "seeds": {"count": 1}}
    return {**one, "runs_dir": str(tmp_path)}


@pytest.mark.usefixtures("worker")
def test_a_worker_finishes_what_the_cron_schedule_asks_for(
    client: Any, small: dict[str, Any], eventually: Callable[..., Any], tmp_path: Path
) -> None:
    """The nightly sweep's own schedule, every twenty seconds and over one trace."""
    deployment = client.read_deployment_by_name("sweep/nightly")
    [nightly] = deployment.schedules
    where = f"/deployments/{deployment.id}/schedules/{nightly.id}"
    often = {"cron": "* * * * * */20", "timezone": "Europe/Berlin"}
    client.request("PATCH", where, json={"schedule": often, "parameters": small})
    try:
        [run, *_] = eventually(lambda: runs_of(client, deployment.id, *PLAYED))
    finally:
        client.request("PATCH", where, json={"active": False})
    assert run["state_type"] == "COMPLETED", run["state"]
    assert run["auto_scheduled"]
    assert run["name"] == "sweep of web by heuristic, random"
    assert run["state"]["message"].startswith("2 episodes of ")
    assert len(load_episodes(tmp_path / run["id"])) == 2


@pytest.mark.usefixtures("worker")
def test_of_two_runs_at_once_the_later_is_cancelled(
    client: Any, small: dict[str, Any], eventually: Callable[..., Any]
) -> None:
    deployment = client.read_deployment_by_name("sweep/nightly")
    # The worker takes both before their time comes: the first has the place until it has ended.
    soon = Scheduled(scheduled_time=datetime.now(UTC) + timedelta(seconds=8))
    both = [
        client.create_flow_run_from_deployment(deployment.id, parameters=small, state=soon).id
        for _ in range(2)
    ]

    def states() -> list[str]:
        return sorted(client.read_flow_run(one).state.type.value for one in both)

    eventually(lambda: set(states()) <= {*PLAYED, "CANCELLED"})
    assert states() == ["CANCELLED", "COMPLETED"]


@pytest.mark.usefixtures("deployed")
def test_the_server_tells_of_runs_that_go_wrong(
    start: Callable[..., UUID], client: Any, heard: "Queue[bytes]", webhook: str
) -> None:
    for _ in range(2):  # the second time changes nothing
        done = subprocess.run(
            [sys.executable, "deploy/alerts.py", webhook],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    made = client.request("POST", "/automations/filter", json={}).json()
    assert sorted(one["name"] for one in made) == sorted([*alerts.ALERTS, alerts.GONE])
    [gone] = [one for one in made if one["name"] == alerts.GONE]
    assert gone["trigger"]["within"] == 600
    assert gone["actions"][0] | {"state": "CRASHED"} == gone["actions"][0]
    run = start(trace="a<!here>.sktrace")
    client.set_flow_run_state(run, Failed(message='no "nodes" <@you>'), force=True)
    told = json.loads(heard.get(timeout=60))
    assert told["run"] == str(run)
    assert 'Failed: no "nodes" ((at)you)' in told["text"]
    assert told["url"].endswith(f"/runs/flow-run/{run}")
    late = start()
    client.set_flow_run_state(late, Scheduled(name="Late"), force=True)
    assert json.loads(heard.get(timeout=60))["run"] == str(late)
    assert heard.empty()
    client.set_flow_run_state(late, Cancelled(), force=True)


@pytest.mark.usefixtures("worker")
def test_a_worker_plays_an_episode_and_refuses_code(
    start: Callable[..., UUID],
    client: Any,
    eventually: Callable[..., Any],
    artifacts: Callable[[UUID], dict[str, str]],
    tmp_path: Path,
) -> None:
    good = start(steps={"cpu": "2"})
    bad = start(pre_start=[{"command": ["touch", str(tmp_path / "touched")]}])
    strange = start(trace="/etc/hostname")
    states = {}
    for run in (good, bad, strange):
        states[run] = eventually(lambda run=run: ended(client, run))
    assert states[good].is_completed(), states[good]
    assert "web is healthy, seen in step" in states[good].message
    summary = Run.open(tmp_path / "runs" / str(good)).read_summary()
    assert summary is not None
    assert summary["successes"] == 1
    assert artifacts(good).keys() == {"episode", "episode-steps"}

    assert states[bad].is_failed(), states[bad]
    assert "expected parameters that name no code" in states[bad].message
    assert ALLOW_CODE in states[bad].message
    assert not (tmp_path / "touched").exists()
    assert "expected a place in" in states[strange].message


@pytest.mark.usefixtures("worker")
def test_cancelling_cleans_up(
    start: Callable[..., UUID],
    client: Any,
    eventually: Callable[..., Any],
    tmp_path: Path,
) -> None:
    fifo = tmp_path / "reached"
    os.mkfifo(fifo)
    code = f"import signal; open({str(fifo)!r}, 'w').write('x'); signal.pause()"
    hook = {"command": [sys.executable, "-c", code], "timeout": 600}
    run = start({"env": {ALLOW_CODE: "1"}}, pre_start=[hook])
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    eventually(lambda: os.read(reader, 1) == b"x")  # in the middle of the first step
    os.close(reader)

    client.set_flow_run_state(run, Cancelling())
    state = eventually(lambda: ended(client, run))
    assert state.is_cancelled(), state

    def cleaned() -> bool:
        wanted = {"logs": {"flow_run_id": {"any_": [str(run)]}}}
        lines = client.request("POST", "/logs/filter", json=wanted).json()
        return any(f"cleaned up run {run} on the embedded" in line["message"] for line in lines)

    eventually(cleaned)
    assert Run.open(tmp_path / "runs" / str(run)).read_summary() is None  # it can be resumed


def runs_of(client: Any, deployment: UUID, *states: str) -> list[dict[str, Any]]:
    wanted: dict[str, Any] = {"deployments": {"id": {"any_": [str(deployment)]}}}
    if states:
        wanted["flow_runs"] = {"state": {"type": {"any_": states}}}
    found: list[dict[str, Any]] = client.request("POST", "/flow_runs/filter", json=wanted).json()
    return found


def ended(client: Any, run: UUID) -> Any:
    state = client.read_flow_run(run).state
    return state if state.is_final() else None
