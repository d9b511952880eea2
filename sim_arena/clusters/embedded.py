"""The embedded cluster: the arena's own engine, in this process and in virtual time."""

from collections.abc import Callable
from threading import Lock
from time import monotonic

from results.words import many
from sim_arena import engine
from sim_arena.clusters import feasibility
from sim_arena.clusters.base import Check, Simulation, observed
from sim_arena.errors import PermanentError, SimArenaError
from sim_arena.nodes import parse_nodes
from sim_arena.observation import Observation
from sim_arena.spec import EpisodeSpec
from traces import TraceError, load_trace

__all__ = ["CLUSTER", "EmbeddedCluster", "compiled"]

_EVENTS_AT_ONCE = 1_000_000  # about a second of work: how often the deadline is looked at


class EmbeddedCluster:
    """Simulations by name, as long as this process lives.

    A simulation that is not there, because another process created it, is computed again from
    its plain data: the same trace, nodes and seed give the same observation.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._simulations: dict[str, tuple[Simulation, engine.Simulation]] = {}
        self._lock = Lock()

    def preflight(self, spec: EpisodeSpec) -> list[Check]:
        """Check the nodes, whether the target could fit, and what would not be modelled."""
        try:
            nodes = parse_nodes(spec.nodes)
        except SimArenaError as error:
            return [Check("nodes", ok=False, found=str(error), remedy="mend the nodes")]
        checks = [Check("nodes", ok=True, found=f"{many(len(nodes), 'node')} ({spec.nodes})")]
        try:
            trace = load_trace(spec.trace)
            program = engine.compile_trace(
                trace, nodes, engine.Parameters(duration=spec.duration, replay=spec.replay)
            )
        except (TraceError, SimArenaError) as error:
            remedy = "mend the trace; `sim-arena trace validate` lists what is wrong"
            return [*checks, Check("compile", ok=False, found=str(error), remedy=remedy)]
        return [*checks, feasibility.check(trace, nodes, spec), _modelled(program.warnings)]

    def create(self, simulation: Simulation) -> None:
        """Compile the trace; the same simulation, if it is there, is left as it is."""
        self._get(simulation)

    def wait(self, simulation: Simulation) -> list[str]:
        """Run to the end of the window.

        Raises:
            PermanentError: that took longer than the simulation's timeout
        """
        running = self._get(simulation)
        deadline = self._clock() + simulation["timeout"]
        while not running.advance_some(running.program.duration_s, _EVENTS_AT_ONCE):
            if self._clock() > deadline:
                raise PermanentError(
                    f"expected the window of {running.program.duration_s} s to be simulated within "
                    f"{simulation['timeout']:g} s, found it unfinished: shorten the duration, or "
                    f"raise the timeout"
                )
        return list(running.warnings)

    def observe(self, simulation: Simulation) -> Observation:
        """Read the workload at the end of the window."""
        running = self._get(simulation)
        running.advance()
        return running.observe(observed(simulation))

    def delete(self, simulation: Simulation) -> None:
        """Forget a simulation."""
        with self._lock:
            self._simulations.pop(simulation["name"], None)

    def clean_up(self, run_id: str) -> None:
        """Forget a run's simulations. Those of another process went with it."""
        with self._lock:
            for name, (known, _) in list(self._simulations.items()):
                if known["run_id"] == run_id:
                    del self._simulations[name]

    def _get(self, simulation: Simulation) -> engine.Simulation:
        """Return the simulation, made anew if it is not there or another one has its name."""
        found = self._known(simulation)
        if found is not None:
            return found
        made = engine.Simulation(compiled(simulation), seed=simulation["seed"])
        with self._lock:
            found = self._known(simulation)  # another thread may have made it meanwhile
            if found is None:
                self._simulations[simulation["name"]] = (simulation, made)
        return found or made

    def _known(self, simulation: Simulation) -> engine.Simulation | None:
        known, running = self._simulations.get(simulation["name"], (None, None))
        return running if known == simulation else None


def compiled(simulation: Simulation) -> engine.Program:
    """Return the program of a simulation's trace on its nodes."""
    parameters = engine.Parameters(duration=simulation["duration"], replay=simulation["replay"])
    return engine.compile_trace(
        load_trace(simulation["trace"]), parse_nodes(simulation["nodes"]), parameters
    )


def _modelled(warnings: tuple[str, ...]) -> Check:
    if not warnings:
        return Check("model", ok=True, found="everything in the trace is modelled", required=False)
    return Check(
        "model",
        ok=False,
        found="not modelled: " + "; ".join(warnings),
        remedy="read the result with that in mind",
        required=False,
    )


CLUSTER = EmbeddedCluster()
"""This process's embedded cluster."""
