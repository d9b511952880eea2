"""The real control plane on loopback: etcd, API server, controllers, scheduler and KWOK.

No container engine and no kubelet. Every port is chosen free, so several can run side by side.
"""

import json
import secrets
import shutil
import ssl
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from sim_arena.clusters.kube.api import Api
from sim_arena.clusters.kwok.preparing import STAGES
from tests.cluster.build import find_binaries
from tests.cluster.pki import Pki, make_pki
from tests.cluster.processes import Child, ChildProcesses, ProcessFailedError, free_ports

SIMKUBE = "simkube"
"""The field manager of SimKube's driver, as which the tests apply."""
_READY_S = 90.0
_ATTEMPTS = 3
_PROBE_S = 2.0
# Loopback servers must not be looked for behind a proxy that the environment names.
_NO_PROXY = urllib.request.ProxyHandler({})


class ControlPlane:
    """A running control plane; a context manager that stops it.

    Args:
        folder: where to make the folder of its files; None for the system's temporary one.
        binaries: paths of the programs by name; None to look for them.

    Attributes:
        folder: where its files and logs lie; removed at a stop that follows no failure.
        server: the API server's address.
        kubeconfig: a kubeconfig file of an administrator, with the authority's certificate.
        pki: certificates and keys, also for a webhook of a test's own.
        api: a client for the API server.
    """

    def __init__(self, folder: Path | None = None, binaries: dict[str, Path] | None = None) -> None:
        self.binaries = binaries or find_binaries()
        self._base = folder
        self._token = secrets.token_urlsafe()
        self.folder = Path()

    def start(self) -> Self:
        """Start everything and wait until all of it is ready.

        Raises:
            MissingBinariesError: The binaries have not been built.
            ProcessFailedError: A process ended or was not ready in time. Nothing is left running.
        """
        for attempt in range(_ATTEMPTS):
            try:
                self._start_once()
            except ProcessFailedError as error:
                self.processes.stop()
                # Somebody else took one of the ports between their choice and their use.
                if "address already in use" in str(error) and attempt + 1 < _ATTEMPTS:
                    continue
                raise ProcessFailedError(f"{error}\nlogs: {self.folder}") from error
            except BaseException:
                self.processes.stop()
                raise
            return self
        raise AssertionError("unreachable")

    def _start_once(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="control-plane-", dir=self._base))
        self.pki: Pki = make_pki(self.folder)
        self.processes = ChildProcesses(self.folder)
        self._etcd, etcd_peer, self._server, self._manager, self._scheduler, self._kwok = (
            f"127.0.0.1:{port}" for port in free_ports(6)
        )
        self.server = f"https://{self._server}"
        self._trust = ssl.create_default_context(cafile=str(self.pki.authority))
        self._write_files()
        etcd = self._start_etcd(etcd_peer)
        self._wait(etcd, f"http://{self._etcd}/health")
        self._server_child = self._start_server()
        self._wait(self._server_child, f"{self.server}/readyz")
        manager = self._start_manager()
        scheduler = self._start_scheduler()
        kwok = self._start_kwok()
        self._wait(manager, f"https://{self._manager}/healthz")
        self._wait(scheduler, f"https://{self._scheduler}/readyz")
        self._wait(kwok, f"http://{self._kwok}/healthz")
        self.api = Api.from_kubeconfig(self.kubeconfig, manager=SIMKUBE)

    def stop(self, *, keep_files: bool = False) -> None:
        """End all processes, and remove their files and logs unless they are to be kept."""
        if hasattr(self, "api"):
            self.api.close()
        self.processes.stop()
        if not keep_files:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        failed = isinstance(error, Exception)
        self.stop(keep_files=failed)
        if failed and error is not None:
            error.add_note(f"the control plane's logs are kept in {self.folder}")

    @contextmanager
    def server_away(self, seconds: float) -> Iterator[None]:
        """Kill the API server, run the block, and start it again that many seconds later."""
        restart = self.kill_server(seconds)
        try:
            yield
        finally:
            self.await_server(restart)

    def kill_server(self, seconds: float) -> threading.Timer:
        """Kill the API server; returns what starts it again that many seconds later."""
        self.processes.kill(self._server_child)
        restart = threading.Timer(seconds, self._restart_server)
        restart.start()
        return restart

    def await_server(self, restart: threading.Timer) -> None:
        """Wait until an API server that was killed is ready again."""
        restart.join()
        self._wait(self._server_child, f"{self.server}/readyz")

    def _restart_server(self) -> None:
        self._server_child = self._start_server()

    def scheduler_metrics(self) -> str:
        """The scheduler's metrics in Prometheus' text format."""
        return self._get(f"https://{self._scheduler}/metrics")

    def manager_metrics(self) -> str:
        """The controller manager's metrics in Prometheus' text format."""
        return self._get(f"https://{self._manager}/metrics")

    def _write_files(self) -> None:
        self.kubeconfig = self.folder / "kubeconfig"
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(_kubeconfig(self.server, self.pki.authority, self._token))
        tokens = self.folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f"{self._token},admin,admin,system:masters\n")
        (self.folder / "scheduler.yaml").write_text(_scheduler_configuration(self.kubeconfig))

    def _start_etcd(self, peer: str) -> Child:
        return self.processes.start(
            "etcd",
            [
                self.binaries["etcd"],
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls=http://{self._etcd}",
                f"--advertise-client-urls=http://{self._etcd}",
                f"--listen-peer-urls=http://{peer}",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
        )

    def _start_server(self) -> Child:
        key = self.pki.service_account_key
        return self.processes.start(
            "kube-apiserver",
            [
                self.binaries["kube-apiserver"],
                f"--etcd-servers=http://{self._etcd}",
                *self._serving(self._server),
                f"--cert-dir={self.folder / 'apiserver'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={key}",
                f"--service-account-signing-key-file={key}",
                "--authorization-mode=RBAC",
                f"--token-auth-file={self.folder / 'tokens.csv'}",
                "--service-cluster-ip-range=10.0.0.0/24",
            ],
        )

    def _start_manager(self) -> Child:
        return self.processes.start(
            "kube-controller-manager",
            [
                self.binaries["kube-controller-manager"],
                f"--kubeconfig={self.kubeconfig}",
                *self._serving(self._manager),
                "--authorization-always-allow-paths=/healthz,/metrics",
                "--leader-elect=false",
                f"--service-account-private-key-file={self.pki.service_account_key}",
                "--controllers=*,-nodeipam,-cloud-node-lifecycle",
                "--kube-api-qps=5000",
                "--kube-api-burst=5000",
                # A machine that stood still for a minute must not lose its nodes.
                "--node-monitor-grace-period=1h",
            ],
        )

    def _start_scheduler(self) -> Child:
        return self.processes.start(
            "kube-scheduler",
            [
                self.binaries["kube-scheduler"],
                f"--config={self.folder / 'scheduler.yaml'}",
                *self._serving(self._scheduler),
                "--authorization-always-allow-paths=/readyz,/metrics",
            ],
        )

    def _start_kwok(self) -> Child:
        return self.processes.start(
            "kwok",
            [
                self.binaries["kwok"],
                f"--kubeconfig={self.kubeconfig}",
                "--manage-all-nodes=false",
                "--manage-nodes-with-label-selector=type=virtual",
                f"--config={STAGES}",
                f"--server-address={self._kwok}",
                "--node-lease-duration-seconds=0",
            ],
        )

    def _serving(self, address: str) -> list[str]:
        host, port = address.split(":")
        return [
            f"--bind-address={host}",
            f"--secure-port={port}",
            f"--tls-cert-file={self.pki.certificate}",
            f"--tls-private-key-file={self.pki.key}",
        ]

    def _wait(self, child: Child, url: str) -> None:
        self.processes.wait_ready(child, self._answers(url), _READY_S)

    def _answers(self, url: str) -> Callable[[], bool]:
        def is_ready() -> bool:
            try:
                self._get(url)
            except (urllib.error.URLError, OSError):
                return False
            return True

        return is_ready

    def _get(self, url: str) -> str:
        opener = urllib.request.build_opener(
            _NO_PROXY, urllib.request.HTTPSHandler(context=self._trust)
        )
        request = urllib.request.Request(url)  # noqa: S310 - addresses of our own
        if url.startswith(self.server):
            request.add_header("Authorization", f"Bearer {self._token}")
        with opener.open(request, timeout=_PROBE_S) as response:
            body: bytes = response.read()
        return body.decode()


def _kubeconfig(server: str, authority: Path, token: str) -> str:
    """A kubeconfig as JSON, which is YAML too."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [
                {
                    "name": "test",
                    "cluster": {"server": server, "certificate-authority": str(authority)},
                }
            ],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        }
    )


def _scheduler_configuration(kubeconfig: Path) -> str:
    return json.dumps(
        {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection": {"kubeconfig": str(kubeconfig), "qps": 5000, "burst": 5000},
            "leaderElection": {"leaderElect": False},
        }
    )
