"""Child processes that end with their parent, whatever way it ends."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# The warden reads process ids from its standard input. The pipe closes when the parent ends,
# killed or not; then it kills what is left. The parent kills it first when it has cleaned up.
_WARDEN = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
for number in [int(line) for line in sys.stdin]:
    try:
        os.killpg(number, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""

_POLL_S = 0.02
_STOP_S = 1.5


class ProcessFailedError(RuntimeError):
    """A child process ended, or was not ready in time; the message ends with its log."""


class Child:
    """One running child process and its log."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class ChildProcesses:
    """Starts children with logs in one folder, waits for them, and stops them all."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.children: list[Child] = []
        self._warden = subprocess.Popen(
            [sys.executable, "-c", _WARDEN],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def start(self, name: str, command: Sequence[str | Path]) -> Child:
        """Start a process in a session of its own; both its streams go to NAME.log."""
        log = self.logs / f"{name}.log"
        with log.open("ab") as stream:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(name, process, log)
        self.children.append(child)
        assert self._warden.stdin is not None
        self._warden.stdin.write(f"{process.pid}\n".encode())
        self._warden.stdin.flush()
        return child

    def wait_ready(self, child: Child, is_ready: Callable[[], bool], deadline_s: float) -> None:
        """Poll until the child says that it is ready.

        Raises:
            ProcessFailedError: It ended first, or the deadline passed.
        """
        deadline = time.monotonic() + deadline_s
        while not is_ready():
            if child.process.poll() is not None:
                status = child.process.returncode
                raise ProcessFailedError(f"{child.name} ended with {status}:\n{child.tail()}")
            if time.monotonic() > deadline:
                raise ProcessFailedError(
                    f"{child.name} was not ready after {deadline_s:g} s:\n{child.tail()}"
                )
            time.sleep(_POLL_S)

    def kill(self, child: Child) -> None:
        """End a child by force, and forget it."""
        _signal(child, signal.SIGKILL)
        child.process.wait()
        self.children.remove(child)

    def check(self) -> None:
        """Raise if a child has ended although nobody stopped it."""
        for child in self.children:
            if child.process.poll() is not None:
                raise ProcessFailedError(
                    f"{child.name} ended with {child.process.returncode}:\n{child.tail()}"
                )

    def stop(self) -> None:
        """End every child, newest first: politely, then by force. Safe to call twice."""
        for child in reversed(self.children):
            _signal(child, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_S
        for child in reversed(self.children):
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(child, signal.SIGKILL)
                child.process.wait()
        self.children.clear()
        self._warden.kill()
        self._warden.wait()
        if self._warden.stdin is not None:
            self._warden.stdin.close()


def _signal(child: Child, number: signal.Signals) -> None:
    if child.process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.process.pid, number)


def free_ports(count: int) -> list[int]:
    """Distinct free ports on loopback. Another process may take one before it is used."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for held in sockets:
            held.bind(("127.0.0.1", 0))
        return [int(held.getsockname()[1]) for held in sockets]
