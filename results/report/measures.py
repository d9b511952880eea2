"""What a report counts: each measure of an episode, summed up by policy and trace.

A chunk's rows become a few sums before the next chunk is read, so that the rows of a sweep are
never in memory together.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from results.arrow import aggregated
from results.dataset import table_of
from results.episodes import EPISODE_COLUMNS, episode_rows
from results.intervals import Sums, share
from results.report.failures import Failures
from results.run import Run
from results.sweep import Sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

__all__ = ["Adding", "Measures", "last_requests", "measure"]

OF_EPISODES = (
    "played",
    "success",  # of those that could be assessed
    "unassessable",
    "steps_to_success",
    "failed",
)
OF_STEPS = (
    "killed_first",  # whether the first step saw containers that were killed for memory
    "killed_last",
    "throttled_first",  # share of the CPU time that was wanted and not given
    "throttled_last",
    "cpu_before",  # what a pod requests in the first step, mCPU
    "cpu_after",  # and when it was healthy
    "cpu_used",
    "cpu_slack",  # requested and not used
    "memory_before",  # bytes
    "memory_after",
    "memory_used",
    "memory_slack",
)

_EPISODE_COLUMNS = (
    *("episode", "policy", "trace", "steps", "success", "steps_to_success", "total_reward"),
    *("reward_name", "error"),
)
_STEP_COLUMNS = (
    *("episode", "policy", "trace", "success", "error", "target"),
    *("obs_ready", "obs_pending", "obs_total", "obs_oom_killed", "obs_throttled"),
    *("obs_reasons", "obs_containers", "obs_unassessable"),
)
_KEYS = ["policy", "trace"]
_WAITING = 64  # tables of sums, before they are made one


@dataclass
class Measures:
    """The sums of a run or a sweep.

    Args:
        sums: measure -> policy -> trace -> its sums
        took: policy -> steps to success -> episodes
        failures: the episodes that did not end in success, by reason
        steps: how many were recorded
        rewards: reward -> policy -> trace -> the sums of the episodes' totals of that reward
        examples: policy -> an episode worth looking at: of those that succeeded the first that
            took the most steps, else the first
    """

    sums: dict[str, dict[str, dict[str, Sums]]] = field(default_factory=dict)
    took: dict[str, Counter[int]] = field(default_factory=dict)
    failures: Failures = field(default_factory=Failures)
    steps: int = 0
    rewards: dict[str, dict[str, dict[str, Sums]]] = field(default_factory=dict)
    examples: dict[str, int] = field(default_factory=dict)

    def clusters(self, name: str, policy: str) -> list[Sums]:
        """Return a measure's sums for each trace that a policy played."""
        return list(self.sums[name].get(policy, {}).values())

    @property
    def example(self) -> int | None:
        """An episode worth looking at, of the policy that succeeded most often."""
        rates = {one: share(self.clusters("success", one)).value for one in self.examples}
        known = {one: rate for one, rate in rates.items() if rate is not None}
        best = max(sorted(known or rates), key=lambda one: known.get(one, -1.0), default=None)
        return None if best is None else self.examples[best]

    @property
    def policies(self) -> list[str]:
        """The policies that played."""
        return sorted(self.sums["played"])

    @property
    def traces(self) -> list[str]:
        """The traces that were played."""
        return sorted({trace for traces in self.sums["played"].values() for trace in traces})


def measure(result: Run | Sweep) -> Measures:
    """Return the sums of a run, or of a sweep's finished chunks.

    Raises:
        ResultsError: a file is damaged
    """
    measures = Measures()
    of_episodes, of_steps = Adding(OF_EPISODES), Adding(OF_STEPS)
    of_rewards: dict[str, Adding] = {}  # apart: a sum of different rewards says nothing
    worth: dict[str, _Worth] = {}
    for part in _episodes(result):
        of_episodes.add(_measured_episodes(part))
        _count_steps(part, measures.took)
        for name, rewards in _measured_rewards(part):
            of_rewards.setdefault(name, Adding(("reward",))).add(rewards)
        _look_for_examples(part, worth)
        measures.failures.add_unplayed(part)
    for part in _steps(result):
        first, last = _ends(part)
        of_steps.add(_measured_steps(part, first, last))
        measures.failures.add(part.take(last))
        measures.steps += part.num_rows
    measures.examples = {policy: -found[2] for policy, found in worth.items()}
    measures.sums = of_episodes.sums() | of_steps.sums()
    measures.rewards = {name: of_rewards[name].sums()["reward"] for name in sorted(of_rewards)}
    return measures


def last_requests(result: Run | Sweep) -> "pa.Table":
    """Return for each episode what a pod requests in the end; null if it did not end healthy.

    Returns:
        A table with the columns `episode`, `cpu` in mCPU and `memory` in bytes.

    Raises:
        ResultsError: a file is damaged
    """
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who reads Parquet pays for it
    import pyarrow.compute as pc  # noqa: PLC0415 # likewise

    number = pa.float64()
    schema = pa.schema([("episode", pa.int64()), ("cpu", number), ("memory", number)])
    parts = [schema.empty_table()]
    for part in _steps(result):
        after = part.take(_ends(part)[1])
        healthy = pc.fill_null(after["success"].cast(pa.bool_()), False)  # noqa: FBT003
        asked = [pc.if_else(healthy, _per_pod(after, one)[0], None) for one in ("cpu", "memory")]
        parts.append(pa.table([after["episode"], *asked], schema=schema))
    return pa.concat_tables(parts)


def _episodes(result: Run | Sweep) -> "Iterator[pa.Table]":
    if isinstance(result, Sweep):
        yield from result.read("episodes", _EPISODE_COLUMNS)
    else:
        rows = episode_rows(result.read_steps())
        yield table_of(rows, EPISODE_COLUMNS).select(list(_EPISODE_COLUMNS))


def _steps(result: Run | Sweep) -> "Iterator[pa.Table]":
    """Yield tables of steps with all the columns that are looked at, each episode whole."""
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

    known = {column.name for column in result.columns}
    wanted = [name for name in _STEP_COLUMNS if name in known]
    if isinstance(result, Sweep):
        parts: Any = result.read("steps", wanted)
    else:
        latest = {(row["episode"], row["step"]): row for row in result.read_steps()}
        rows = [latest[key] for key in sorted(latest)]
        parts = [table_of(rows, result.columns).select(wanted)]
    for part in parts:
        table = part
        for name in _STEP_COLUMNS:  # what nobody observed is not known
            if name not in known:
                table = table.append_column(name, pa.nulls(table.num_rows))
        if table.num_rows:
            yield table.combine_chunks()


def _ends(steps: "pa.Table") -> tuple[Any, Any]:
    """Return the rows in which episodes begin, and those in which they end."""
    import numpy as np  # noqa: PLC0415 # heavy: only a report needs it

    episode = steps["episode"].to_numpy()
    begins = np.flatnonzero(np.diff(episode, prepend=episode[0] - 1))
    return begins, np.append(begins[1:], len(episode)) - 1


def _measured_episodes(part: "pa.Table") -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who reads Parquet pays for it
    import pyarrow.compute as pc  # noqa: PLC0415 # likewise

    number = pa.float64()
    columns = {name: part[name] for name in _KEYS}
    columns["played"] = pa.repeat(pa.scalar(1.0), part.num_rows)
    columns["success"] = part["success"].cast("int8").cast(number)
    columns["unassessable"] = pc.is_null(part["success"]).cast("int8").cast(number)
    columns["steps_to_success"] = part["steps_to_success"].cast(number)
    columns["failed"] = pc.is_valid(part["error"]).cast("int8").cast(number)
    return pa.table(columns)


def _measured_rewards(part: "pa.Table") -> "Iterator[tuple[str, pa.Table]]":
    """Yield each reward's name with the totals of the episodes that have it."""
    import pyarrow.compute as pc  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

    for name in part["reward_name"].unique().drop_null().to_pylist():
        own = part.filter(pc.equal(part["reward_name"], name))
        yield name, own.select([*_KEYS, "total_reward"]).rename_columns([*_KEYS, "reward"])


def _measured_steps(part: "pa.Table", first: Any, last: Any) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who reads Parquet pays for it
    import pyarrow.compute as pc  # noqa: PLC0415 # likewise

    before, after = part.take(first), part.take(last)
    columns = {name: before[name] for name in _KEYS}
    for when, rows in (("first", before), ("last", after)):
        killed = pc.greater(rows["obs_oom_killed"].cast(pa.int64()), 0)
        columns[f"killed_{when}"] = killed.cast("int8").cast(pa.float64())
        columns[f"throttled_{when}"] = rows["obs_throttled"].cast(pa.float64())
    healthy = pc.fill_null(after["success"].cast(pa.bool_()), False)  # noqa: FBT003
    for resource in ("cpu", "memory"):
        asked, _ = _per_pod(before, resource)
        columns[f"{resource}_before"] = asked
        asked, used = _per_pod(after, resource)
        told = pc.and_(healthy, pc.is_valid(used))  # both or none, so that they can be compared
        columns[f"{resource}_after"] = pc.if_else(told, asked, None)
        columns[f"{resource}_used"] = pc.if_else(told, used, None)
        columns[f"{resource}_slack"] = pc.if_else(told, pc.subtract(asked, used), None)
    return pa.table(columns)


def _per_pod(rows: "pa.Table", resource: str) -> tuple[Any, Any]:
    """Return what a pod requests of a resource and what it uses; null if that is not known.

    A container without a request requests nothing; one whose usage is not known leaves that of
    the pod unknown.
    """
    import numpy as np  # noqa: PLC0415 # heavy: only a report needs it
    import pyarrow as pa  # noqa: PLC0415 # likewise
    import pyarrow.compute as pc  # noqa: PLC0415 # likewise

    lists = rows["obs_containers"].combine_chunks()
    count = rows.num_rows
    if not pa.types.is_list(lists.type) or lists.type.value_type.get_field_index("name") < 0:
        return pa.nulls(count, pa.float64()), pa.nulls(count, pa.float64())
    names = [field.name for field in lists.type.value_type]
    pod = pc.list_parent_indices(lists).to_numpy()
    containers = pc.list_flatten(lists)
    present = np.bincount(pod, minlength=count) > 0
    sums = []
    for column, null_is_zero in ((f"{resource}_request", True), (f"{resource}_usage", False)):
        if column not in names:
            sums.append(pa.nulls(count, pa.float64()))
            continue
        values = pc.struct_field(containers, column).cast(pa.float64())
        told = pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False)
        missing = pc.is_null(values).to_numpy(zero_copy_only=False)
        total = np.bincount(pod, told, minlength=count)
        unknown = ~present
        if not null_is_zero:
            unknown |= np.bincount(pod, missing, minlength=count) > 0
        sums.append(pa.array(total, mask=unknown))
    return sums[0], sums[1]


def _count_steps(part: "pa.Table", took: dict[str, Counter[int]]) -> None:
    keys = ["policy", "steps_to_success"]
    for row in aggregated(part, keys, [("episode", "count")]).to_pylist():
        if row["steps_to_success"] is not None:
            counts = took.setdefault(row["policy"], Counter())
            counts[row["steps_to_success"]] += row["episode_count"]


_Worth = tuple[bool, int, int]
"""How good an example is: whether it succeeded, in how many steps, how early it was played."""


def _look_for_examples(part: "pa.Table", worth: dict[str, _Worth]) -> None:
    keys = ["policy", "success", "steps"]
    for row in aggregated(part, keys, [("episode", "min")]).to_pylist():
        success, policy = bool(row["success"]), str(row["policy"])
        found = (success, row["steps"] if success else 0, -row["episode_min"])
        worth[policy] = max(worth.get(policy, found), found)


class Adding:
    """Sums of measures by policy and trace, added up chunk by chunk."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._tables: list[pa.Table] = []

    def add(self, measured: "pa.Table") -> None:
        """Add the episodes of a chunk: their policy, their trace, and a number a measure."""
        import pyarrow.compute as pc  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

        for name in self._names:
            squares = pc.multiply(measured[name], measured[name])
            measured = measured.append_column(f"{name}_2", squares)
        wanted = [(name, how) for name in self._names for how in ("count", "sum")]
        wanted += [(f"{name}_2", "sum") for name in self._names]
        sums = aggregated(measured, _KEYS, wanted)
        self._tables.append(sums.rename_columns([_short(name) for name in sums.column_names]))
        if len(self._tables) > _WAITING:
            self._tables = [self._together()]

    def sums(self) -> dict[str, dict[str, dict[str, Sums]]]:
        """Return measure -> policy -> trace -> its sums."""
        found: dict[str, dict[str, dict[str, Sums]]] = {name: {} for name in self._names}
        if not self._tables:
            return found
        for row in self._together().to_pylist():
            for name in self._names:
                policy = found[name].setdefault(str(row["policy"]), {})
                total, squares = row[f"{name}_sum"] or 0.0, row[f"{name}_2_sum"] or 0.0
                policy[str(row["trace"])] = Sums(row[f"{name}_count"], total, squares)
        return found

    def _together(self) -> "pa.Table":
        import pyarrow as pa  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

        whole = pa.concat_tables(self._tables)
        names = [name for name in whole.column_names if name not in _KEYS]
        sums = aggregated(whole, _KEYS, [(name, "sum") for name in names])
        return sums.rename_columns([_short(name) for name in sums.column_names])


def _short(name: str) -> str:
    """Return the name of a sum, whether it is of episodes or of sums."""
    return name.replace("_sum_sum", "_sum").replace("_count_sum", "_count")
