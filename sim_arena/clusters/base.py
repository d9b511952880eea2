"""What a cluster is to the arena: the protocol, and what goes in and comes out."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired, Protocol, TypedDict

from sim_arena.observation import Observation
from traces import WorkloadRef

if TYPE_CHECKING:
    from sim_arena.spec import EpisodeSpec, Replay

__all__ = ["Check", "Cluster", "Simulation", "observed"]


class Simulation(TypedDict):
    """One simulation of one trace, as plain data: whoever has it can find or make it again.

    Args:
        name: unique; made of the run's id, the episode and the step
        step: number of the step in its episode, from 0
        cluster: the cluster's name
        run_id: the owner, under whose id everything is labelled and cleaned up
        trace: path of the trace file
        nodes: the nodes' short form or path
        replay: `simkube` or `plain`
        kind, namespace, deploy: the observed workload
        duration: the simulated window in seconds
        seed: of the simulation's free choices
        timeout: seconds of real time that `wait` may take
        speed: on a real cluster, divides the pauses and the pods' running times
        simkube: the settings of SimKube that are not the default
    """

    name: str
    step: int
    cluster: str
    run_id: str
    trace: str
    nodes: str
    replay: "Replay"
    kind: str
    namespace: str
    deploy: str
    duration: int
    seed: int
    timeout: float
    speed: NotRequired[float]
    simkube: NotRequired[dict[str, Any]]


def observed(simulation: Simulation) -> WorkloadRef:
    """Return the workload that a simulation is about."""
    return WorkloadRef(simulation["kind"], simulation["namespace"], simulation["deploy"])


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the preflight looked at.

    Args:
        name: what was checked
        ok: whether it is as expected
        found: what was found
        remedy: what to do if it is not ok
        required: without it the episode cannot be played; else it is a warning
    """

    name: str
    ok: bool
    found: str
    remedy: str = ""
    required: bool = True


class Cluster(Protocol):
    """Where traces are replayed.

    A cluster that cannot be read raises; it never answers with zeros. Everything that it
    creates carries its run's id, and nothing without that label is changed or deleted.

    Every method raises `TransientError` for what may pass, `PermanentError` for what will not.
    """

    def preflight(self, spec: "EpisodeSpec") -> list[Check]:
        """Check what can be known before the first simulation; changes nothing."""
        ...

    def create(self, simulation: Simulation) -> None:
        """Start a simulation. One of that name that is there already is left as it is."""
        ...

    def wait(self, simulation: Simulation) -> list[str]:
        """Return once the window is over, with what the cluster did not model, by name."""
        ...

    def observe(self, simulation: Simulation) -> Observation:
        """Return the state of the workload at the end of the window."""
        ...

    def delete(self, simulation: Simulation) -> None:
        """Remove a simulation; it is no error if there is none."""
        ...

    def clean_up(self, run_id: str) -> None:
        """Remove whatever carries a run's id, whichever process made it."""
        ...
