"""Removes what dead runs left on a cluster, by whichever way they replayed."""

from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.cleaning import leftovers, remove
from sim_arena.clusters.kube.lease import Lease
from sim_arena.clusters.kube.ownership import run_of
from sim_arena.clusters.kwok.preflight import LEASE
from sim_arena.clusters.simkube.simulation import is_alive, remove_simulations, simulations

__all__ = ["clean"]


def clean(api: Api, run_id: str | None = None, deadline_s: float = 120.0) -> list[str]:
    """Remove what a run made, or what all runs made that do not live any more.

    Args:
        api: the cluster.
        run_id: the run, alive or not; None for all that were not heard of lately.
        deadline_s: seconds to wait for each run's things to go.

    Returns:
        what was removed, by kind and name.

    Raises:
        TransientError: something did not go.
    """
    lease = Lease(api, LEASE)
    removed = []
    for run in [run_id] if run_id is not None else _dead_runs(api, lease):
        removed += remove_simulations(api, run, deadline_s)
        removed += remove(api, run, deadline_s)
        lease.release(run)
    return removed


def _dead_runs(api: Api, lease: Lease) -> list[str]:
    holder = lease.holder()
    alive: set[str] = set()
    dead = set(leftovers(api))
    if holder is not None:
        (alive if holder.alive else dead).add(holder.run_id)
    for simulation in simulations(api):
        (alive if is_alive(simulation) else dead).add(run_of(simulation))
    return sorted(dead - alive)
