"""Removes what dead runs left on a cluster."""

from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.cleaning import leftovers, remove
from sim_arena.clusters.kube.lease import Lease
from sim_arena.clusters.kwok.preflight import LEASE
from sim_arena.clusters.simkube.simulation import remove_simulations

__all__ = ["clean"]


def clean(api: Api, run_id: str | None = None, deadline_s: float = 120.0) -> list[str]:
    """Remove what a run made, or what all runs made that do not live any more.

    Args:
        api: the cluster.
        run_id: the run, alive or not; None for all that have not the lease.
        deadline_s: seconds to wait for each run's things to go.

    Returns:
        what was removed, by kind and name.

    Raises:
        TransientError: something did not go.
    """
    lease = Lease(api, LEASE)
    holder = lease.holder()
    if run_id is not None:
        runs = [run_id]
    else:
        alive = {holder.run_id} if holder is not None and holder.alive else set()
        dead = {holder.run_id} if holder is not None and not holder.alive else set()
        runs = sorted((set(leftovers(api)) | dead) - alive)
    removed = []
    for run in runs:
        removed += remove(api, run, deadline_s)
        if run_id is not None:
            removed += remove_simulations(api, run, deadline_s)
        lease.release(run)
    return removed
