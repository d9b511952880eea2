"""The flow `sweep`, against a Prefect server."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.sweep import sweep
from results import ResultsError, Sweep, load_episodes, load_steps, rows_of
from sim_arena.errors import PermanentError
from sim_arena.sweeps import SweepSpec, TooManyFailedError, create, go_on
from tests.flows.server import last_run
from traces.generator import write_demo

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_server")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("traces")
    write_demo(out, seed=4, count=4)
    return str(out)


def timeless(table: Any) -> list[dict[str, Any]]:
    clock = {"started_at", "wall_seconds"}
    return [{k: v for k, v in row.items() if k not in clock} for row in rows_of(table)]


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
        played = timeless(load(tmp_path / "a", form="arrow"))
        assert played == timeless(load(plain, form="arrow"))
    run = last_run(client)
    assert run.name == f"sweep of {Path(demo).stem} by heuristic, random"
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


def test_too_many_failures_fail_the_flow(
    demo: str, tmp_path: Path, client: Any, artifacts: Callable[..., dict[str, str]]
) -> None:
    with pytest.raises(TooManyFailedError):
        sweep(traces=[demo], nodes=["nowhere.yaml"], runs_dir=str(tmp_path), run_id="bad")
    run = last_run(client)
    assert run.state.is_failed()
    assert "max_failed" in run.state.message
    assert "failed&#58;" in artifacts(run.id)["sweep"]
    rows = rows_of(load_episodes(tmp_path / "bad", form="arrow"))
    assert all("nowhere" in row["error"] for row in rows)


def test_real_clusters_have_their_steps_in_the_ui(
    demo: str,
    tmp_path: Path,
    client: Any,
    monkeypatch: pytest.MonkeyPatch,
    eventually: Callable[..., Any],
) -> None:
    from sim_arena import clusters  # noqa: PLC0415 # patched here alone

    monkeypatch.setitem(clusters.REGISTRY, "kwok", "sim_arena.clusters.embedded")
    asked = SweepSpec(traces=demo, clusters=("kwok",), sample=2, max_steps=1, concurrency=2)
    create(asked, tmp_path, "real")
    figures = sweep(resume="real", runs_dir=str(tmp_path))
    assert figures["episodes"] == 2

    def simulated() -> bool:  # the server writes task runs down some time after they ended
        names = [one.name for one in client.read_task_runs(limit=200)]
        return sum(name.startswith("simulate ") and "step 1" in name for name in names) >= 2

    eventually(simulated)


def test_dask_without_an_address_belongs_to_dask(demo: str, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="--runner dask"):
        sweep(traces=[demo], address="tcp://127.0.0.1:1", runs_dir=str(tmp_path))
