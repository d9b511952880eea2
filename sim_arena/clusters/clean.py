"""Removes what dead runs left on a cluster, by whichever way they replayed."""

from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.cleaning import leftovers, remove
from sim_arena.clusters.kube.lease import LEASE, LEASE_S, Lease
from sim_arena.clusters.kube.ownership import run_of
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.clusters.simkube.simulation import remove_simulations, simulations
from sim_arena.clusters.simkube.traces import STORE_KEY, withdraw_all

__all__ = ["clean", "living"]


def clean(
    api: Api,
    run_id: str | None = None,
    deadline_s: float = 120.0,
    trace_store: str | None = None,
) -> list[str]:
    """Remove what a run made, or what all runs made that do not live any more.

    Args:
        api: the cluster.
        run_id: the run, alive or not; None for all that were not heard of lately.
        deadline_s: seconds to wait for each run's things to go.
        trace_store: where the runs put traces for SimKube's driver; None for where a run's lease
            says, or else where they do if they are not told another place. A process that is
            killed just then leaves one of which no Simulation knows; it is found by its run's id.

    Returns:
        what was removed, by kind and name.

    Raises:
        TransientError: something did not go.
        PermanentError: the trace store cannot be read or changed.
    """
    lease = Lease(api, LEASE)
    usual = SimKubeSettings().trace_store
    removed = []
    for run in [run_id] if run_id is not None else _dead_runs(api, lease):
        holder = lease.holder()
        told = holder.progress.get(STORE_KEY) if holder and holder.run_id == run else None
        # First, so that a process that only slept takes nothing of what is left for its own.
        lease.release(run)
        removed += remove_simulations(api, run, deadline_s)
        removed += remove(api, run, deadline_s)
        removed += [f"trace {name}" for name in withdraw_all(run, trace_store or told or usual)]
    return removed


def living(api: Api) -> str | None:
    """Say which run may live, whose things are left alone; None if none does."""
    holder = Lease(api, LEASE).living()
    if holder is None:
        return None
    return (
        f"Run {holder.run_id} has the cluster and was heard of at {holder.renewed}: left alone. If "
        f"it is dead, try again when that is {LEASE_S} s ago, or name it with --run."
    )


def _dead_runs(api: Api, lease: Lease) -> list[str]:
    """The runs that have something there, and do not have the cluster any more."""
    holder = lease.holder()
    runs = set(leftovers(api)) | {run_of(one) for one in simulations(api)}
    if holder is not None:
        (runs.discard if holder.alive else runs.add)(holder.run_id)
    return sorted(runs)
