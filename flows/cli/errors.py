"""From an exception to one line and an exit code."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TextIO

import typer

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "TERMINATED",
    "USAGE",
    "TerminatedError",
    "fail_as",
    "guarded",
    "refuse",
]

FAILED = 1
USAGE = 2
INTERRUPTED = 130
TERMINATED = 143

_LONGEST = 20_000  # characters of a line


class TerminatedError(BaseException):
    """SIGTERM came.

    Args:
        alone: whether the Prefect server is gone already, as when a service manager ends them all
    """

    def __init__(self, *, alone: bool = False) -> None:
        super().__init__("SIGTERM")
        self.alone = alone


class _ExitError(Exception):
    """An error that has its exit code already."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def guarded(command: Callable[[], Any]) -> int:
    """Run a command; turn what users can cause into one line on stderr and an exit code.

    An exception that is none of ours is a fault in this program: it goes through, traceback
    and all.
    """
    with warnings.catch_warnings():
        _show_notices()
        try:
            result = command()
        except typer.TyperException as error:
            if "\n" in error.message:  # no command was given: the message is the help
                print(error.message, file=sys.stderr)
            else:
                _say("error", _usage(error))
            return int(error.exit_code)
        except _ExitError as error:
            _say("error", str(error))
            return error.code
        except (KeyboardInterrupt, typer.Abort):
            _say("stopped", "by Ctrl-C")
            return INTERRUPTED
        except TerminatedError as error:
            _say("stopped", "by SIGTERM")
            if error.alone:  # else Prefect tries for minutes to send it the last events
                sys.stdout.flush()
                os._exit(TERMINATED)
            return TERMINATED
        except Exception as error:
            if not isinstance(error, _known()):
                raise
            _say("error", str(error))
            return USAGE
    code = result if type(result) is int else 0
    if code == INTERRUPTED:
        _say("stopped", "by Ctrl-C")
    return code


def refuse(message: str, code: int = USAGE) -> NoReturn:
    """End the command with one line and an exit code."""
    raise _ExitError(message, code)


@contextmanager
def fail_as(code: int = FAILED) -> Iterator[None]:
    """Give our errors within the block an exit code: before it, a wrong input; in it, a failure."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, _known()):
            raise
        raise _ExitError(str(error), code) from error


def _known() -> tuple[type[Exception], ...]:
    from results import ResultsError
    from sim_arena.errors import SimArenaError
    from traces import TraceError

    return TraceError, SimArenaError, ResultsError


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    words = context.command_path if context is not None else "sim-arena"
    return f"{error.format_message().rstrip('.')}; see '{words} --help'"


def _show_notices() -> None:
    """Print our notices as one line each; what other packages warn of is not the user's."""

    def show(  # noqa: PLR0913, PLR0917 # the signature is that of warnings.showwarning
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        from results import ResultsNotice
        from traces import TraceNotice

        if issubclass(category, (TraceNotice, ResultsNotice)):
            _say("notice", str(message))
        else:
            text = warnings.formatwarning(message, category, filename, lineno, line)
            (file or sys.stderr).write(text)

    warnings.showwarning = show


def _say(kind: str, text: str) -> None:
    from flows.cli.output import printable

    line = printable(" ".join(text.split()))
    if len(line) > _LONGEST:  # it quotes what it was given, which may be a whole file
        line = f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"
    print(f"sim-arena: {kind}: {line}", file=sys.stderr, flush=True)
