"""What SimKube's objects are called on a cluster, and whether somebody else's simulation is there.

Source: SimKube 2.7, `sk-core/src/constants.rs` and `sk-api/src/v1/simulations.rs`.
"""

from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.ownership import RUN_LABEL

__all__ = [
    "ORIGINAL_NAMESPACE",
    "SIMKUBE_LABEL",
    "SIMULATION",
    "VIRTUAL_LABEL",
    "foreign_simulation",
    "state_of",
]

SIMULATION: Json = {"apiVersion": "simkube.io/v1", "kind": "Simulation"}
SIMKUBE_LABEL = "simkube.io/simulation"
"""Names the simulation that an object is of, or its driver."""
VIRTUAL_LABEL = "simkube.io/virtual"
ORIGINAL_NAMESPACE = "static.simkube.io/original-namespace"

_OVER = frozenset({"Finished", "Failed"})


def state_of(simulation: Json) -> str | None:
    """Blocked, Initializing, Running, Paused, Retrying, Finished or Failed; None before any."""
    state: str | None = (simulation.get("status") or {}).get("state")
    return state


def foreign_simulation(api: Api) -> str | None:
    """A simulation that none of our runs made and that has pods, or will have; None if none.

    What is there of it depends on its state: a Simulation that begins has no namespace yet, and
    namespaces may outlive theirs.
    """
    if api.knows(SIMULATION["apiVersion"], SIMULATION["kind"]):
        for one in api.list(api.path(SIMULATION, None)):
            if RUN_LABEL not in _labels(one) and state_of(one) not in _OVER:
                return f"SimKube's {one['metadata']['name']}"
    for one in api.list("/api/v1/namespaces", f"{VIRTUAL_LABEL}=true"):
        if RUN_LABEL not in _labels(one):
            return f"SimKube's {_labels(one).get(SIMKUBE_LABEL, 'simulation')}"
    return None


def _labels(obj: Json) -> Json:
    return obj["metadata"].get("labels") or {}
