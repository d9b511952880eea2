"""What can be wrong with a trace, and the notice about one that was upgraded."""

from typing import Any

__all__ = ["QuantityError", "TraceError", "TraceNotice", "describe", "key_path", "shorten"]

_SHOWN = 60
_SHOWN_PATH = 200


class TraceError(ValueError):
    """A trace that cannot be read, written or edited.

    `str()` gives one line: the source if known, the place, and what is wrong.

    Args:
        problem: What was expected, what was found, and what to do.
        where: The place in the document, such as `events[3].applied_objs[0].spec.replicas`,
            or `byte 17` where the MessagePack itself is damaged.
        source: The file's name, or another name of what was read.
    """

    def __init__(self, problem: str, where: str = "", source: str = "") -> None:
        super().__init__(problem, where, source)
        self.problem = problem
        self.where = where
        self.source = source

    def __str__(self) -> str:
        parts = [part for part in (self.source, shorten(self.where), self.problem) if part]
        return ": ".join(" ".join(part.split()) for part in parts)

    def at(self, where: str = "", source: str = "") -> "TraceError":
        """Return the same error with its place, or its source, filled in or put in front."""
        joiner = "" if not where or not self.where or self.where.startswith("[") else "."
        return type(self)(self.problem, f"{where}{joiner}{self.where}", source or self.source)


class QuantityError(TraceError):
    """A text that is no Kubernetes quantity, or one that is out of range."""


class TraceNotice(UserWarning):
    """Something was changed while a trace was read: an old file was upgraded."""


def describe(value: Any) -> str:
    """Return a short text for what was found in the place of what was expected."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return f"a map of {len(value)}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes of binary data"
    text = repr(value) if isinstance(value, str | int | float) else f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def key_path(key: Any) -> str:
    """Return a map's key as a path shows it: plain names bare, others in brackets."""
    if isinstance(key, str) and key and all(c.isalnum() or c in "_-" for c in key):
        return key if len(key) <= _SHOWN else key[:_SHOWN] + "..."
    text = repr(list(key)) if isinstance(key, tuple) else describe(key)
    return f"[{text if len(text) <= _SHOWN_PATH else text[:_SHOWN_PATH] + '...'}]"


def shorten(path: str) -> str:
    """Return a path as a message shows it: the middle of a very long one is left out."""
    half = _SHOWN_PATH // 2
    return path if len(path) <= _SHOWN_PATH else f"{path[:half]}...{path[-half:]}"
