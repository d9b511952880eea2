"""What the clusters on a Kubernetes API have in common: one run at a time has one."""

from collections.abc import Mapping

from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kube.lease import LEASE, Keeper, Lease

__all__ = ["ConnectedCluster"]


class ConnectedCluster:
    """A cluster with an API server.

    Args:
        context: the kubeconfig's context; None for the current one.
    """

    def __init__(self, context: str | None = None) -> None:
        self._context = context
        self._api: Api | None = None
        self._keepers: dict[str, Keeper] = {}

    @property
    def api(self) -> Api:
        """The API server; connected to when it is first needed."""
        if self._api is None:
            self._api = Api.from_kubeconfig(context=self._context)
        return self._api

    @property
    def lease(self) -> Lease:
        """The lease of the run that has the cluster."""
        return Lease(self.api, LEASE)

    def claim(self, run_id: str, progress: Mapping[str, str], deadline_s: float) -> None:
        """Get the cluster for a run, and keep it until `give_back`.

        Args:
            run_id: the run.
            progress: what to write of its work.
            deadline_s: seconds to wait at most while another run has it; says for whom.

        Raises:
            TransientError: another run still had it at the deadline.
            PermanentError: the namespace of the lease is missing.
        """
        self.lease.acquire(run_id, progress, deadline_s)
        self.keeper(run_id)

    def keeper(self, run_id: str) -> Keeper:
        """What renews a run's lease in this process, however long a policy or a hook takes."""
        keeper = self._keepers.get(run_id)
        if keeper is None or not keeper.lives:
            keeper = self._keepers[run_id] = Keeper(self.lease, run_id)
        return keeper

    def give_back(self, run_id: str) -> None:
        """Let others have the cluster; nothing if another run has it, or none."""
        if (keeper := self._keepers.pop(run_id, None)) is not None:
            keeper.end()
        self.lease.release(run_id)
