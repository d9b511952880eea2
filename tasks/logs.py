"""What a cluster logs, such as whom it waits for, belongs to the log of the task that waits."""

import logging
from contextlib import suppress

from prefect import get_run_logger
from prefect.exceptions import MissingContextError

__all__ = ["hand_on"]

_SOURCE = "sim_arena.clusters"


class _ToTheRun(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        with suppress(MissingContextError):  # nobody plays: a command cleans up, say
            get_run_logger().log(record.levelno, record.getMessage())


def hand_on() -> None:
    """Hand on what clusters log in a run to Prefect, which shows it there; once is enough."""
    logger = logging.getLogger(_SOURCE)
    if not any(isinstance(one, _ToTheRun) for one in logger.handlers):
        logger.addHandler(_ToTheRun())
