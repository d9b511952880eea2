"""The deployment of prefect.yaml, with a worker: what a person does in the UI."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Cancelling

from flows.parameters import ROOTS
from results import Run
from sim_arena.episode import EpisodeSpec
from sim_arena.hooks import ALLOW_CODE

pytestmark = pytest.mark.xdist_group("prefect")

ROOT = Path(__file__).parents[2]
NAME = "episode/embedded"
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
def test_what_prefect_yaml_says_is_what_was_deployed(client: Any) -> None:
    found = client.read_deployment_by_name(NAME)
    assert found.entrypoint == "flows.episode:episode"
    assert found.pull_steps == []
    assert found.work_pool_name == "local"
    assert found.job_variables == {"working_dir": str(ROOT)}
    assert sorted(found.tags) == ["embedded", "sim-arena"]
    assert found.description.startswith("Replay a trace")
    assert found.parameters["policy"] == "heuristic"
    assert found.parameters["runs_dir"] == "runs"
    form = found.parameter_openapi_schema["properties"]
    assert found.parameters.keys() <= form.keys()
    assert (form["target"]["minimum"], form["max_steps"]["maximum"]) == (1, 10_000)
    assert found.enforce_parameter_schema


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


@pytest.mark.usefixtures("deployed")
def test_a_schedule_creates_runs(client: Any, eventually: Callable[..., Any]) -> None:
    """With an sqlalchemy that Prefect cannot use everything works but the schedules."""
    deployment = client.read_deployment_by_name(NAME)
    hourly = IntervalSchedule(interval=timedelta(hours=1))
    parameters = {"trace": "t", "deploy": "web", "target": 1}
    body = DeploymentScheduleCreate(schedule=hourly, active=True, parameters=parameters)
    where = f"/deployments/{deployment.id}/schedules"
    [created] = client.request("POST", where, json=[body.model_dump(mode="json")]).json()

    def scheduled() -> Any:
        wanted = {"deployments": {"id": {"any_": [str(deployment.id)]}}}
        return client.request("POST", "/flow_runs/filter", json=wanted).json()

    runs = eventually(scheduled)
    assert runs[0]["state_type"] == "SCHEDULED"
    client.request("DELETE", f"{where}/{created['id']}")


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


def ended(client: Any, run: UUID) -> Any:
    state = client.read_flow_run(run).state
    return state if state.is_final() else None
