"""Run a control plane until interrupted, for trying things by hand.

python -m tests.cluster.serve --nodes 3x16cpu,32Gi
"""

import argparse
import contextlib
import signal
import sys

from sim_arena.clusters.kube.api import Api
from sim_arena.nodes import parse_nodes
from tests.cluster.harness import ControlPlane
from tests.cluster.nodes import add_nodes
from tests.cluster.simkube_build import find_simkube
from tests.cluster.simkube_host import SimKubeHost


def main(arguments: list[str] | None = None) -> int:
    """Start, print the kubeconfig's path, and wait for a signal."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.serve", description=__doc__)
    parser.add_argument("--nodes", help="nodes to add, as for sim-arena simulate")
    parser.add_argument("--plain", action="store_true", help="nodes without SimKube's taint")
    parser.add_argument("--simkube", action="store_true", help="run SimKube there too")
    chosen = parser.parse_args(arguments)
    signals = {signal.SIGINT, signal.SIGTERM}
    # Blocked before any thread or child exists, so that only sigwait sees them.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with ControlPlane() as plane, contextlib.ExitStack() as stack:
        if chosen.nodes:
            add_nodes(plane.api, parse_nodes(chosen.nodes), virtual=not chosen.plain)
        print(f"export KUBECONFIG={plane.kubeconfig}", flush=True)  # noqa: T201 - its output
        if chosen.simkube:
            api = Api.from_kubeconfig(plane.kubeconfig)
            host = stack.enter_context(SimKubeHost(plane, api, find_simkube()))
            told = f"# for the driver, which has no container here: --simkube port={host.port}"
            print(told, flush=True)  # noqa: T201 - its output
        signal.sigwait(signals)
    return 0


if __name__ == "__main__":
    sys.exit(main())
