"""The sweep flow on Dask, and with an object store."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.sweep import sweep
from results import Sweep, load_episodes, load_steps, rows_of
from results.store import place_in
from sim_arena.errors import PermanentError
from sim_arena.sweeps import SweepSpec, create, go_on, opened, writing
from traces.generator import write_demo

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_server")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("traces")
    write_demo(out, seed=4, count=6)
    return str(out)


@pytest.fixture(scope="module")
def s3(
    tmp_path_factory: pytest.TempPathFactory, stop: Callable[["subprocess.Popen[bytes]"], None]
) -> Iterator[str]:
    """An S3-compatible server; the URL of a folder of runs in it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "log"
    command = [sys.executable, "-c", "from moto.server import main; main()"]
    with log.open("wb") as output, pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        server = subprocess.Popen(
            [*command, "-H", "127.0.0.1", "-p", str(port)], stdout=output, stderr=output
        )
        try:
            wait_for(port)
            from pyarrow.fs import S3FileSystem  # noqa: PLC0415 # with the keys

            place = f"127.0.0.1:{port}"
            S3FileSystem(
                region="us-east-1",
                scheme="http",
                endpoint_override=place,
                allow_bucket_creation=True,
            ).create_dir("arena")
            yield f"s3://arena/runs?region=us-east-1&scheme=http&endpoint_override={place}"
        finally:
            stop(server)


def wait_for(port: int) -> None:
    never = threading.Event()
    for _ in range(600):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            never.wait(0.1)
    pytest.fail("the S3 server does not answer")


@pytest.fixture
def dask() -> Iterator[Any]:
    """Two workers with one thread each."""
    from distributed import Client, LocalCluster  # noqa: PLC0415 # takes a second

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def timeless(sweep: Sweep | str | Path) -> list[list[dict[str, Any]]]:
    clock = {"started_at", "wall_seconds"}
    return [
        [
            {k: v for k, v in row.items() if k not in clock}
            for row in rows_of(load(sweep, form="arrow"))
        ]
        for load in (load_steps, load_episodes)
    ]


def test_a_killed_dask_worker_changes_nothing(dask: Any, demo: str, tmp_path: Path) -> None:
    asked = SweepSpec(traces=demo, policies=("heuristic", "random"), seeds="0-4", chunk=4)
    here, plan = create(asked, tmp_path / "here", "same")
    go_on(here, plan)
    create(asked, tmp_path / "there", "same")
    pids = list(dask.run(os.getpid).values())
    begun = tmp_path / "there" / "same" / "episodes"
    ended, killed = threading.Event(), threading.Event()

    def kill() -> None:
        while not ended.wait(0.02):
            if begun.exists() and any(begun.glob("*/*.parquet")):
                os.kill(pids[0], signal.SIGKILL)
                killed.set()
                return

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        address = dask.scheduler.address
        sweep(resume="same", runner="dask", address=address, runs_dir=str(tmp_path / "there"))
    finally:
        ended.set()
        killer.join()
    assert killed.is_set()
    assert pids[0] not in dask.run(os.getpid).values()
    assert timeless(tmp_path / "there" / "same") == timeless(here)


def test_results_in_an_object_store_are_the_same(s3: str, demo: str, tmp_path: Path) -> None:
    given: Any = {"traces": [demo], "policies": ["heuristic", "random"], "chunk": 3}
    sweep(**given, runs_dir=s3, run_id="same")
    sweep(**given, runs_dir=str(tmp_path), run_id="same")
    place = place_in(s3, "same")
    assert timeless(place) == timeless(tmp_path / "same")
    there = Sweep.open(place)
    assert there.read_summary() is not None
    assert len(there.parts("steps")) == 4


def test_a_sweep_in_an_object_store_goes_on_and_has_one_writer(s3: str, demo: str) -> None:
    found, plan = create(SweepSpec(traces=demo, chunk=2), s3, "half")
    found.store.delete("summary.json")
    from sim_arena.sweeps import play_chunk  # noqa: PLC0415 # next to its use

    play_chunk(found, plan, 1)
    with writing(found), pytest.raises(PermanentError, match="is being written by process"):
        go_on(*opened(place_in(s3, "half")))
    assert sweep(resume="half", runs_dir=s3)["episodes"] == 6
    assert not found.store.exists("writer.json")
