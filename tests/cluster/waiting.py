"""Waiting for a condition, with a deadline and a reason."""

import time
from collections.abc import Callable

_POLL_S = 0.05


def wait_until(why_not: Callable[[], str | None], deadline_s: float) -> None:
    """Poll until `why_not` returns None.

    Args:
        why_not: says what is still missing, None when nothing is.
        deadline_s: how long to wait, in seconds.

    Raises:
        TimeoutError: The deadline passed; its message is the last reason.
    """
    deadline = time.monotonic() + deadline_s
    while (reason := why_not()) is not None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {deadline_s:g} s: {reason}")
        time.sleep(_POLL_S)
