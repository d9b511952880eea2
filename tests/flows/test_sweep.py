"""The flow `sweep`, against a Prefect server."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from httpx import ConnectError
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun

from flows.parameters import ROOTS
from flows.sweep import _reports, clean_up_sweep, sweep
from results import ResultsError, Sweep, load_episodes, load_steps, rows_of
from results.store import read_document, write_document
from sim_arena import clusters, rewards
from sim_arena.errors import PermanentError, TransientError
from sim_arena.hooks import ALLOW_CODE
from sim_arena.sweeps import (
    SweepSpec,
    TooManyFailedError,
    UnplayedError,
    create,
    go_on,
    play_chunk,
    playing,
    writing,
)
from tests.flows.server import last_run
from tests.rows import timeless
from traces.generator import write_demo

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_server")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("traces")
    write_demo(out, seed=4, count=4)
    return str(out)


def test_the_flow_gives_what_the_runner_without_prefect_gives(
    demo: str,
    tmp_path: Path,
    client: Any,
    artifacts: Callable[..., dict[str, str]],
    eventually: Callable[..., Any],
) -> None:
    figures = sweep(
        traces=[demo], policies=["heuristic", "random"], chunk=3, runs_dir=str(tmp_path), run_id="a"
    )
    asked = SweepSpec(traces=demo, policies=("heuristic", "random"), chunk=5)
    plain, plan = create(asked, tmp_path / "plain", "a")
    assert figures == go_on(plain, plan)
    for load in (load_steps, load_episodes):
        played = timeless(rows_of(load(tmp_path / "a", form="arrow")))
        assert played == timeless(rows_of(load(plain, form="arrow")))
    name = f"sweep of {Path(demo).stem} by heuristic, random"
    run = last_run(client, name)
    assert run.name == name
    assert run.state.is_completed()
    assert run.state.message.startswith("8 episodes of ")
    shown = artifacts(run.id)
    assert float(shown["sweep-progress"]) == 100.0
    assert "| heuristic | 4 | 100\\.0% |" in shown["sweep"]
    assert "![Success by policy](data:image/svg+xml;base64," in shown["sweep"]
    links = re.findall(r"\| \[(\d)\]\(http\S+/runs/task-run/(\S+)\) \|", shown["sweep"])
    assert {int(episode) for episode, _ in links} == set(range(8))
    assert len({run for _, run in links}) == 3
    chunks = {"episodes 0 to 2", "episodes 3 to 5", "episodes 6 to 7"}
    eventually(lambda: chunks <= {one.name for one in client.read_task_runs(limit=200)})
    assert (tmp_path / "latest").resolve() == tmp_path / "a"


def test_a_sweep_is_resumed(demo: str, tmp_path: Path) -> None:
    asked = SweepSpec(traces=demo, policies="noop", chunk=1, max_steps=2)
    found, _ = create(asked, tmp_path, "half")
    figures = sweep(resume="half", runs_dir=str(tmp_path))
    assert figures["episodes"] == 4
    assert Sweep.open(found.store.url).read_summary() is not None
    with pytest.raises(ResultsError, match="no run"):
        sweep(resume="nothing", runs_dir=str(tmp_path))


def test_a_plan_from_elsewhere_names_no_code(
    demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody types the id of a sweep into a form whose plan they have written themselves."""
    create(SweepSpec(traces=demo, policies="os:system"), tmp_path, "theirs")
    monkeypatch.setattr("flows.parameters.is_started_here", lambda: False)
    monkeypatch.setenv(ROOTS, str(tmp_path))
    monkeypatch.delenv(ALLOW_CODE, raising=False)
    with pytest.raises(PermanentError, match="name no code"):
        sweep(resume="theirs", runs_dir=str(tmp_path))
    elsewhere = SweepSpec(traces=demo, simkube={"trace_store": "/etc"})
    create(elsewhere, tmp_path, "stored")
    with pytest.raises(PermanentError, match="expected a place in"):
        sweep(resume="stored", runs_dir=str(tmp_path))
    with pytest.raises(PermanentError, match="cannot be a run's id"):
        sweep(resume=str(tmp_path / "theirs"), runs_dir=str(tmp_path))


def test_workers_get_a_place_that_does_not_depend_on_their_folder(
    demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found, _ = create(SweepSpec(traces=demo), "runs", "here")
    given: list[str] = []

    def submit(_task: Any, parameters: dict[str, Any]) -> Any:
        given.append(parameters["url"])
        return SimpleNamespace(result=lambda: None, task_run_id="t")

    with writing(found) as writer:
        list(_reports(SimpleNamespace(submit=submit), writer, iter([0]), 1))
    assert given == [str(tmp_path / "runs" / "here")]


def test_too_many_failures_fail_the_flow(
    demo: str, tmp_path: Path, client: Any, artifacts: Callable[..., dict[str, str]]
) -> None:
    asked = SweepSpec(traces=demo, policies="nobody")
    create(asked, tmp_path, "bad")
    with pytest.raises(TooManyFailedError):
        sweep(resume="bad", runs_dir=str(tmp_path))
    run = last_run(client, "sweep bad, resumed")
    assert run.state.is_failed()
    assert "max_failed" in run.state.message
    assert "failed&#58;" in artifacts(run.id)["sweep"]
    rows = rows_of(load_episodes(tmp_path / "bad", form="arrow"))
    assert all("nobody" in row["error"] for row in rows)


def test_a_chunk_that_cannot_be_played_ends_no_other(
    demo: str, tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = playing.tables

    def sometimes(found: Any, plan: Any, asked: Any, played: Any) -> Any:
        if asked[0].episode == 2:
            raise MemoryError("expected 8 GiB")
        return made(found, plan, asked, played)

    monkeypatch.setattr(playing, "tables", sometimes)
    given = {"traces": [demo], "policies": ["noop"], "chunk": 1, "runs_dir": str(tmp_path)}
    with pytest.raises(UnplayedError, match="1 of 4 episodes could not be played: MemoryError"):
        sweep(**given, run_id="lost", max_failed=0.25)
    assert last_run(client, "sweep of").state.is_failed()
    found = Sweep.open(tmp_path / "lost")
    assert found.read_summary() is None
    assert found.finished_chunks() == {0, 1, 3}
    with pytest.raises(TooManyFailedError, match="could not be played: MemoryError"):
        sweep(**given, run_id="strict", max_failed=0)
    monkeypatch.undo()
    assert sweep(resume="lost", runs_dir=str(tmp_path))["episodes"] == 4


def test_a_server_that_shows_nothing_ends_no_sweep(
    demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise ConnectError("refused")

    monkeypatch.setattr("flows.sweep.create_progress_artifact", away)
    figures = sweep(traces=[demo], policies=["noop"], max_steps=1, runs_dir=str(tmp_path))
    assert figures["episodes"] == 4
    assert "the progress could not be shown: refused" in caplog.text


def test_a_transient_error_is_tried_again(
    demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [TransientError("the API server is away")]

    def reward(obs: Any, target: int, duration: float) -> float:
        if failures:
            raise failures.pop()
        return rewards.binary(obs, target, duration)

    monkeypatch.setitem(rewards.REGISTRY, "away", reward)
    monkeypatch.setitem(clusters.REGISTRY, "kwok", "sim_arena.clusters.embedded")
    asked = SweepSpec(traces=demo, clusters=("kwok",), rewards="away", sample=1, max_steps=1)
    create(asked, tmp_path, "away")
    figures = sweep(resume="away", runs_dir=str(tmp_path))
    assert (figures["episodes"], figures["errors"], failures) == (1, 0, [])


def test_real_clusters_have_their_steps_in_the_ui(
    demo: str,
    tmp_path: Path,
    client: Any,
    monkeypatch: pytest.MonkeyPatch,
    eventually: Callable[..., Any],
) -> None:
    monkeypatch.setitem(clusters.REGISTRY, "kwok", "sim_arena.clusters.embedded")
    asked = SweepSpec(traces=demo, clusters=("kwok",), sample=2, max_steps=1, concurrency=2)
    create(asked, tmp_path, "real")
    figures = sweep(resume="real", runs_dir=str(tmp_path))
    assert figures["episodes"] == 2
    own = FlowRunFilter(id=FlowRunFilterId(any_=[last_run(client, "sweep real").id]))

    def simulated() -> bool:  # the server writes task runs down some time after they ended
        names = [one.name for one in client.read_task_runs(flow_run_filter=own, limit=200)]
        return sum(name.startswith("simulate ") and "step 1" in name for name in names) == 2

    eventually(simulated)


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_the_hook_cleans_up_what_a_sweep_may_have_begun(
    demo: str, tmp_path: Path, fake_cluster: Any, kind: str, request: pytest.FixtureRequest
) -> None:
    runs = request.getfixturevalue("s3") if kind == "s3" else str(tmp_path)
    asked = SweepSpec(traces=demo, clusters=("embedded", "fake"), seeds="0-1", concurrency=2)
    found, plan = create(asked, runs, f"gone-{kind}")
    with writing(found) as writer:
        play_chunk(found, plan, 0, writer)
    begun = {f"gone-{kind}-{number}" for number in (8, 9)}
    other = f"other-{kind}-8"
    fake_cluster.live = {run: {"name": run, "run_id": run} for run in {*begun, other}}
    given = {"resume": f"gone-{kind}", "runs_dir": runs}
    flow_run = FlowRun(flow_id=uuid4(), parameters=given)
    state: Any = SimpleNamespace(name="Crashed")
    with writing(found):  # somebody else plays it by now
        clean_up_sweep(flow=sweep, flow_run=flow_run, state=state)
    assert begun < set(fake_cluster.live)
    with writing(found, str(flow_run.id)) as writer:
        claim = read_document(found.store, writer.name)
    if kind == "s3":  # the process is gone, its claim is not
        write_document(found.store, writer.name, claim)
    clean_up_sweep(flow=sweep, flow_run=flow_run, state=state)
    assert set(fake_cluster.live) == {other}


def test_the_hook_tells_what_it_could_not_clean_up_and_goes_on(
    demo: str, tmp_path: Path, fake_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = SweepSpec(traces=demo, clusters="fake", concurrency=2)
    found, _ = create(asked, tmp_path, "stuck")
    fake_cluster.live = {f"stuck-{number}": {"run_id": f"stuck-{number}"} for number in (0, 1)}
    clean_up = fake_cluster.clean_up

    def stuck(run_id: str) -> None:
        if run_id == "stuck-0":
            raise TransientError("no answer")
        clean_up(run_id)

    monkeypatch.setattr(fake_cluster, "clean_up", stuck)
    given = {"resume": "stuck", "runs_dir": str(tmp_path)}
    hook: Any = {
        "flow": sweep,
        "flow_run": FlowRun(flow_id=uuid4(), parameters=given),
        "state": SimpleNamespace(name="Crashed"),
    }
    with pytest.raises(PermanentError, match="found episodes 0 left"):
        clean_up_sweep(**hook)
    assert set(fake_cluster.live) == {"stuck-0"}
    found.store.write("run.json", lambda file: (file.write(b"{"), None)[1])
    with pytest.raises(ResultsError, match="damaged"):
        clean_up_sweep(**hook)


def test_dask_without_an_address_belongs_to_dask(demo: str, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="--runner dask"):
        sweep(traces=[demo], address="tcp://127.0.0.1:1", runs_dir=str(tmp_path))
