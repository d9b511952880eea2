"""Prefect on this machine: quiet, private, and patient with a slow start."""

import os

__all__ = ["prepare"]

_DEFAULTS = {
    # The answer and its progress are ours; --verbose shows Prefect's log as well.
    "PREFECT_LOGGING_LEVEL": "WARNING",
    # Without a server Prefect starts one for the run; it need not call home.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # A new database and a busy machine need more than the 20 s that it waits.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    # Who types a command may name code of their own; what the server's forms send may not.
    "SIM_ARENA_ALLOW_CODE": "1",
}


def prepare(*, verbose: bool) -> None:
    """Set what Prefect reads at its import. What the user has set stays.

    With PREFECT_API_URL set the run goes to that server, else to one that lives as long as the
    run.
    """
    defaults = _DEFAULTS | ({"PREFECT_LOGGING_LEVEL": "INFO"} if verbose else {})
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
