"""The times of a CronJob's schedule, as Kubernetes reads it.

Kubernetes reads schedules with robfig/cron v3 (`parser.go`, `spec.go`), we with cronsim, which
follows Debian's cron. Where the two differ the expression is rewritten, or refused, so that both
mean the same; and time zones are ours: a time that the clock skips does not come, one that it
repeats comes twice. (Known difference: where clocks move by half an hour, on Lord Howe Island,
robfig/cron misses a time on the day after.)
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

__all__ = ["ScheduleError", "times"]

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
# Minute, hour, day of month, month, day of week.
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_NAMES = (
    (), (), (),
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
)  # fmt: skip
_ITEM = re.compile(r"(?P<low>[*?]|\w+)(?:-(?P<high>\w+))?(?:/(?P<step>\d+))?", re.ASCII)
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_ONE_DAY = timedelta(days=1)


class ScheduleError(ValueError):
    """A schedule or time zone that the API server would refuse; says why."""


def times(schedule: str, zone: str | None, after: int, until: int) -> list[int]:
    """Return when a schedule comes due.

    Args:
        schedule: five fields, or a macro such as `@hourly` or `@every 90s`.
        zone: name of the time zone; None for UTC.
        after: the first time is later than this; in Unix seconds, as all times here. An interval
            (`@every`) begins here.
        until: the last time is not later than this.

    Raises:
        ScheduleError: if Kubernetes would not accept the schedule or the zone.
    """
    place = _zone(zone)
    if schedule.startswith(("TZ=", "CRON_TZ=")):
        raise ScheduleError("TZ and CRON_TZ are not allowed in a schedule: use timeZone")
    if schedule.startswith("@every "):
        interval = _interval(schedule.removeprefix("@every "))
        return list(range(after + interval, until + 1, interval))
    if schedule.startswith("@"):
        if schedule not in _MACROS:
            raise ScheduleError(f"unrecognized descriptor: {schedule}")
        schedule = _MACROS[schedule]
    wall = _wall_times(_in_debian_words(schedule), place, after, until)
    found = {round(instant.timestamp()) for one in wall for instant in _instants(one, place)}
    return sorted(second for second in found if after < second <= until)


def _zone(name: str | None) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError(f"unknown time zone {name}") from error


def _interval(text: str) -> int:
    """Return the seconds of a Go duration: whole ones, at least 1."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ScheduleError(f"failed to parse duration {text}")
    return max(1, int(sum(float(number) * _UNITS[unit] for number, unit in parts)))


def _wall_times(
    expression: str, place: zoneinfo.ZoneInfo, after: int, until: int
) -> list[datetime]:
    """Return the times of a clock that never changes, a day more on both sides."""
    first = datetime.fromtimestamp(after, place).replace(tzinfo=None) - _ONE_DAY
    last = datetime.fromtimestamp(until, place).replace(tzinfo=None) + _ONE_DAY
    found = []
    try:
        for moment in CronSim(expression, first):
            if moment > last:
                break
            found.append(moment)
    except CronSimError:
        return []  # such as the 30th of February: never
    return found


def _instants(moment: datetime, place: zoneinfo.ZoneInfo) -> list[datetime]:
    """Return when a clock in a time zone shows a time: once, never, or twice."""
    instants = []
    for fold in (0, 1):
        instant = moment.replace(tzinfo=place, fold=fold).astimezone(UTC)
        if instant.astimezone(place).replace(tzinfo=None, fold=0) == moment:
            instants.append(instant)
    return instants


def _in_debian_words(schedule: str) -> str:
    fields = schedule.split()
    if len(fields) != len(_BOUNDS):
        raise ScheduleError(f"expected exactly 5 fields, found {len(fields)}: {schedule}")
    return " ".join(_field(text, number) for number, text in enumerate(fields))


def _field(text: str, number: int) -> str:
    items = [_item(item, number) for item in text.split(",") if item]
    if not items:
        raise ScheduleError(f"expected a value, found {text}")
    # A star anywhere means that day of month and day of week must both match.
    return "*" if "*" in items else ",".join(items)


def _item(text: str, number: int) -> str:
    low, high = _BOUNDS[number]
    found = _ITEM.fullmatch(text)
    if found is None:
        raise ScheduleError(f"failed to parse {text}")
    step = int(found["step"] or 1)
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")
    if found["low"] in "*?":
        # `?-7` is a star too: robfig/cron looks no further.
        return "*" if step == 1 else f"{low}-{high}/{step}"
    start = _value(found["low"], number)
    end = start if found["high"] is None else _value(found["high"], number)
    if found["high"] is None and found["step"] is not None:
        end = high
    if start < low or end > high or start > end:
        raise ScheduleError(f"expected a range within {low}-{high}, found {text}")
    if start == end:
        return str(start)
    return f"{start}-{end}" + (f"/{step}" if step > 1 else "")


def _value(text: str, number: int) -> int:
    names = _NAMES[number]
    if text.lower() in names:
        return names.index(text.lower()) + _BOUNDS[number][0]
    if not text.isdigit():
        raise ScheduleError(f"failed to parse int from {text}")
    return int(text)
