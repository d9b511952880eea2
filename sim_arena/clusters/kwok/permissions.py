"""What the kwok cluster needs to be permitted; `deploy/` grants just this, and a test compares."""

from sim_arena.clusters.kube.ownership import HOME
from sim_arena.clusters.kube.permissions import Need

__all__ = ["RUNNING"]

_WHOLE = ("create", "delete", "deletecollection", "get", "list", "patch", "watch")

RUNNING = (
    Need("", "namespaces", ("create", "delete", "get", "list", "patch")),
    Need("", "nodes", ("list",)),
    Need("", "pods", _WHOLE),
    Need("", "events", ("list",)),
    Need("", "serviceaccounts", ("get",)),
    Need("apps", "deployments", _WHOLE),
    Need("apps", "replicasets", _WHOLE),
    Need("apps", "statefulsets", _WHOLE),
    Need("apps", "daemonsets", _WHOLE),
    Need("batch", "jobs", _WHOLE),
    Need("batch", "cronjobs", _WHOLE),
    Need("scheduling.k8s.io", "priorityclasses", ("create", "delete", "get", "list", "patch")),
    Need("storage.k8s.io", "storageclasses", ("create", "delete", "get", "list", "patch")),
    Need("", "persistentvolumes", ("create", "delete", "get", "list", "patch")),
    Need("metrics.k8s.io", "pods", ("list",)),
    Need("simkube.io", "simulations", ("list",)),
    Need("coordination.k8s.io", "leases", ("create", "delete", "get", "update"), HOME),
)
"""To replay traces of workloads; the preflight asks for other kinds that a trace applies too."""
