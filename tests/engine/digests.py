"""All of a run's state and what is seen of it, as plain values that can be compared."""

import hashlib
import pickle
import sys
from pathlib import Path
from typing import Any

from sim_arena.engine import Program, Simulation
from sim_arena.engine.observe import observe, status
from sim_arena.engine.state import State


def live(program: Program, state: State) -> dict[str, Any]:
    """What is in use of a run's arrays, whatever their size.

    Only `clock.status`, which says why the last call ended, `clock.program`, which says where the
    program stands in its batch, and scratch space are left out.
    """
    header = program.arrays.header[0]
    clock = state.clock[0]
    sets = state.sets.shape[0]
    ring = [
        int(state.dirty[(clock["dirty_first"] + i) % len(state.dirty)])
        for i in range(clock["dirty"])
    ]
    aside = {"status", "program", "dirty_first"}
    counters = [name for name in clock.dtype.names if name not in aside]
    return {
        "clock": [clock[name] for name in counters],
        "nodes": state.nodes[: header["nodes"]].tolist(),
        "extended": state.extended[: header["nodes"], : header["extended"]].tolist(),
        "sets": state.sets[: header["templates"] + header["jobs"]].tolist(),
        "workloads": state.workloads[: header["workloads"] + header["jobs"]].tolist(),
        "pods": state.pods[: clock["pods"]].tolist(),
        "containers": state.containers[: clock["pods"] * header["pod_containers"]].tolist(),
        "rejections": _rejections(program, state),
        **_admission(program, state),
        "active": state.active[: clock["active"]].tolist(),
        "backoff": state.backoff[: clock["backoff"]].tolist(),
        "timers": state.timers[: clock["timers"]].tolist(),
        "waiting": state.lists["waiting"][: clock["waiting"]].tolist(),
        "dirty": [("set", thing) if thing < sets else ("workload", thing - sets) for thing in ring],
    }


def _admission(program: Program, state: State) -> dict[str, Any]:
    header = program.arrays.header[0]
    if not header["admission"]:
        return {}
    return {
        "rules": state.rules[: header["rule_objects"]].tolist(),
        "admission": state.admission[: header["templates"]].tolist(),
        "filled": state.filled[: header["containers"]].tolist(),
    }


def _rejections(program: Program, state: State) -> Any:
    """Rows of pods that never failed are never written."""
    clock = state.clock[0]
    failed = state.pods["attempts"][: clock["pods"]] > 0
    half = state.rejections.shape[1] // 2
    columns = half - state.extended.shape[1] + len(program.extended)
    rows = state.rejections[: clock["pods"]][failed]
    return rows[:, :columns].tolist(), rows[:, half : half + columns].tolist()


def seen(program: Program, state: State) -> Any:
    """What a user sees of a run."""
    observations = [observe(program, state, ref) for ref in program.workloads]
    return observations, status(program, state)


def everything(program: Program, state: State) -> Any:
    return live(program, state), seen(program, state)


def digest(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


def run(cases: list[Any]) -> list[str]:
    """Play cases to their ends; give a digest of each."""
    digests = []
    for case in cases:
        program = case.program
        simulation = Simulation(program, case.seed)
        simulation.advance()
        digests.append(digest(everything(program, simulation.state)))
    return digests


if __name__ == "__main__":
    # The cases come from the test that started this, pickled, in the file that it names.
    found = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - see above
    sys.stdout.write("\n".join(run(found)))
