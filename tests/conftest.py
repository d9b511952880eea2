"""What tests of several folders need: a trace, a cluster that fails on demand, a Prefect server."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings

from sim_arena import clusters
from sim_arena.clusters import Check, Simulation
from sim_arena.observation import Observation
from sim_arena.spec import EpisodeSpec
from tests.objects import s3  # noqa: F401 # a fixture
from tests.oracle.counts import table
from traces import dumps, loads, save_trace

# What is tested is what comes out, not how fast: the machine may be busy. Everything else is as
# Hypothesis has it, which finds out by itself whether this is CI.
settings.register_profile(
    "busy", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")

START_UP = 180  # seconds; 10 on an idle machine


def deployment(name: str, namespace: str, cpu: str, replicas: int) -> dict[str, Any]:
    container = {"name": name, "image": "app", "resources": {"requests": {"cpu": cpu}}}
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


@pytest.fixture
def write_trace(tmp_path: Path) -> Callable[..., str]:
    """Writes a trace with one Deployment that asks for too much, and gives its path."""

    def write(cpu: str = "17", *, replicas: int = 3, name: str = "web", after: int = 5) -> str:
        path = tmp_path / f"{name}.sktrace"
        document: Any = {
            "version": 2,
            "config": {"trackedObjects": {"apps/v1.Deployment": {}}},
            "events": [
                {"ts": 1_000 + seconds, "applied_objs": [applied], "deleted_objs": []}
                for seconds, applied in (
                    (0, deployment("early", "shop", "100m", 1)),
                    (after, deployment(name, "shop", cpu, replicas)),
                )
            ],
            "index": {},
            "pod_lifecycles": {},
        }
        save_trace(loads(dumps(document)), path)
        return str(path)

    return write


@pytest.fixture
def make_spec(write_trace: Callable[..., str], tmp_path: Path) -> Callable[..., EpisodeSpec]:
    """Gives an episode on such a trace, recorded below the test's folder."""

    def make(**values: Any) -> EpisodeSpec:
        given = {"deploy": "web", "target": 3, "duration": 60, "runs_dir": str(tmp_path / "runs")}
        if "trace" not in values:
            given["trace"] = write_trace()
        return EpisodeSpec.model_validate(given | values)

    return make


class FakeCluster:
    """A cluster that answers from a script, and remembers what it was asked.

    Args:
        script: for each `observe`, what it gives or raises; the last again and again
    """

    def __init__(self) -> None:
        self.script: list[Observation | BaseException] = []
        self.calls: list[str] = []
        self.live: dict[str, Simulation] = {}

    def preflight(self, spec: EpisodeSpec) -> list[Check]:
        return [Check("fake", ok=True, found=spec.nodes)]

    def create(self, simulation: Simulation) -> None:
        self.calls.append("create")
        self.live[simulation["name"]] = simulation

    def wait(self, simulation: Simulation) -> list[str]:
        assert simulation["name"] in self.live
        self.calls.append("wait")
        return ["HorizontalPodAutoscaler"]

    def observe(self, simulation: Simulation) -> Observation:
        assert simulation["name"] in self.live
        self.calls.append("observe")
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def delete(self, simulation: Simulation) -> None:
        self.live.pop(simulation["name"], None)

    def clean_up(self, run_id: str) -> None:
        self.calls.append("clean_up")
        self.live = {name: one for name, one in self.live.items() if one["run_id"] != run_id}


@pytest.fixture
def fake_cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """The cluster named `fake`."""
    cluster = FakeCluster()
    monkeypatch.setitem(sys.modules, "fake_cluster", SimpleNamespace(CLUSTER=cluster))
    monkeypatch.setitem(clusters.REGISTRY, "fake", "fake_cluster")
    return cluster


@pytest.fixture(scope="session")
def stop() -> Callable[["subprocess.Popen[bytes]"], None]:
    """Ends a program that a test has started."""

    def end(process: "subprocess.Popen[bytes]") -> None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    return end


@pytest.fixture(scope="session")
def prefect_server(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    stop: Callable[["subprocess.Popen[bytes]"], None],
) -> Iterator[str]:
    """A Prefect server for all tests that ask for one; gives its API's address.

    It has a UI where the browser's tests are asked for.

    Mark their modules with `pytest.mark.xdist_group("prefect")`: then one worker has them all,
    and there is one server. Programs that a test starts find the server in the environment.
    """
    asked = request.config.option.markexpr
    shown = "browser" in asked and "not browser" not in asked
    from prefect.settings import (  # noqa: PLC0415 # takes a second, and few tests need it
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )

    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/api"
    settings = {
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
        "PREFECT_API_URL": address,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_SERVER_UI_ENABLED": str(shown).lower(),
        # A changed schedule is looked at every minute.
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings.items():
            environment.setenv(name, value)
        command = [sys.executable, "-m", "prefect", "server", "start"]
        log = home / "server.log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", str(port)],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until_healthy(server, address, log)
            changed = {
                PREFECT_API_URL: address,  # Prefect may have read its settings before
                PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,  # these cost a second a flow run
                PREFECT_LOGGING_TO_API_ENABLED: False,  # these wait for the server when it is gone
            }
            with temporary_settings(changed):
                yield address
        finally:
            stop(server)


def wait_until_healthy(server: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    until = monotonic() + START_UP
    while monotonic() < until:
        with suppress(httpx.TransportError):
            if httpx.get(f"{address}/health").is_success:
                return
        with suppress(subprocess.TimeoutExpired):
            server.wait(0.2)
            break
    pytest.fail(f"the Prefect server did not start:\n{log.read_text()[-2000:]}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the scheduler's vectors compared, where they ran."""
    told = [
        value
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "oracle"
    ]
    if told:
        terminalreporter.section("scheduler vectors")
        for line in table([json.loads(str(text)) for text in told]):
            terminalreporter.write_line(line)
