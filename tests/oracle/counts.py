"""The counts of what was compared with the real plugins, as a table."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["table"]

_ROW = "{:<34}{:>10}{:>14}{:>10}{:>12}"


def table(parts: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Add up what the tests of all focuses counted; a line for each plugin."""
    from tests.oracle.compare import Tally  # noqa: PLC0415 - loads the engine

    tally = Tally()
    for part in parts:
        tally.add(part)
    yield _ROW.format("plugin", "verdicts", "rejections", "scores", "deciding")
    for name in dict.fromkeys((*tally.verdicts, *tally.scores)):
        yield _ROW.format(
            name,
            tally.verdicts[name],
            tally.rejections[name],
            tally.scores[name],
            tally.deciding[name],
        )
    yield (
        f"{tally.cases} cases, all equal: {tally.choices} choices of a node, "
        f"{tally.messages} messages, victims on {tally.victims} nodes, {tally.nominations} choices "
        f"of preemption, {tally.held} pods held before the queue"
    )
