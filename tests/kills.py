"""Killing a process at a chosen moment of its writing."""

import os
import signal
import sys
from collections.abc import Callable, Collection
from typing import Any

__all__ = ["killed"]


def killed(
    work: Callable[[], object],
    number: int,
    place: str,
    events: Collection[str],
    calls: Collection[str] = (),
) -> bool:
    """Do something in a process that is killed at one of its changes; say whether it was.

    Args:
        work: what it does
        number: of the change, from 1
        place: what a path has in it whose changes count
        events: the interpreter's audit events that are changes, which it is killed before
        calls: functions of `os` that are changes too, wherever, which it is killed after
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return True
        assert os.WEXITSTATUS(status) == 0
        return False
    code = 1
    try:
        _die_at(number, place, events, calls)
        work()
        code = 0
    finally:
        os._exit(code)


def _die_at(number: int, place: str, events: Collection[str], calls: Collection[str]) -> None:
    left = number

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(event: str, arguments: Any) -> None:
        if event in events and place in str(arguments[0]):
            count()

    def counted(call: Any) -> Any:
        def do(*given: Any, **named: Any) -> Any:
            done = call(*given, **named)
            count()
            return done

        return do

    sys.addaudithook(before)
    for name in calls:
        setattr(os, name, counted(getattr(os, name)))
