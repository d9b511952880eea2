"""The sweep flow on Dask, and with an object store."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.runners import own_dask, started
from flows.sweep import sweep
from results import Sweep
from results.store import place_in, read_bytes, read_document, write_document
from sim_arena.errors import PermanentError
from sim_arena.sweeps import SweepSpec, TooManyFailedError, create, go_on, opened, writing
from tests.flows.conftest import until
from tests.rows import both_tables
from traces.generator import write_demo

ROOT = Path(__file__).parents[2]
SLOWLY = """
import os
from pathlib import Path
from time import sleep

def policy(obs, deploy):
    if gate := os.environ.get("SLOWLY"):
        Path(gate, f"reached-{os.getpid()}").touch()
        while not Path(gate, "go").exists():
            sleep(0.01)
    return {"type": "noop", "deploy": deploy}
"""

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_server")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("traces")
    write_demo(out, seed=4, count=6)
    return str(out)


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for `slowly:policy`: it says there who waits, and goes on when there is a `go`.

    Only workers that are started with this fixture wait.
    """
    folder = tmp_path / "gate"
    folder.mkdir()
    (folder / "slowly.py").write_text(SLOWLY)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{ROOT}")
    return folder


@pytest.fixture
def slow_dask(gate: Path) -> Iterator[Any]:
    """Two workers on which `slowly:policy` waits at the gate."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLOWLY", str(gate))
        with cluster() as client:
            patch.undo()
            yield client


@contextmanager
def cluster() -> Iterator[Any]:
    from distributed import Client, LocalCluster  # noqa: PLC0415 # takes a second

    with LocalCluster(**own_dask(2)) as cluster, Client(cluster) as client:
        yield client


def test_a_cluster_of_ones_own_starts_beside_another() -> None:
    """By default each wants the same port for its scheduler's pages, and warns if it is taken."""
    alone: Any = {"workers": 1, "address": None}
    with started("dask", **alone) as (_, first), started("dask", **alone) as (_, second):
        assert (first, second) == (1, 1)


def test_a_killed_dask_worker_changes_nothing(
    slow_dask: Any, gate: Path, demo: str, tmp_path: Path
) -> None:
    policies = ("heuristic", "random", "slowly:policy")
    asked = SweepSpec(traces=demo, policies=policies, seeds="0-4", chunk=4)
    here, plan = create(asked, tmp_path / "here", "same")
    go_on(here, plan)
    there, _ = create(asked, tmp_path / "there", "same")
    killed: list[int] = []

    def kill() -> None:
        """Kill a worker in the middle of a chunk; then nobody waits any more."""
        (reached, *_) = until(lambda: list(gate.glob("reached-*")))
        killed.append(int(reached.name.removeprefix("reached-")))
        os.kill(killed[0], signal.SIGKILL)
        (gate / "go").touch()

    assert there.finished_chunks() == set()
    pids = slow_dask.run(os.getpid).values()
    killer = threading.Thread(target=kill)
    killer.start()
    address = slow_dask.scheduler.address
    sweep(resume="same", runner="dask", address=address, runs_dir=str(tmp_path / "there"))
    killer.join()
    assert killed[0] in pids
    assert killed[0] not in slow_dask.run(os.getpid).values()
    # Its chunk is there, so another worker has played it.
    assert both_tables(there) == both_tables(here)


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_worker_that_outlives_its_flow_writes_nothing_beside_a_resumed_one(  # noqa: PLR0917 # fixtures
    slow_dask: Any,
    gate: Path,
    demo: str,
    tmp_path: Path,
    kind: str,
    request: pytest.FixtureRequest,
    client: Any,
    eventually: Callable[..., Any],
) -> None:
    runs = request.getfixturevalue("s3") if kind == "s3" else str(tmp_path / "runs")
    name = f"outlived-{kind}"
    found, _ = create(SweepSpec(traces=demo, policies="slowly:policy", chunk=3), runs, name)
    words = ["--resume", name, "--runs-dir", runs, "--runner", "dask"]
    flow = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "flows.cli",
            "sweep",
            *words,
            "--address",
            slow_dask.scheduler.address,
        ],
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        eventually(lambda: len(list(gate.glob("reached-*"))) == 2)
    finally:
        os.killpg(flow.pid, signal.SIGKILL)
        flow.communicate()
    if kind == "s3":  # two minutes later
        [claim] = found.store.list("writers")
        old = read_document(found.store, claim)
        at = datetime.fromisoformat(old["at"]) - timedelta(seconds=121)
        write_document(found.store, claim, {**old, "at": at.isoformat()})
    assert sweep(resume=name, runs_dir=runs)["episodes"] == 6
    before = contents(found)
    (gate / "go").touch()

    def refused() -> bool:
        told = [run.state.message for run in client.read_task_runs(limit=200) if run.state]
        why = f"expected to be the writer of {found.store.url}"
        return sum(why in (message or "") for message in told) == 2

    eventually(refused)
    assert contents(found) == before


def contents(sweep: Sweep) -> dict[str, bytes]:
    return {name: read_bytes(sweep.store, name) for name in sweep.store.list()}


def test_what_is_under_way_ends_before_the_flow_does(
    slow_dask: Any, gate: Path, demo: str, tmp_path: Path
) -> None:
    policies = ("nobody", "slowly:policy")
    asked = SweepSpec(traces=demo, policies=policies, chunk=1, max_failed=0)
    found, plan = create(asked, tmp_path, "ends")
    assert [plan.episode(number).policy for number in (0, 1)] == ["nobody", "slowly:policy"]

    def let_go() -> None:
        until(lambda: list(gate.glob("reached-*")))
        timer.start()

    timer = threading.Timer(0.5, (gate / "go").touch)
    waiting = threading.Thread(target=let_go)
    waiting.start()
    address = slow_dask.scheduler.address
    with pytest.raises(TooManyFailedError):
        sweep(resume="ends", runs_dir=str(tmp_path), runner="dask", address=address)
    assert 1 in found.finished_chunks()
    assert not found.store.list("writers")
    waiting.join()
    timer.join()


def test_a_scheduler_that_does_not_answer_is_told() -> None:
    import dask  # noqa: PLC0415 # takes a second

    address = "tcp://127.0.0.1:1"
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "100ms"}),
        pytest.raises(PermanentError, match=f"expected a cluster of Dask at {address}, found"),
        started("dask", workers=None, address=address),
    ):
        pass


def test_results_in_an_object_store_are_the_same(s3: str, demo: str, tmp_path: Path) -> None:
    given: Any = {"traces": [demo], "policies": ["heuristic", "random"], "chunk": 3}
    sweep(**given, runs_dir=s3, run_id="same")
    sweep(**given, runs_dir=str(tmp_path), run_id="same")
    place = place_in(s3, "same")
    assert both_tables(place) == both_tables(tmp_path / "same")
    there = Sweep.open(place)
    assert there.read_summary() is not None
    assert len(there.parts("steps")) == 4


def test_a_sweep_in_an_object_store_goes_on_and_has_one_writer(s3: str, demo: str) -> None:
    found, plan = create(SweepSpec(traces=demo, chunk=2), s3, "half")
    found.store.delete("summary.json")
    from sim_arena.sweeps import play_chunk  # noqa: PLC0415 # next to its use

    with writing(found) as writer:
        play_chunk(found, plan, 1, writer)
    with writing(found), pytest.raises(PermanentError, match="is being written by process"):
        go_on(*opened(place_in(s3, "half")))
    assert sweep(resume="half", runs_dir=s3)["episodes"] == 6
    assert not found.store.list("writers")
