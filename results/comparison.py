"""Two runs, compared on the episodes that both played.

Episodes are paired by trace, workload and seed, and by whatever else either run varied (policies,
step sizes, targets ...). What neither run varied and is different between them is what was tried
out: it is named, and the pairs say what it did.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from results.arrow import aggregated, joined
from results.columns import Column
from results.dataset import table_of
from results.episodes import EPISODE_COLUMNS, episode_rows
from results.errors import ResultsError
from results.intervals import Estimate, Sums, difference, mean
from results.report.measures import Adding, last_requests
from results.run import Run
from results.sweep import Sweep

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Comparison", "Outcome", "PolicyComparison", "as_document", "compare"]

_BASE = ("identity", "deploy", "seed")
_CONDITIONS = (
    *("policy", "reward_name", "target", "duration", "trace", "namespace", "cluster", "nodes"),
    *("replay", "max_steps", "guardrails", "step_sizes"),
)
_FIGURES = ("success", "steps_to_success", "total_reward", "cpu", "memory")
_MEASURES = ("before", "after", "success", "gained", "lost", "steps", "reward", "cpu", "memory")
_MOST_OUTCOMES = 20
_MOST_VALUES = 3
_ALL = "all policies"


@dataclass(frozen=True, slots=True)
class PolicyComparison:
    """What is different for one policy; every estimate is that of B minus A, over pairs.

    Args:
        policy: its name; of both runs, where they differ
        pairs: how many episodes both played and could assess
        traces: on how many traces
        before: A's share of success
        after: B's share of success
        success: the difference of the shares
        gained: pairs that only B ended healthy
        lost: pairs that only A ended healthy
        steps: steps to success, of the pairs that both ended healthy
        reward: total reward; None where the episodes have different rewards
        cpu: what a pod requests, in mCPU, of the pairs that both ended healthy
        memory: the same in bytes
    """

    policy: str
    pairs: int
    traces: int
    before: float | None
    after: float | None
    success: Estimate
    gained: int
    lost: int
    steps: Estimate
    reward: Estimate | None
    cpu: Estimate
    memory: Estimate


@dataclass(frozen=True, slots=True)
class Outcome:
    """A pair that ended differently: `healthy` names the run in which it ended healthy."""

    policy: str
    trace: str
    seed: int
    a: int
    b: int
    healthy: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs, compared.

    Args:
        a: the first run's id
        b: the second run's id
        pairs: episodes that both played
        unassessable: of these, those that are left out: one of the runs, or both, could not assess
            whether they succeeded
        only_a: episodes that only the first played
        only_b: episodes that only the second played
        differently: what each was asked for, where that is different and was not varied
        versions: with which versions of what each was played, where that is known and different
        policies: what is different, by policy; if there are several, all together first
        outcomes: some pairs that ended differently, those that were lost first
    """

    a: str
    b: str
    pairs: int
    unassessable: int
    only_a: int
    only_b: int
    differently: Mapping[str, tuple[Sequence[str], Sequence[str]]]
    versions: Mapping[str, tuple[Sequence[str], Sequence[str]]]
    policies: Sequence[PolicyComparison]
    outcomes: Sequence[Outcome]


def compare(a: Run | Sweep, b: Run | Sweep) -> Comparison:
    """Compare two runs or sweeps.

    Raises:
        ResultsError: they have no episode in common, or several that cannot be told apart
    """
    import pyarrow.compute as pc  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

    one, other = _identified(_episodes(a), _episodes(b))
    keys = [*_BASE, *(name for name in _CONDITIONS if _varied(one, name) or _varied(other, name))]
    for result, table in ((a, one), (b, other)):
        _require_single(result, table, keys)
    pairs = joined(one, other, keys, "inner", "_b")
    if not pairs.num_rows:
        raise _nothing_in_common(a, b, one, other, keys)
    pairs = pairs.sort_by([("episode", "ascending")]).combine_chunks()
    policy = pairs["policy"]
    if "policy" not in keys:
        after = pairs["policy_b"]
        both = pc.binary_join_element_wise(policy, after, " -> ")
        policy = pc.if_else(pc.equal(policy, after), policy, both)
    pairs = pairs.append_column("name", policy)
    differently = _differently(one, other, keys)
    assessed = pairs.filter(
        pc.and_(*(pc.is_valid(pairs[name]) for name in ("success", "success_b")))
    )
    return Comparison(
        a.id,
        b.id,
        pairs.num_rows,
        pairs.num_rows - assessed.num_rows,
        one.num_rows - pairs.num_rows,
        other.num_rows - pairs.num_rows,
        differently,
        _versions(a, b),
        _by_policy(assessed, rewarded=_same_reward(one, other)),
        _outcomes(assessed),
    )


def as_document(found: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON values."""
    document = asdict(found)
    for key, both in (("differently", found.differently), ("versions", found.versions)):
        document[key] = {name: {"a": list(a), "b": list(b)} for name, (a, b) in both.items()}
    return document


def _episodes(result: Run | Sweep) -> "pa.Table":
    """Return a run's episodes: what they are paired by, and their figures."""
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

    columns = ("episode", "trace_sha256", "deploy", "seed", *_CONDITIONS)
    wanted = (*columns, "success", "steps_to_success", "total_reward")
    table = _of_a_sweep(result, wanted) if isinstance(result, Sweep) else _of_a_run(result, wanted)
    if not table.num_rows:
        raise ResultsError(f"{result.id} has no episodes yet; expected a run that was played")
    for name in ("deploy", "trace_sha256", *_CONDITIONS):
        text = table[name].cast(pa.string())
        place = table.column_names.index(name)
        if name != "trace_sha256":
            text = text.fill_null("")
        table = table.set_column(place, name, text)
    place = table.column_names.index("nodes")
    table = table.set_column(place, "nodes", _nodes(result, table["nodes"]))
    requests = last_requests(result)
    return joined(table, requests, "episode", "left outer").combine_chunks()


def _nodes(result: Run | Sweep, given: Any) -> Any:
    """Return nodes so that manifests are known by what is in them, wherever they lie."""
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

    known: dict[str, str] = {}
    for text in given.unique().to_pylist():
        digest = _digest_of_nodes(result, text)
        known[text] = text if digest is None else f"manifests with SHA-256 {digest[:12]}"
    return pa.array([known[text] for text in given.to_pylist()], pa.string())


def _digest_of_nodes(result: Run | Sweep, text: str) -> str | None:
    if isinstance(result, Run):
        return result.parameters.get("nodes_sha256")
    name = f"{sha256(text.encode()).hexdigest()}.nodes.yaml"
    there = result.store.exists(f"inputs/{name}")
    return sha256(result.read_input(name)).hexdigest() if there else None


def _versions(a: Run | Sweep, b: Run | Sweep) -> dict[str, tuple[Sequence[str], Sequence[str]]]:
    """Return what was played with different versions, of what is known of both."""
    left, right = (_played_with(result) for result in (a, b))
    return {
        name: (sorted(left[name]), sorted(right[name]))
        for name in left
        if name in right and left[name] != right[name]
    }


def _played_with(result: Run | Sweep) -> dict[str, set[str]]:
    """Return name -> the versions with which a result was begun and gone on with."""
    found: dict[str, set[str]] = {}
    parameters = result.parameters
    for made in (parameters.get("made_with"), *parameters.get("resumed_with", ())):
        for name, value in (made or {}).items():
            if value is not None:
                found.setdefault(name, set()).add(str(value)[:12])
    return found


def _of_a_sweep(sweep: Sweep, wanted: Iterable[str]) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

    known = {column.name for column in sweep.episode_columns}
    there = [name for name in wanted if name in known]
    parts = list(sweep.read("episodes", there))
    table = pa.concat_tables(parts) if parts else table_of([], EPISODE_COLUMNS)
    for name in wanted:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows))
    return table


def _of_a_run(run: Run, wanted: Iterable[str]) -> "pa.Table":
    steps = run.read_steps()
    first = {row["episode"]: row for row in reversed(steps)}
    asked = run.parameters
    rows = []
    for row in episode_rows(steps):
        own = first[row["episode"]]
        more = {name: own.get(name) for name in ("namespace", "deploy", "cluster", "nodes")}
        more |= {name: asked.get(name) for name in ("trace_sha256", "replay", "max_steps")}
        more |= {"guardrails": asked.get("guardrails"), "step_sizes": asked.get("steps")}
        rows.append({name: (row | more)[name] for name in wanted})
    return table_of(rows, [_OF_A_RUN.get(name) or _text(name) for name in wanted])


_OF_A_RUN = {
    **{column.name: column for column in EPISODE_COLUMNS},
    "max_steps": Column("max_steps", "int", "steps", "the step limit"),
    **{name: Column(name, "json", "", "as asked for") for name in ("guardrails", "step_sizes")},
}


def _text(name: str) -> Column:
    return Column(name, "str", "", "as recorded")


def _identified(one: "pa.Table", other: "pa.Table") -> "tuple[pa.Table, pa.Table]":
    """Return both with what a trace is known by: its digest, or its name where there is none."""
    digests = all(table["trace_sha256"].null_count == 0 for table in (one, other))
    name = "trace_sha256" if digests else "trace"
    return one.append_column("identity", one[name]), other.append_column("identity", other[name])


def _varied(table: "pa.Table", name: str) -> bool:
    """Say whether a run played a trace, workload and seed with several values of a condition."""
    import pyarrow.compute as pc  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

    counts = aggregated(table, _BASE, [(name, "count_distinct")])
    return bool(pc.max(counts[f"{name}_count_distinct"]).as_py() > 1)


def _require_single(result: Run | Sweep, table: "pa.Table", keys: Sequence[str]) -> None:
    counts = aggregated(table, keys, [("episode", "count"), ("episode", "min")])
    for row in counts.to_pylist():
        if row["episode_count"] > 1:
            raise ResultsError(
                f"{result.id} has {row['episode_count']} episodes that were asked for alike, "
                f"such as episode {row['episode_min']}; expected one for each trace and seed: "
                "nothing tells which of them to compare"
            )


def _nothing_in_common(
    a: Run | Sweep, b: Run | Sweep, one: "pa.Table", other: "pa.Table", keys: Sequence[str]
) -> ResultsError:
    for name in keys:
        left, right = (set(table[name].to_pylist()) for table in (one, other))
        if left & right:
            continue
        named = "trace" if name == "identity" else name
        values = [_some(table[named].unique().to_pylist()) for table in (one, other)]
        hint = "; those of the same name have other contents" if name == "identity" else ""
        return ResultsError(
            f"{a.id} and {b.id} have no episode in common: the {named} is {values[0]} in the first "
            f"and {values[1]} in the second{hint if values[0] == values[1] else ''}; "
            "compare runs of the same traces and seeds"
        )
    return ResultsError(
        f"{a.id} and {b.id} have no episode in common: no combination of {', '.join(keys)} is in "
        "both; compare runs of the same traces and seeds"
    )


def _differently(
    one: "pa.Table", other: "pa.Table", keys: Sequence[str]
) -> dict[str, tuple[Sequence[str], Sequence[str]]]:
    found: dict[str, tuple[Sequence[str], Sequence[str]]] = {}
    for name in _CONDITIONS:
        left, right = (
            {_same(value) for value in table[name].unique().to_pylist()} for table in (one, other)
        )
        if name not in keys and left != right:
            found[name] = (sorted(left - right) or ["-"], sorted(right - left) or ["-"])
    return found


def _same_reward(*tables: "pa.Table") -> bool:
    """Say whether all episodes have one and the same reward: no mean of several says anything."""
    return len({name for table in tables for name in table["reward_name"].to_pylist()}) <= 1


def _same(value: str) -> str:
    """Return a value so that what means the same is written the same."""
    try:
        return json.dumps(json.loads(value), sort_keys=True) if value[:1] == "{" else value
    except ValueError:
        return value


def _some(values: Sequence[Any]) -> str:
    shown = ", ".join(str(value) for value in values[:_MOST_VALUES])
    more = len(values) - _MOST_VALUES
    return f"{shown} and {more} more" if more > 0 else shown


def _by_policy(pairs: "pa.Table", *, rewarded: bool) -> list[PolicyComparison]:
    import pyarrow as pa  # noqa: PLC0415 # heavy: only who reads Parquet pays for it
    import pyarrow.compute as pc  # noqa: PLC0415 # likewise

    def number(name: str) -> Any:
        return pairs[name].cast(pa.float64())

    def flag(name: str) -> Any:
        return pairs[name].cast("int8").cast(pa.float64())

    before, after = flag("success"), flag("success_b")
    change = pc.subtract(after, before)
    columns = {"policy": pairs["name"], "trace": pairs["identity"], "before": before}
    columns |= {"after": after, "success": change}
    columns["gained"] = pc.greater(change, 0).cast("int8").cast(pa.float64())
    columns["lost"] = pc.less(change, 0).cast("int8").cast(pa.float64())
    for name, column in (("steps", "steps_to_success"), ("reward", "total_reward")):
        columns[name] = pc.subtract(number(f"{column}_b"), number(column))
    for name in ("cpu", "memory"):
        columns[name] = pc.subtract(number(f"{name}_b"), number(name))
    adding = Adding(_MEASURES)
    adding.add(pa.table(columns))
    sums = adding.sums()
    names = sorted(sums["success"])
    groups = {name: {one: list(sums[one][name].values()) for one in _MEASURES} for name in names}
    if len(names) > 1:
        groups = {_ALL: {one: _together(sums[one]) for one in _MEASURES}, **groups}
    return [_compared(name, group, rewarded=rewarded) for name, group in groups.items()]


def _together(by_policy: Mapping[str, Mapping[str, Sums]]) -> list[Sums]:
    """Return the sums of each trace, whatever the policy."""
    joined: dict[str, Sums] = {}
    for traces in by_policy.values():
        for trace, one in traces.items():
            known = joined.get(trace, Sums(0, 0.0, 0.0))
            joined[trace] = Sums(
                known.episodes + one.episodes,
                known.total + one.total,
                known.squares + one.squares,
            )
    return list(joined.values())


def _compared(
    name: str, group: Mapping[str, Sequence[Sums]], *, rewarded: bool
) -> PolicyComparison:
    success = difference(group["success"])
    return PolicyComparison(
        policy=name,
        pairs=success.episodes,
        traces=success.traces,
        before=mean(group["before"]).value,
        after=mean(group["after"]).value,
        success=success,
        gained=round(sum(one.total for one in group["gained"])),
        lost=round(sum(one.total for one in group["lost"])),
        steps=mean(group["steps"]),
        reward=mean(group["reward"]) if rewarded else None,
        cpu=mean(group["cpu"]),
        memory=mean(group["memory"]),
    )


def _outcomes(pairs: "pa.Table") -> list[Outcome]:
    import pyarrow.compute as pc  # noqa: PLC0415 # heavy: only who reads Parquet pays for it

    done = [pairs[name] for name in ("success", "success_b")]
    found: list[Outcome] = []
    for healthy, here, there in (("a", done[0], done[1]), ("b", done[1], done[0])):
        rows = pairs.filter(pc.and_(here, pc.invert(there))).slice(0, _MOST_OUTCOMES - len(found))
        found += [
            Outcome(
                row["name"], row["trace"], row["seed"], row["episode"], row["episode_b"], healthy
            )
            for row in rows.to_pylist()
        ]
    return found
