"""Sweeps: episodes a second with every step's row written, and what Prefect adds.

    python -m benchmarks.sweeps [EPISODES] [POLICY]     100,000 by `heuristic` if not given

Plays the demo traces, first without Prefect, then as the flow with a server of its own, each in a
process of its own; then a fiftieth of them in chunks of ten, which shows what Prefect costs. Prints
wall and processor time (on a busy machine only the latter says something), where it went, memory,
size on disk, and what the server has to store and how fast it answers then. The clock runs from the
call to the figures; what is imported and loaded before is not in it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from benchmarks.server import served, told
from traces import load_manifest

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "traces" / "demo"


def main(words: list[str]) -> None:
    """Measure, and print."""
    if words and words[0] in {"plain", "flow"}:
        print(json.dumps(_measured(words[0], int(words[1]), words[2], int(words[3]), words[4])))
        return
    episodes = int(words[0]) if words else 100_000
    policy = words[1] if len(words) > 1 else "heuristic"
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    with tempfile.TemporaryDirectory() as folder:
        _print("without Prefect", _in_a_process("plain", episodes, policy, 1000, folder, {}))
        with served(Path(folder, "prefect")) as server:
            new = server.size
            there = {"PREFECT_API_URL": server.url}
            _print(
                "as a Prefect flow", _in_a_process("flow", episodes, policy, 1000, folder, there)
            )
            sizes = f"{new / 1e6:.1f} MB when new, {server.size / 1e6:.1f} MB after"
            print(f"\nthe server's database: {sizes}")
            print(told(server), flush=True)
            few = max(1, episodes // 50)
            plain = _in_a_process("plain", few, policy, 10, folder, {})
            flow = _in_a_process("flow", few, policy, 10, folder, there)
            _print_prefect(plain, flow)
        print(f"the server took {server.seconds:.1f} s of processor time, its start included")


def _measured(how: str, episodes: int, policy: str, chunk: int, folder: str) -> dict[str, Any]:
    """Play a sweep in this process."""
    from sim_arena.sweeps import SweepSpec, create, go_on, play_chunk, writing  # noqa: PLC0415 # the measured process alone

    seeds = -(-episodes // len(load_manifest(DEMO)))
    asked = SweepSpec(traces=str(DEMO), policies=policy, seeds={"count": seeds}, chunk=chunk)
    name = f"{how}-{chunk}"
    warm, plan = create(asked, folder, f"warm-{name}")
    with writing(warm) as writer:
        play_chunk(warm, plan, 0, writer)  # loads the engine
    sweep, plan = create(asked, folder, name)
    memory: list[int] = []
    seconds: dict[str, float] = {}
    if how == "flow":
        os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
        from flows import sweep as flows_sweep  # noqa: PLC0415 # takes a second

    def look(progress: Any) -> None:
        memory.append(_peak())
        seconds.update(progress.seconds)

    begun, used = perf_counter(), process_time()
    if how == "plain":
        figures: Any = go_on(sweep, plan, on_chunk=look)
    else:
        played = flows_sweep.Progress.add

        def add(self: Any, report: Any) -> None:
            played(self, report)
            look(self)

        flows_sweep.Progress.add = add  # type: ignore[method-assign] # to look at the memory
        figures = flows_sweep.sweep(resume=name, runs_dir=folder)
    wall, cpu = perf_counter() - begun, process_time() - used
    size = sum(path.stat().st_size for path in Path(folder, name, "steps").rglob("*.parquet"))
    return {
        "episodes": figures["episodes"],
        "steps": figures["steps"],
        "successes": figures["successes"],
        "chunks": len(plan.chunks),
        "wall": wall,
        "cpu": cpu,
        "seconds": seconds,
        "memory": [memory[len(memory) // 10 - 1], memory[len(memory) // 2 - 1], memory[-1]],
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
    early, half, late = (f"{size / 1e6:,.0f} MB" for size in found["memory"])
    print(f"  most memory: {early} after a tenth, {half} after a half, {late} at the end")
    print(f"  {found['bytes_a_step']:.1f} bytes a step on disk", flush=True)


def _print_prefect(plain: dict[str, Any], flow: dict[str, Any]) -> None:
    chunks, size = flow["chunks"], flow["episodes"] // flow["chunks"]
    print(f"\n{flow['episodes']:,} episodes in {chunks} chunks of {size}:")
    for name, found in (("without Prefect", plain), ("as a Prefect flow", flow)):
        each = f"{1000 * found['wall'] / chunks:.1f} ms, {1000 * found['cpu'] / chunks:.1f} ms"
        print(f"  {name}: {each} of processor time a chunk")
    cost = (flow["cpu"] - plain["cpu"]) / chunks
    print(
        f"  Prefect: {1000 * cost:.1f} ms of processor time a chunk in the flow's process, so "
        f"{1e6 * cost / 1000:.0f} us an episode in chunks of 1,000"
    )


def _in_a_process(  # noqa: PLR0913, PLR0917 # what a process is told
    how: str, episodes: int, policy: str, chunk: int, folder: str, environment: dict[str, str]
) -> dict[str, Any]:
    words = [how, str(episodes), policy, str(chunk), folder]
    command = [sys.executable, "-m", "benchmarks.sweeps", *words]
    done = subprocess.run(  # noqa: S603 # this very module
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _peak() -> int:
    """Return the most memory that this process had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main(sys.argv[1:])
