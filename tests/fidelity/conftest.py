"""The real control plane, shared with the tests in tests/cluster."""

from tests.cluster.conftest import binaries, control_plane

__all__ = ["binaries", "control_plane"]
