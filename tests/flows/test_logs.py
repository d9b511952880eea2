"""What a cluster logs is seen where somebody looks: in the run's log, and at the terminal."""

import logging

import pytest
from prefect import flow, task

from flows.cli import local
from tasks.logs import hand_on

pytestmark = pytest.mark.xdist_group("prefect")

LOG = logging.getLogger("sim_arena.clusters.kube.lease")


@pytest.mark.usefixtures("prefect_server")
def test_a_cluster_s_warning_is_in_the_log_of_the_task_that_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hand_on()
    hand_on()  # twice is not twice as much

    @task
    def waits() -> None:
        LOG.warning("waiting for %s, which has the cluster", "run other")

    @flow
    def waiting() -> None:
        waits()

    waiting()
    told = [one.name for one in caplog.records if one.getMessage().startswith("waiting for run")]
    assert sorted(told) == ["prefect.task_runs", LOG.name]


def test_without_prefect_s_log_it_is_told_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PREFECT_LOGGING_LEVEL", "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    logger = logging.getLogger("sim_arena.clusters")
    before, raises = list(logger.handlers), logging.raiseExceptions
    try:
        local.prepare(verbose=False)
        LOG.warning("waiting for %s, which has the cluster", "run other")
    finally:
        logger.handlers[:] = before
        logging.raiseExceptions = raises
    told = "sim-arena: warning: waiting for run other, which has the cluster\n"
    assert told in capsys.readouterr().err
