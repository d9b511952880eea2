"""Children end with their parent, whatever way it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.processes import ChildProcesses, ProcessFailedError, free_ports
from tests.cluster.waiting import wait_until

ROOT = Path(__file__).parents[2]
FOREVER = [sys.executable, "-c", "import signal; signal.pause()"]
PARENT = f"""
import signal, sys
from pathlib import Path
from tests.cluster.processes import ChildProcesses
children = ChildProcesses(Path(sys.argv[1]))
child = children.start("forever", {FOREVER!r})
print(child.process.pid, flush=True)
signal.pause()
"""


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_stop_ends_all_children_and_may_be_called_twice(tmp_path: Path) -> None:
    children = ChildProcesses(tmp_path)
    pids = [children.start(name, FOREVER).process.pid for name in ("a", "b")]
    children.stop()
    children.stop()
    assert not any(map(is_alive, pids))


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes in /proc")
def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        os.kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: "the child lives" if is_alive(pid) else None, 10)


def test_a_child_that_ends_early_is_reported_with_its_log(tmp_path: Path) -> None:
    children = ChildProcesses(tmp_path)
    try:
        child = children.start("broken", [sys.executable, "-c", "print('no such flag'); exit(3)"])
        with pytest.raises(ProcessFailedError, match=r"broken ended with 3:\nno such flag"):
            children.wait_ready(child, lambda: False, 30)
    finally:
        children.stop()


def test_a_child_that_is_never_ready_is_reported(tmp_path: Path) -> None:
    children = ChildProcesses(tmp_path)
    try:
        child = children.start("slow", FOREVER)
        with pytest.raises(ProcessFailedError, match="slow was not ready after 0 s"):
            children.wait_ready(child, lambda: False, 0)
    finally:
        children.stop()


def test_ports_are_distinct() -> None:
    assert len(set(free_ports(20))) == 20
