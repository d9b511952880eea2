"""Figures as people read them."""

from results.intervals import Estimate

__all__ = ["UNKNOWN", "cores", "count", "gib", "interval", "number", "percent", "signed", "span"]

UNKNOWN = "-"


def count(value: int | None) -> str:
    """Return a count, with commas between the thousands."""
    return UNKNOWN if value is None else f"{value:,}"


def number(value: float | None, digits: int = 2) -> str:
    """Return a number."""
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def signed(value: float | None, digits: int = 2) -> str:
    """Return a difference, with its sign."""
    if value is None:
        return UNKNOWN
    return f"{value:+,.{digits}f}" if round(value, digits) else f"{0:.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share as a percentage; one that is not quite 0 or 100 does not look like it."""
    if value is None:
        return UNKNOWN
    least = 10.0**-digits
    shown = round(100 * value, digits)
    if shown <= 0 < value:
        return f"<{least:g} %"
    if shown >= 100 > 100 * value:
        return f">{100 - least:g} %"
    return f"{shown:.{digits}f} %"


def cores(milli: float | None) -> str:
    """Return CPU, given in mCPU, as cores."""
    return UNKNOWN if milli is None else f"{milli / 1000:,.2f}"


def gib(size: float | None) -> str:
    """Return memory, given in bytes, as GiB."""
    return UNKNOWN if size is None else f"{size / 2**30:,.2f}"


def interval(estimate: Estimate, digits: int = 2, scale: float = 1.0) -> str:
    """Return the interval of an estimate as two numbers; nothing if there is none."""
    if estimate.low is None or estimate.high is None:
        return UNKNOWN
    return f"{scale * estimate.low:,.{digits}f} to {scale * estimate.high:,.{digits}f}"


def span(seconds: float) -> str:
    """Return a time as people read it: 75 s, 18 min 54 s."""
    if seconds < 120:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{value} {unit}" for value, unit in parts if value)
