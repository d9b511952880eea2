"""Run a control plane until interrupted, for trying things by hand.

python -m tests.cluster.serve --nodes 3x16cpu,32Gi
"""

import argparse
import signal
import sys

from sim_arena.nodes import parse_nodes
from tests.cluster.harness import ControlPlane
from tests.cluster.nodes import add_nodes


def main(arguments: list[str] | None = None) -> int:
    """Start, print the kubeconfig's path, and wait for a signal."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.serve", description=__doc__)
    parser.add_argument("--nodes", help="nodes to add, as for sim-arena simulate")
    parser.add_argument("--plain", action="store_true", help="nodes without SimKube's taint")
    chosen = parser.parse_args(arguments)
    signals = {signal.SIGINT, signal.SIGTERM}
    # Blocked before any thread or child exists, so that only sigwait sees them.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with ControlPlane() as plane:
        if chosen.nodes:
            add_nodes(plane.api, parse_nodes(chosen.nodes), virtual=not chosen.plain)
        print(f"export KUBECONFIG={plane.kubeconfig}", flush=True)  # noqa: T201 - its output
        signal.sigwait(signals)
    return 0


if __name__ == "__main__":
    sys.exit(main())
