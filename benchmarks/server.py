"""A Prefect server of its own for a benchmark: its size, its work, and how fast it answers.

    python -m benchmarks.server [EPISODES] [FLOW RUNS]     10,000 of each if not given

What the server has to keep of so many episodes in a sweep whose every episode is a task (as those
of a real cluster are), and of so many episodes that are flow runs of their own; and how long the
calls take that the UI's pages make then. Of the flow runs twenty are played, and their rows in
the database are copied with new ids until there are enough, since playing all takes hours.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Server", "served", "told"]

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "traces" / "demo"
_PLAYED = 20  # flow runs
_ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")


@dataclass
class Server:
    """A server that is running, or has been.

    Args:
        url: of its API
        home: the folder with its database
        seconds: of processor time that it took, once it has ended
    """

    url: str
    home: Path
    seconds: float | None = None

    @property
    def size(self) -> int:
        """Bytes of its database."""
        return sum(path.stat().st_size for path in self.home.glob("prefect.db*"))


@contextmanager
def served(home: Path) -> Iterator[Server]:
    """Run a server on the database in a folder, a new one if there is none."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    environment["DO_NOT_TRACK"] = "1"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    process = subprocess.Popen(  # noqa: S603 # no input of others
        [*command, "--port", str(port)],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    found = Server(f"http://127.0.0.1:{port}/api", home)
    try:
        never = Event()
        while not _is_up(found.url):
            if process.poll() is not None:
                raise RuntimeError(f"the Prefect server ended with {process.returncode}")
            never.wait(0.5)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        before = _children()
        process.wait(120)
        found.seconds = _children() - before


def told(server: Server) -> str:
    """Return how long the calls of the UI's pages take, a page a line, the run of most tasks."""
    lines = []
    for page, calls in _pages(server).items():
        took = []
        for method, path, body in calls:
            begun = perf_counter()
            answer = httpx.request(method, f"{server.url}{path}", json=body, timeout=300)
            answer.raise_for_status()
            took.append((perf_counter() - begun, path))
        slowest, path = max(took)
        whole = sum(seconds for seconds, _ in took)
        lines.append(
            f"  {page:20} {1000 * whole:6.0f} ms in {len(took)} calls, the slowest "
            f"{1000 * slowest:.0f} ms ({_ID.sub('ID', path)})"
        )
    return "\n".join(lines)


def _pages(server: Server) -> dict[str, list[tuple[str, str, Any]]]:
    """Return the calls of the UI's pages, as a browser was seen to make them (Prefect 3.8.8)."""
    latest = {"limit": 1, "sort": "START_TIME_DESC"}
    latest |= {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    [run] = httpx.post(f"{server.url}/flow_runs/filter", json=latest, timeout=300).json()
    of_run = {"flow_run_id": {"any_": [run["id"]]}}
    in_run = {"flow_runs": {"id": {"any_": [run["id"]]}}}
    newest = {"sort": "EXPECTED_START_TIME_DESC"}
    return {
        "all runs": [
            ("POST", "/flow_runs/count", {}),
            ("POST", "/task_runs/count", {}),
            ("POST", "/flow_runs/paginate", {"page": 1, "limit": 100, "sort": "START_TIME_DESC"}),
            ("POST", "/task_runs/paginate", {"page": 1, "limit": 100, **newest}),
            ("POST", "/ui/flow_runs/history", {"limit": 1000, **newest}),
        ],
        "a run": [
            ("GET", f"/flow_runs/{run['id']}", None),
            ("POST", "/logs/filter", {"limit": 50, "sort": "TIMESTAMP_ASC", "logs": of_run}),
            ("POST", "/artifacts/filter", {"artifacts": of_run, "sort": "ID_DESC"}),
            ("POST", "/task_runs/paginate", {"page": 1, **newest, **in_run}),
        ],
        "its graph": [("GET", f"/flow_runs/{run['id']}/graph-v2", None)],
        "flows": [("POST", "/flows/paginate", {"page": 1, "limit": 10})],
        "artifacts": [("POST", "/artifacts/latest/filter", {"limit": 50, "sort": "CREATED_DESC"})],
    }


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


# ---- ten thousand episodes ---------------------------------------------------------------------


def main(words: list[str]) -> None:
    """Measure, and print."""
    if words and words[0] == "tasks":
        _play_tasks(int(words[1]), words[2])
        return
    if words and words[0] == "flows":
        _play_flows(int(words[1]), words[2])
        return
    episodes = int(words[0]) if words else 10_000
    runs = int(words[1]) if len(words) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        if episodes:
            _tasks(episodes, Path(folder))
        if runs:
            _flows(runs, Path(folder))


def _tasks(episodes: int, folder: Path) -> None:
    with served(folder / "tasks") as server:
        new = server.size
        seconds = _in_a_process("tasks", episodes, folder, server)
        _settled(server, "task_runs", episodes)
        print(f"{episodes:,} episodes, each a task of one sweep: {seconds}")
        print(f"the database: {new / 1e6:.1f} MB when new, {server.size / 1e6:.1f} MB after")
        print(told(server))
    print(
        f"the server took {server.seconds:.0f} s of processor time, its start included\n",
        flush=True,
    )


def _flows(runs: int, folder: Path) -> None:
    home, played = folder / "flows", min(runs, _PLAYED)
    with served(home) as server:
        new = server.size
        seconds = _in_a_process("flows", played, folder, server)
        _settled(server, "flow_runs", played)
        print(f"{played:,} episodes, each a flow run of its own: {seconds}")
    grown = server.size - new  # the log of what is to be written is gone once it has ended
    print(f"the database: {new / 1e6:.1f} MB when new, {grown / played / 1e3:.0f} kB an episode")
    print(
        f"the server took {server.seconds:.0f} s of processor time, its start included", flush=True
    )
    _copy(home / "prefect.db", runs // played - 1)
    with served(home) as server:
        print(f"the same copied to {runs:,}: {server.size / 1e6:,.0f} MB")
        print(told(server), flush=True)


def _in_a_process(what: str, count: int, folder: Path, server: Server) -> str:
    command = [sys.executable, "-m", "benchmarks.server", what, str(count), str(folder)]
    environment = {"PREFECT_API_URL": server.url, "PREFECT_LOGGING_LEVEL": "ERROR"}
    done = subprocess.run(  # noqa: S603 # this very module
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, check=True
    )
    return done.stdout.decode().splitlines()[-1]


def _play_tasks(episodes: int, folder: str) -> None:
    from flows.sweep import sweep  # noqa: PLC0415 # the measured process alone

    begun, used = perf_counter(), process_time()
    sweep(traces=[str(DEMO)], seeds={"count": -(-episodes // 100)}, chunk=1, runs_dir=folder)
    print(_each(episodes, begun, used))


def _play_flows(episodes: int, folder: str) -> None:
    from flows.episode import episode  # noqa: PLC0415 # the measured process alone
    from sim_arena.episode import EpisodeSpec, play  # noqa: PLC0415 # likewise
    from traces import load_manifest  # noqa: PLC0415 # likewise

    entries = load_manifest(DEMO)
    asked = [
        {
            "trace": str(DEMO / entry.file),
            "namespace": entry.namespace,
            "deploy": entry.name,
            "target": entry.target,
            "duration": entry.duration,
            "nodes": entry.nodes,
            "max_steps": entry.max_steps,
            "runs_dir": folder,
        }
        for entry in (entries * -(-episodes // len(entries)))[:episodes]
    ]
    play(EpisodeSpec.model_validate(asked[0]))  # loads the engine
    begun, used = perf_counter(), process_time()
    for one in asked:
        play(EpisodeSpec.model_validate(one))
    plain = _each(episodes, begun, used)
    begun, used = perf_counter(), process_time()
    for one in asked:
        episode(**one)
    print(f"{_each(episodes, begun, used)}; without Prefect {plain}")


def _each(count: int, begun: float, used: float) -> str:
    wall, cpu = perf_counter() - begun, process_time() - used
    return f"{1000 * wall / count:.1f} ms, {1000 * cpu / count:.1f} ms of processor time each"


def _settled(server: Server, what: str, least: int) -> None:
    """Wait until the server has written down what it was told: it does so some time after."""
    never = Event()
    for _ in range(600):
        answer = httpx.post(f"{server.url}/{what}/count", json={}, timeout=300)
        if answer.raise_for_status().json() >= least:
            never.wait(10)  # events come last
            return
        never.wait(1)
    raise RuntimeError(f"expected {least} {what} on the server, found {answer.text}")


_TABLES = (
    "flow_run",
    "flow_run_state",
    "task_run",
    "task_run_state",
    "artifact",
    "log",
    "events",
    "event_resources",
)


def _copy(database: Path, times: int) -> None:
    """Copy the rows of all runs, each time with new ids."""
    with closing(sqlite3.connect(database)) as connection:
        for setting in ("foreign_keys=off", "journal_mode=off", "synchronous=off"):
            connection.execute(f"pragma {setting}")
        rows, statements, own = {}, {}, set()
        for table in _TABLES:
            found = connection.execute(f"select * from {table}")  # noqa: S608 # names of ours
            names = [column[0] for column in found.description]
            rows[table] = found.fetchall()
            marks = ", ".join("?" * len(names))
            columns = ", ".join(names)
            statements[table] = f"insert into {table} ({columns}) values ({marks})"  # noqa: S608 # likewise
            own |= {_plain(row[names.index("id")]) for row in rows[table]}
        for _ in range(times):
            new = {one: uuid.uuid4() for one in own}
            for table in _TABLES:
                copies = ([_renamed(value, new) for value in row] for row in rows[table])
                connection.executemany(statements[table], copies)
        connection.commit()


def _plain(text: str) -> str:
    return str(text).replace("-", "")


def _renamed(value: Any, new: dict[str, uuid.UUID]) -> Any:
    if not isinstance(value, str):
        return value

    def other(match: re.Match[str]) -> str:
        found = new.get(_plain(match[0]))
        return match[0] if found is None else str(found) if "-" in match[0] else found.hex

    return _ID.sub(other, value)


if __name__ == "__main__":
    main(sys.argv[1:])
