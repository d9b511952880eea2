"""The sweep flow on Ray: `make test-ray`, which installs it first."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from flows.runners import runner_for
from flows.sweep import sweep
from sim_arena.errors import PermanentError
from sim_arena.sweeps import SweepSpec, create, go_on
from tests.rows import both_tables
from traces.generator import write_demo

pytestmark = pytest.mark.xdist_group("prefect")

PROCESSES = Path("/proc")


def test_who_has_no_ray_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prefect_ray.task_runners", None)
    with pytest.raises(PermanentError, match=r"pip install 'sim-arena\[ray\]'"):
        runner_for("ray", workers=None, address=None)


@pytest.mark.ray
@pytest.mark.skipif(find_spec("prefect_ray") is None, reason="needs Ray: make test-ray")
@pytest.mark.skipif(not PROCESSES.exists(), reason="finds Ray's workers in /proc")
@pytest.mark.filterwarnings("ignore")  # Ray's own, of which there are some
@pytest.mark.usefixtures("prefect_server")
def test_a_killed_ray_worker_changes_nothing(tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    write_demo(traces, seed=4, count=6)
    asked = SweepSpec(traces=str(traces), policies=("heuristic", "random"), seeds="0-4", chunk=4)
    here, plan = create(asked, tmp_path / "here", "same")
    go_on(here, plan)
    create(asked, tmp_path / "there", "same")
    begun = tmp_path / "there" / "same" / "episodes"
    ended = threading.Event()
    killed: list[int] = []

    def kill() -> None:
        while not ended.wait(0.005):
            playing = list(workers()) if begun.exists() and any(begun.iterdir()) else []
            if playing:
                os.kill(playing[0], signal.SIGKILL)
                killed.append(playing[0])
                return

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        sweep(resume="same", runner="ray", workers=2, runs_dir=str(tmp_path / "there"))
    finally:
        ended.set()
        killer.join()
    assert killed
    assert both_tables(tmp_path / "there" / "same") == both_tables(here)


def workers() -> Iterator[int]:
    """Yield the processes of this test's Ray that play a chunk just now."""
    for folder in PROCESSES.glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        pid = int(folder.name)
        if title.startswith(b"ray::play_chunk") and os.getpid() in ancestors(pid):
            yield pid


def ancestors(pid: int) -> Iterator[int]:
    """Yield a process's parent, its parent's, and so on."""
    while pid > 1:
        try:
            after_name = (PROCESSES / str(pid) / "stat").read_text().rpartition(")")[2]
        except OSError:
            return
        pid = int(after_name.split()[1])
        yield pid
