"""What is to be done after something, whether that went well or not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["afterwards"]


@contextmanager
def afterwards(action: Callable[[], object], on: type[BaseException]) -> Iterator[None]:
    """Do something after the block, also if it raised an `on`; that error stays the first."""
    try:
        yield
    except on as failure:
        try:
            action()
        except Exception as second:  # noqa: BLE001 # told with the error that came first
            failure.add_note(f"after this, {type(second).__name__}: {second}")
        raise
    action()
