"""What SimKube is told beside the trace: the fields of its Simulation resource."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Lifecycle", "SimKubeHook", "SimKubeHooks", "SimKubeSettings"]

DEFAULT_PORT = 8888
"""The port on which sk-driver listens unless it is told otherwise."""


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
        metrics_namespace: SimKube refuses to start a simulation without it
        port: on which the driver's webhook listens
        driver_args: further arguments of the driver
        secrets: Secrets that become the driver's environment, such as an object store's keys
        cert_manager_issuer: cert-manager's ClusterIssuer of the webhook's certificate
        repetitions: how often the driver replays the trace
        lifecycle: delays of pods
        hooks: SimKube's own hooks
        trace_store: where traces for the driver are written: a folder, or a URL that fsspec knows
        driver_store: the URL under which the driver finds that place; None for the same
        margin: real seconds that pods stay after the window, for the observation
    """

    driver_image: str = "quay.io/appliedcomputing/sk-driver:v2.7.0"
    driver_namespace: str = "simkube"
    controller_namespace: str = "simkube"
    metrics_namespace: str = "monitoring"
    port: int = Field(default=DEFAULT_PORT, ge=1, le=65535)
    driver_args: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    cert_manager_issuer: str = "selfsigned"
    repetitions: int = Field(default=1, ge=1)
    lifecycle: Lifecycle = Lifecycle()
    hooks: SimKubeHooks = SimKubeHooks()
    trace_store: str = "/tmp/sim-arena-traces"  # noqa: S108 - a folder that nodes may mount too
    driver_store: str | None = None
    margin: int = Field(default=60, ge=1, le=3600)
