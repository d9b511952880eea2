"""The command line, `sim-arena`.

Exit codes, the same for every command:

    0    done; an episode that was played to its end counts, healthy or not (`--json` says which)
    1    failed while it ran: the cluster, the policy's answer, a hook, a run's files, or a file
         that `trace validate` rejects
    2    not started: an option, a file or a name is wrong
    130  stopped with Ctrl-C
    143  stopped by SIGTERM

Every mistake gets one line on stderr that says what to do; stdout holds only the answer, with
`--json` as one JSON document. Commands import what they need when they run, so that `--help`
and shell completion answer at once.
"""

import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main", "run"]


def main() -> NoReturn:
    """Run the command that the process was started with, and exit."""
    sys.exit(run())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The words after `sim-arena`; those of the process if not given.

    Returns:
        The exit code.
    """
    from flows.cli.app import app
    from flows.cli.errors import guarded

    return guarded(lambda: app(arguments, prog_name="sim-arena", standalone_mode=False))
