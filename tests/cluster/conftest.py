"""The control plane that all tests marked `cluster` share, one for a session."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from sim_arena.nodes import parse_nodes
from tests.cluster.build import MissingBinariesError, find_binaries
from tests.cluster.harness import ControlPlane
from tests.cluster.replay import Options, Replay
from traces import Trace

_FAILED = pytest.StashKey[bool]()
_NUMBERS = itertools.count()
_TOGETHER = {
    "simkube": {"simkube", "simkube_host"},
    "prefect": {"prefect_server", "worker"},
}
"""Groups of tests, by fixtures that they use or the cluster that they are about."""

StartReplay = Callable[..., AbstractContextManager[Replay]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together, when workers share the tests, what shares something slow to start."""
    for item in items:
        used = {*getattr(item, "fixturenames", ()), *_parameters(item)}
        for name, fixtures in _TOGETHER.items():
            if used & fixtures:
                item.add_marker(pytest.mark.xdist_group(name))
                break


def _parameters(item: pytest.Item) -> list[str]:
    call = getattr(item, "callspec", None)
    return [] if call is None else [one for one in call.params.values() if isinstance(one, str)]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember whether a test that used the control plane failed."""
    outcome: Any = yield
    if outcome.get_result().failed and item.get_closest_marker("cluster"):
        item.session.stash[_FAILED] = True


@pytest.fixture(scope="session")
def binaries(request: pytest.FixtureRequest) -> dict[str, Path]:
    """Without the binaries: a failure where the cluster's tests were asked for, else a skip."""
    try:
        return find_binaries()
    except MissingBinariesError as error:
        if "cluster" in request.config.option.markexpr:
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def control_plane(
    request: pytest.FixtureRequest,
    binaries: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ControlPlane]:
    plane = ControlPlane(tmp_path_factory.mktemp("control-plane"), binaries).start()
    yield plane
    failed = request.session.stash.get(_FAILED, False)
    plane.stop(keep_files=failed)
    if failed:
        reporter = request.config.pluginmanager.get_plugin("terminalreporter")
        assert reporter is not None
        reporter.write_line(f"\nthe control plane's logs are kept in {plane.folder}")


@pytest.fixture
def replay(control_plane: ControlPlane) -> StartReplay:
    """Start a replay in namespaces of its own: `with replay(trace, "3x16cpu,32Gi", ...) as r`."""

    def start(trace: Trace, nodes: str = "3x16cpu,32Gi", **options: Any) -> Replay:
        chosen = Options(prefix=f"virtual{next(_NUMBERS)}", **options)
        return Replay(control_plane, trace, parse_nodes(nodes), chosen)

    return start
