"""What SimKube is told beside the trace: the fields of its Simulation resource."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Lifecycle", "SimKubeHook", "SimKubeHooks", "SimKubeSettings"]

DEFAULT_PORT = 8888
"""The port on which sk-driver listens unless it is told otherwise."""

_PREFIX = r"^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$"


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Lifecycle(_Plain):
    """SimKube's lifecycle parameters, in milliseconds; None leaves them to SimKube."""

    image_pull_delay: int | None = Field(default=None, ge=0)
    image_pull_jitter: int | None = Field(default=None, ge=0)
    pod_startup_delay: int | None = Field(default=None, ge=0)
    pod_startup_jitter: int | None = Field(default=None, ge=0)


class SimKubeHook(_Plain):
    """A command that SimKube runs in its controller or driver."""

    cmd: str = Field(min_length=1)
    args: tuple[str, ...] = ()
    send_sim: bool | None = None
    ignore_failure: bool | None = None


class SimKubeHooks(_Plain):
    """SimKube's own hooks; those of the arena run on the arena's machine."""

    pre_start_hooks: tuple[SimKubeHook, ...] = ()
    pre_run_hooks: tuple[SimKubeHook, ...] = ()
    post_run_hooks: tuple[SimKubeHook, ...] = ()
    post_stop_hooks: tuple[SimKubeHook, ...] = ()


class SimKubeSettings(_Plain):
    """How SimKube is run.

    Args:
        driver_image: the driver's image
        driver_namespace: where the driver runs
        controller_namespace: where sk-ctrl runs and keeps its lease
        port: on which the driver's webhook listens
        driver_args: further arguments of the driver
        secrets: Secrets that become the driver's environment, such as an object store's keys
        cert_manager_issuer: cert-manager's ClusterIssuer of the webhook's certificate
        virtual_ns_prefix: goes before the names of the pods' namespaces, of which there must be
            none yet; None for one of the run's own
        reschedule_interrupted_bare_pods: whether SimKube makes bare pods anew that are deleted
        metrics: the Simulation's field `metrics`, as SimKube has it; None for none
        repetitions: how often the driver replays the trace
        lifecycle: delays of pods
        hooks: SimKube's own hooks
        trace_store: where traces for the driver are written: a folder, or the URL of an object
            store as for the sweeps' results; keys belong into the environment
        driver_store: the URL under which the driver finds that place; None for the same
        margin: real seconds that pods stay after the window, for the observation
    """

    driver_image: str = "quay.io/appliedcomputing/sk-driver:v2.7.0"
    driver_namespace: str = "simkube"
    controller_namespace: str = "simkube"
    port: int = Field(default=DEFAULT_PORT, ge=1, le=65535)
    driver_args: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    cert_manager_issuer: str = "selfsigned"
    virtual_ns_prefix: str | None = Field(default=None, pattern=_PREFIX)
    reschedule_interrupted_bare_pods: bool | None = None
    metrics: dict[str, Any] | None = None
    repetitions: int = Field(default=1, ge=1)
    lifecycle: Lifecycle = Lifecycle()
    hooks: SimKubeHooks = SimKubeHooks()
    trace_store: str = "/tmp/sim-arena-traces"  # noqa: S108 - a folder that nodes may mount too
    driver_store: str | None = None
    margin: int = Field(default=60, ge=1, le=3600)

    @property
    def metrics_namespace(self) -> str:
        """The namespace without which SimKube refuses to start a simulation."""
        return str((self.metrics or {}).get("namespace") or "monitoring")
