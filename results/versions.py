"""The schema's version, and the way from older versions to this one.

Rows and Parquet files carry the version they were written with. Whoever changes the columns
raises `SCHEMA_VERSION` by one and adds the step from the version before to `UPGRADES`; nothing
else has to change for old runs to stay readable.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from results.columns import Column, Row
from results.errors import ResultsError

__all__ = ["SCHEMA_VERSION", "UPGRADES", "Upgrade", "upgrade_columns", "upgrade_row"]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Upgrade:
    """How one version becomes the next.

    Args:
        columns: The old columns -> the new ones.
        row: An old row -> the new one (without `schema_version`, which is set for it).
    """

    columns: Callable[[tuple[Column, ...]], tuple[Column, ...]]
    row: Callable[[Row], Row]


UPGRADES: dict[int, Upgrade] = {}
"""version -> how a row of that version becomes one of the next."""


def upgrade_columns(
    columns: Iterable[Column],
    version: int,
    *,
    source: str,
    upgrades: Mapping[int, Upgrade] = UPGRADES,
    to: int = SCHEMA_VERSION,
) -> tuple[Column, ...]:
    """Return a file's columns as version `to` has them.

    Raises:
        ResultsError: The version is newer than `to`, or there is no way from it.
    """
    result = tuple(columns)
    for upgrade in _way(version, to, upgrades, source):
        result = upgrade.columns(result)
    return result


def upgrade_row(
    row: Row,
    *,
    source: str,
    upgrades: Mapping[int, Upgrade] = UPGRADES,
    to: int = SCHEMA_VERSION,
) -> Row:
    """Return a row of any known version as version `to` has it.

    Raises:
        ResultsError: The row has no version, a newer one than `to`, or one without a way.
    """
    version = row.get("schema_version")
    if version == to:
        return row
    if type(version) is not int:
        raise ResultsError(
            f"{source}: expected a row with an integer schema_version, found {version!r}; "
            "the file is not a record of steps"
        )
    for upgrade in _way(version, to, upgrades, source):
        row = upgrade.row(dict(row))
    return {**row, "schema_version": to}


def _way(version: int, to: int, upgrades: Mapping[int, Upgrade], source: str) -> list[Upgrade]:
    if version > to:
        raise ResultsError(
            f"{source}: written with schema version {version}, this program reads up to {to}; "
            "read it with the newer program that wrote it"
        )
    missing = [step for step in range(version, to) if step not in upgrades]
    if missing:
        raise ResultsError(
            f"{source}: written with schema version {version}, and there is no way from "
            f"version {missing[0]} to {missing[0] + 1}; the file may be damaged"
        )
    return [upgrades[step] for step in range(version, to)]
