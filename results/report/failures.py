"""The episodes that did not end in success, grouped by the reason that was seen last."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from results.arrow import aggregated

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Failures", "Group", "kind_of", "without_preemption"]

_NOT_NAMED = 200  # characters of an error that name its group
_PREEMPTION = re.compile(r"\.? (no new claims to deallocate, )?preemption: .*$", re.DOTALL)
_NODES = re.compile(r"^0/\d+ nodes are available: ")
_COUNT = re.compile(r"(^|, )\d+ ")


@dataclass
class Group:
    """Episodes that failed for one reason.

    Args:
        reason: what it was, without the numbers that differ
        message: one of the messages, whole; None where there is none
        episode: the first episode of them
        policies: policy -> episodes
    """

    reason: str
    message: str | None
    episode: int
    policies: Counter[str] = field(default_factory=Counter)

    @property
    def episodes(self) -> int:
        """How many there are."""
        return self.policies.total()


class Failures:
    """Failed episodes, counted chunk by chunk."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    def groups(self) -> list[Group]:
        """Return the groups, the largest first."""
        return sorted(self._groups.values(), key=lambda group: (-group.episodes, group.reason))

    def add_unplayed(self, episodes: "pa.Table") -> None:
        """Add the episodes that failed before their first step."""
        import pyarrow.compute as pc  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

        rows = episodes.filter(
            pc.and_(pc.equal(episodes["steps"], 0), pc.is_valid(episodes["error"]))
        )
        for row in rows.select(["episode", "policy", "error"]).to_pylist():
            self._count(_error(row["error"]), row["error"], row["episode"], str(row["policy"]), 1)

    def add(self, last: "pa.Table") -> None:
        """Add those of some episodes that did not succeed; what cannot be assessed did not fail.

        Args:
            last: the last step of each episode
        """
        import pyarrow as pa  # noqa: PLC0415 # heavy: only who reads Parquet pays for it
        import pyarrow.compute as pc  # noqa: PLC0415 # likewise

        done = last["success"].cast(pa.bool_())
        failed = last.filter(
            pc.or_kleene(pc.invert(done), pc.is_valid(last["error"])),
            null_selection_behavior="drop",
        )
        table = pa.table(
            {
                "policy": failed["policy"],
                "episode": failed["episode"],
                "message": _foremost(failed["obs_reasons"].combine_chunks()),
                "error": failed["error"],
                "state": _states(failed),
            }
        )
        kinds = ["policy", "message", "error", "state"]
        counts = aggregated(table, kinds, [("episode", "count"), ("episode", "min")])
        for row in counts.to_pylist():
            reason, message = _reason(row["error"], row["message"], row["state"])
            policy, count = str(row["policy"]), row["episode_count"]
            self._count(reason, message, row["episode_min"], policy, count)

    def _count(
        self, reason: str, message: str | None, episode: int, policy: str, episodes: int
    ) -> None:
        group = self._groups.setdefault(reason, Group(reason, message, episode))
        if episode < group.episode:
            group.episode, group.message = episode, message
        group.policies[policy] += episodes


def kind_of(message: str) -> str:
    """Return a scheduler's message without the counts of nodes, which differ from case to case."""
    if not _NODES.match(message):
        return message
    causes = _NODES.sub("", without_preemption(message)).rstrip(".")
    return f"Unschedulable: {_COUNT.sub(_kept, causes)}"


def without_preemption(message: str) -> str:
    """Return a scheduler's message without what it says of preemption."""
    return _PREEMPTION.sub("", message)


def _kept(match: re.Match[str]) -> str:
    return match[1]


def _reason(error: str | None, message: str | None, state: str) -> tuple[str, str | None]:
    if error is not None:
        return _error(error), error
    if message is not None:
        return kind_of(message), message
    return state, None


def _error(error: str) -> str:
    line = error.strip().partition("\n")[0]
    short = line if len(line) <= _NOT_NAMED else f"{line[:_NOT_NAMED]}..."
    return f"Error: {short}"


def _states(last: "pa.Table") -> Any:
    """Return for each observation what there is to say of it if there is no message."""
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who reads Parquet pays for it
    import pyarrow.compute as pc  # noqa: PLC0415 # likewise

    def number(name: str) -> Any:
        return last[name].cast(pa.int64())

    cases = {
        "Nothing was observed": pc.is_null(number("obs_ready")),
        "Containers killed for memory (OOMKilled)": pc.greater(number("obs_oom_killed"), 0),
        "More pods ready than the target": pc.greater(number("obs_ready"), number("target")),
        "Pods pending": pc.greater(number("obs_pending"), 0),
        "Fewer pods than the target": pc.less(number("obs_total"), number("target")),
    }
    tests = [pc.fill_null(test.combine_chunks(), False) for test in cases.values()]  # noqa: FBT003
    conditions = pc.make_struct(*tests, field_names=[str(at) for at in range(len(tests))])
    return pc.case_when(conditions, *cases, "Pods run and are not ready")


def _foremost(reasons: Any) -> Any:
    """Return the message that most pods have, for each map of messages; null if there is none."""
    import numpy as np  # noqa: PLC0415 # heavy: only a report needs it
    import pyarrow as pa  # noqa: PLC0415 # likewise

    if not pa.types.is_map(reasons.type):
        return pa.nulls(len(reasons), pa.string())
    offsets = reasons.offsets.to_numpy()
    owner = np.repeat(np.arange(len(reasons)), np.diff(offsets))
    start, end = int(offsets[0]), int(offsets[-1])
    messages = reasons.keys[start:end]
    counts = reasons.items[start:end].to_numpy(zero_copy_only=False)
    numbers = messages.dictionary_encode()
    order = np.lexsort((numbers.indices.to_numpy(), -counts, owner))
    first = order[np.flatnonzero(np.diff(owner[order], prepend=-1))]
    places = np.full(len(reasons), -1, np.int64)
    places[owner[first]] = first
    return messages.take(pa.array(places, mask=places < 0))
