"""Sweeps: episodes a second with every step's row written, and what Prefect adds.

    python -m benchmarks.sweeps [EPISODES] [POLICY]     100,000 by `heuristic` if not given

Plays the demo traces, first without Prefect, then as the flow with a server of its own, each in a
process of its own. Prints wall and processor time (on a busy machine only the latter says
something), where it went, memory, size on disk, and what the server has to store and how fast it
answers then.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import httpx

from traces import load_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "traces" / "demo"


def main(words: list[str]) -> None:
    """Measure, and print."""
    if words and words[0] in {"plain", "flow"}:
        print(json.dumps(_measured(words[0], int(words[1]), words[2], words[3])))
        return
    episodes = int(words[0]) if words else 100_000
    policy = words[1] if len(words) > 1 else "heuristic"
    with tempfile.TemporaryDirectory() as folder:
        plain = _in_a_process("plain", episodes, policy, folder, {})
        _print("without Prefect", plain)
        with _server(folder) as (url, database):
            before = _size(database)
            flow = _in_a_process("flow", episodes, policy, folder, {"PREFECT_API_URL": url})
            _print("as a Prefect flow", flow)
            _print_prefect(plain, flow)
            answers = _answers(url)
            print(
                f"server's database: {before / 1e6:.1f} MB when new, "
                f"{_size(database) / 1e6:.1f} MB after; answers in {answers * 1000:.0f} ms"
            )


def _measured(how: str, episodes: int, policy: str, folder: str) -> dict[str, Any]:
    """Play a sweep in this process."""
    from sim_arena.sweeps import SweepSpec, create, go_on, play_chunk  # noqa: PLC0415 # the measured process alone

    seeds = -(-episodes // len(load_manifest(DEMO)))
    asked = SweepSpec(traces=str(DEMO), policies=policy, seeds={"count": seeds})
    warm, plan = create(asked, folder, f"warm-{how}")
    play_chunk(warm, plan, 0)  # loads the engine
    sweep, plan = create(asked, folder, how)
    memory: list[int] = []
    seconds: dict[str, float] = {}

    def look(progress: Any) -> None:
        memory.append(_peak())
        seconds.update(progress.seconds)

    begun, used = perf_counter(), process_time()
    if how == "plain":
        figures: Any = go_on(sweep, plan, on_chunk=look)
    else:
        os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
        from flows import sweep as flows_sweep  # noqa: PLC0415 # likewise

        played = flows_sweep.Progress.add

        def add(self: Any, report: Any) -> None:
            played(self, report)
            look(self)

        flows_sweep.Progress.add = add  # type: ignore[method-assign] # to look at the memory
        figures = flows_sweep.sweep(resume=how, runs_dir=folder)
    wall, cpu = perf_counter() - begun, process_time() - used
    size = sum(path.stat().st_size for path in Path(folder, how, "steps").rglob("*.parquet"))
    return {
        "episodes": figures["episodes"],
        "steps": figures["steps"],
        "successes": figures["successes"],
        "chunks": len(plan.chunks),
        "wall": wall,
        "cpu": cpu,
        "seconds": seconds,
        "memory": [memory[len(memory) // 10], memory[-1]],
        "bytes_a_step": size / figures["steps"],
    }


def _print(name: str, found: dict[str, Any]) -> None:
    episodes = found["episodes"]
    print(f"\n{name}: {episodes:,} episodes, {found['steps']:,} steps, {found['chunks']} chunks")
    print(
        f"  {episodes / found['wall']:,.0f} episodes a second ({found['wall']:.1f} s), "
        f"{episodes / found['cpu']:,.0f} a second of processor time ({found['cpu']:.1f} s)"
    )
    parts = {name: value for name, value in found["seconds"].items() if name != "whole"}
    print(
        "  seconds of the chunks, side by side: "
        + ", ".join(f"{name} {value:.1f}" for name, value in parts.items())
    )
    early, late = found["memory"]
    print(f"  memory: {early / 1e6:,.0f} MB after a tenth, {late / 1e6:,.0f} MB at the end")
    print(f"  {found['bytes_a_step']:.1f} bytes a step on disk", flush=True)


def _print_prefect(plain: dict[str, Any], flow: dict[str, Any]) -> None:
    cost = flow["cpu"] - plain["cpu"]
    print(
        f"\nPrefect: {cost / flow['chunks'] * 1000:.1f} ms of processor time a chunk, "
        f"{cost / flow['episodes'] * 1e6:.0f} us an episode, in the flow's process"
    )


def _in_a_process(
    how: str, episodes: int, policy: str, folder: str, environment: dict[str, str]
) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.sweeps", how, str(episodes), policy, folder]
    done = subprocess.run(  # noqa: S603 # this very module
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def _server(folder: str) -> Iterator[tuple[str, Path]]:
    """A Prefect server with a new database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = Path(folder, "prefect")
    environment = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    process = subprocess.Popen(  # noqa: S603 # no input of others
        [*command, "--port", str(port)],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/api"
    try:
        never = Event()
        while not _is_up(url):
            never.wait(0.5)
        yield url, home
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _answers(url: str) -> float:
    """Return the seconds that the server takes to list what the UI's first page shows."""
    asked = {"limit": 50, "sort": "EXPECTED_START_TIME_DESC"}
    begun = perf_counter()
    for what in ("flow_runs", "task_runs"):
        httpx.post(f"{url}/{what}/filter", json=asked, timeout=60).raise_for_status()
    return (perf_counter() - begun) / 2


def _size(home: Path) -> int:
    return sum(path.stat().st_size for path in home.glob("prefect.db*"))


def _peak() -> int:
    """Return the most memory that this process had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main(sys.argv[1:])
