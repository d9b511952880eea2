"""Schedules, and when they come due as robfig/cron v3 says: kept in `schedules.json`.

    python -m tests.engine.schedules

asks the Go program in `tests/cluster/controlplane/cmd/schedules` anew (needs Go).
"""

import json
import random
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ANSWERS = HERE / "schedules.json"
MODULE = HERE.parent / "cluster" / "controlplane"
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Pacific/Auckland", "Asia/Kolkata")
# On the days on which clocks change, and on others.
STARTS = (
    datetime(2024, 3, 9, 22, 10, 30, tzinfo=UTC),
    datetime(2024, 3, 30, 20, 59, 59, tzinfo=UTC),
    datetime(2024, 4, 6, 10, 0, tzinfo=UTC),
    datetime(2024, 10, 26, 21, 30, tzinfo=UTC),
    datetime(2024, 11, 2, 23, 15, tzinfo=UTC),
    datetime(2023, 12, 31, 23, 59, tzinfo=UTC),
)
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_MONTHS = ("jan", "FEB", "Mar", "nov", "DEC")
_DAYS = ("sun", "MON", "Fri", "sat")
FIXED = (
    "* * * * *", "0 * * * *", "*/15 * * * *", "30 2 * * *", "30 1 * * *", "0 0 * * *",
    "0 0 1 * 0", "0 12 */2 * 1", "0 12 * * */2", "0 12 1-31/2 * ?", "0 12 ? * 1", "5/20 * * * *",
    "0 0 13 * 5", "0 0 30 2 *", "@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly",
    "@annually", "@every 1h30m", "@every 90s", "@every 1.5h", "@every 300ms", "@every 1m30.9s",
    "@every", "@every x", "@nightly", "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *",
    "* * 0 * *", "* * * 13 *", "* * * * 7", "*/0 * * * *", "5-1 * * * *", "1-2-3 * * * *",
    "1/2/3 * * * *", "L * * * *", "* * L * *", "* * * * 1#2", "x * * * *", "-1 * * * *",
    "TZ=UTC * * * * *", "CRON_TZ=UTC * * * * *", "*/1 * * * *", "1,,2 * * * *", "? ? ? ? ?",
    "* * * * sun-mon", "0 0 * jan-mar MON-FRI", "0 0 5-5/2 * *", "0 4/6 * * *", "?/5 * * * *",
    "*,5 0 1 * 1", "0 0 1,* * 1", "* * * jan,13 *", "59 23 31 12 *", "*-5 * * * *",
)  # fmt: skip


def questions() -> list[dict[str, Any]]:
    """All that is asked: the fixed schedules in every zone at some times, and random ones."""
    dice = random.Random(1)  # noqa: S311 - no secret
    schedules = [*FIXED, *(_schedule(dice) for _ in range(200))]
    found = []
    for schedule in schedules:
        start = int(dice.choice(STARTS).timestamp())
        length = 3600 if schedule.startswith(("* ", "@every", "?")) else 14 * 86_400
        hours = schedule.split(" ")[1:2]
        if hours and ("*" in hours[0] or "/" in hours[0] or "-" in hours[0]):
            length = min(length, 86_400)
        zone = dice.choice(ZONES)
        found.append({"schedule": schedule, "zone": zone, "after": start, "until": start + length})
    return found


def _schedule(dice: random.Random) -> str:
    kinds = (("*",) * 3, ("*",) * 3, ("*",) * 4, ("*",) * 6, ("*",) * 4)
    return " ".join(
        dice.choice((*stars, _items(dice, number))) for number, stars in enumerate(kinds)
    )


def _items(dice: random.Random, number: int) -> str:
    return ",".join(_item(dice, number) for _ in range(dice.choice((1, 1, 2))))


def _item(dice: random.Random, number: int) -> str:
    low, high = _BOUNDS[number]
    if number > 2 and dice.random() < 0.3:
        return dice.choice(_MONTHS if number == 3 else _DAYS)
    first, last = sorted((dice.randint(low, high), dice.randint(low, high)))
    step = f"/{dice.randint(1, 9)}"
    return dice.choice(
        (f"{first}", f"{first}-{last}", f"*{step}", f"{first}{step}", f"{first}-{last}{step}")
    )


def main() -> None:
    """Ask, and keep the answers."""
    asked = questions()
    told = subprocess.run(
        ["go", "run", "./cmd/schedules"],
        cwd=MODULE,
        input="".join(json.dumps(one) + "\n" for one in asked),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [json.loads(line) for line in told.stdout.splitlines()]
    lines = [json.dumps({**one, **answer}) for one, answer in zip(asked, answers, strict=True)]
    ANSWERS.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
