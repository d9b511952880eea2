"""Play traces on the real control plane and on the embedded cluster, and show where they differ.

    python -m tests.cluster.compare --nodes 3x16cpu,32Gi --at 5 --at 20 TRACE...

One control plane serves all traces. The embedded cluster runs once, with one seed: where the
real one is free to choose, a difference need not be a fault.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from sim_arena.clusters.kube.api import Json
from sim_arena.nodes import DEFAULT_NODES, Node, parse_nodes
from tests.cluster.harness import ControlPlane
from tests.cluster.replay import Options, Replay, snapshots, timeline
from traces import Trace, load_trace

ReplayMode = Literal["simkube", "plain"]
_FIELDS = ("ready", "pending", "total", "reasons")


def embedded_snapshots(
    trace: Trace, nodes: list[Node], moments: list[float], replay: ReplayMode, seed: int = 0
) -> Json:
    """What the embedded cluster shows at the moments, as `sim-arena simulate --json` prints it."""
    from sim_arena.engine import (  # noqa: PLC0415 - compiling takes a while
        Parameters,
        Simulation,
        compile_trace,
    )

    parameters = Parameters(replay=replay, duration=max(1, math.ceil(moments[-1])) + 1)
    simulation: Any = Simulation(compile_trace(trace, nodes, parameters), seed=seed)
    shown: list[Json] = []
    for moment in moments:
        simulation.advance(moment)
        found = [
            {name: getattr(status, name) for name in ("kind", "namespace", "name", *_FIELDS)}
            for status in simulation.status()
        ]
        shown.append({"t": moment, "workloads": found})
    return {"at": shown, "warnings": list(simulation.warnings)}


def differences(real: Json, embedded: Json) -> Iterator[str]:
    """One line for each count or reason that differs; a workload that is not shown counts 0."""
    for ours, theirs in zip(embedded["at"], real["at"], strict=True):
        engine = {_key(found): found for found in ours["workloads"]}
        for found in theirs["workloads"]:
            own = engine.get(_key(found), {})
            for field in _FIELDS:
                got = own.get(field, {} if field == "reasons" else 0)
                if got != found[field]:
                    where = f"t={theirs['t']:g} {_key(found)} {field}"
                    yield f"{where}: real {found[field]}, embedded {got}"
    if "error" in real:
        yield f"the real one stopped: {real['error']}"


def _key(found: Json) -> str:
    return f"{found['kind']} {found['namespace']}/{found['name']}"


def main(arguments: list[str] | None = None) -> int:
    """Compare; the exit status is 1 where something differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.compare", description=__doc__)
    parser.add_argument("traces", nargs="+", type=Path, metavar="TRACE")
    parser.add_argument("--nodes", default=DEFAULT_NODES, help="as for sim-arena simulate")
    parser.add_argument("--at", type=float, action="append", help="seconds after the first event")
    parser.add_argument("--replay", choices=("simkube", "plain"), default="simkube")
    chosen = parser.parse_args(arguments)
    nodes = parse_nodes(chosen.nodes)
    different = 0
    with ControlPlane() as plane:
        for number, path in enumerate(chosen.traces):
            trace = load_trace(path)
            options = Options(rewrite=chosen.replay == "simkube", prefix=f"virtual{number}")
            moments = sorted(chosen.at or {float(step.due) for step in timeline(trace, options)})
            with Replay(plane, trace, nodes, options) as replay:
                real = snapshots(replay, moments)
            embedded = embedded_snapshots(trace, nodes, moments, chosen.replay)
            lines = list(differences(real, embedded))
            different += bool(lines)
            print(f"{path}: {'differs' if lines else 'equal'} at {len(moments)} moments")  # noqa: T201
            for line in [*lines, *(f"warning: {text}" for text in embedded["warnings"])]:
                print(f"  {line}", flush=True)  # noqa: T201 - this command's output
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
