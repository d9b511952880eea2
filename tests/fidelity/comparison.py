"""Compares a recording with what the embedded cluster may show, moment by moment.

Kubernetes leaves much open: which of equal nodes, which of equally old pods, whose pods come
first. So the embedded cluster runs with many seeds, and what really happened has to be among
what they give: `agrees`. Where they all give the same, it has to be just that: `exact`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa

from tests.fidelity.embedded import Outcome, compile_recording, outcomes, variants
from tests.fidelity.guidance import guide
from tests.fidelity.recording import Recording
from tests.fidelity.rest import at_rest
from tests.fidelity.scenarios import Scenario
from tests.fidelity.store import Row

SEEDS = 256
# What 256 runs did not show is looked for in more: rare is not impossible.
MORE_SEEDS = 2048
_AT_ONCE = 1024  # a run of a large scenario takes megabytes

_COUNTS = pa.struct(
    [
        ("workload", pa.string()),
        ("ready", pa.int32()),
        ("pending", pa.int32()),
        ("total", pa.int32()),
    ]
)
COMPARISONS = pa.schema(
    [
        ("seed", pa.int64()),
        ("version", pa.int32()),
        ("replay", pa.string()),
        ("features", pa.list_(pa.string())),
        ("kinds", pa.list_(pa.string())),
        ("nodes", pa.int32()),
        ("moment", pa.int32()),
        ("due_s", pa.int32()),
        ("real", pa.list_(_COUNTS)),
        ("embedded", pa.list_(_COUNTS)),  # the most frequent outcome
        ("agrees", pa.bool_()),
        ("agrees_with_more", pa.bool_()),
        ("exact", pa.bool_()),  # null where the seeds differ
        ("share", pa.float64()),  # of seeds that gave the real counts
        ("width", pa.int32()),  # different counts among the seeds
        ("reasons_agree", pa.bool_()),
        ("lag_s", pa.float64()),  # how much earlier the embedded cluster was there
        # With the real choices; null where they were not recorded.
        ("guided", pa.bool_()),
        ("guided_permitted", pa.bool_()),
        ("guided_counts", pa.bool_()),
        ("guided_placements", pa.bool_()),
        ("guided_messages", pa.bool_()),
        ("complaints", pa.list_(pa.string())),
        ("seeds", pa.int32()),
        ("settle_s", pa.float64()),
        ("wall_s", pa.float64()),  # of the whole scenario on the real control plane
        ("unmodelled", pa.list_(pa.string())),
        ("error", pa.string()),
    ]
)


DELAYS = pa.schema(
    [
        ("version", pa.int32()),
        ("seed", pa.int64()),
        ("what", pa.string()),
        ("late_s", pa.float64()),
    ]
)


class Comparison(NamedTuple):
    """What was found of one recording.

    Attributes:
        rows: of `COMPARISONS`, one a moment.
        delays: of `DELAYS`.
        unmodelled: what the engine does not model; if there is such a thing, nothing was
            compared.
    """

    rows: list[Row]
    delays: list[Row]
    unmodelled: tuple[str, ...]


def compare(recording: Recording, seeds: int = SEEDS, *, guided: bool = True) -> Comparison:
    """Compare a recording with the engine: free, and guided by the real choices.

    Args:
        recording: what the real control plane did.
        seeds: how many free runs.
        guided: whether to run guided too, if the choices were recorded.
    """
    if not recording.moments:
        return Comparison([], [], ())
    recording = at_rest(recording)
    program = compile_recording(recording)
    unmodelled = tuple(unmodelled_in(recording.scenario, program.warnings))
    if unmodelled:
        return Comparison([], [], unmodelled)
    programs = variants(recording, program)
    supports = outcomes(recording, programs, range(seeds))
    rows = [
        _row(recording, number, support, program.warnings)
        for number, support in enumerate(supports)
    ]
    for first in range(seeds, MORE_SEEDS, _AT_ONCE):
        if all(row["agrees_with_more"] for row in rows):
            break
        wide = outcomes(recording, programs, range(first, min(first + _AT_ONCE, MORE_SEEDS)))
        for row, support, moment in zip(rows, wide, recording.moments, strict=True):
            real = _numbers(moment.workloads)
            row["agrees_with_more"] |= any(real in numbers_of(s) for s in support.values())
    return Comparison(rows, list(_guided(recording, rows)) if guided else [], ())


def unmodelled_in(scenario: Scenario, warnings: Iterable[str]) -> Iterator[str]:
    """Those of a program's warnings for which its scenario cannot be compared."""
    for text in warnings:
        # A Pod's image may be changed, which is all that the scenarios change of one.
        if "containers cannot be changed" in text:
            continue
        # It refuses Jobs of the trace, where a recording ends, and those that CronJobs start.
        if "count/jobs.batch" in text and "CronJob" not in scenario.kinds:
            continue
        # At a high speed SimKube's pods may end at once: the difference shows, if there is one.
        if "run for less than 1 s" in text:
            continue
        yield text


def _guided(recording: Recording, rows: list[Row]) -> Iterator[Row]:
    """Add to the rows what guided runs show; yield the delays."""
    if not recording.log:
        return
    found = guide(recording)
    for row, verdict in zip(rows, found.verdicts, strict=True):
        row["guided"] = verdict.agrees
        row["guided_permitted"] = verdict.permitted
        row["guided_counts"] = verdict.counts
        row["guided_placements"] = verdict.placements
        row["guided_messages"] = verdict.messages
        row["complaints"] = list(verdict.complaints)
    scenario = recording.scenario
    for delay in found.delays:
        yield {"version": scenario.version, "seed": scenario.seed, **delay._asdict()}


def _row(
    recording: Recording,
    number: int,
    supports: dict[float, Counter[Outcome]],
    warnings: tuple[str, ...],
) -> Row:
    scenario, moment = recording.scenario, recording.moments[number]
    real = _numbers(moment.workloads)
    lag = next((lag for lag in sorted(supports) if real in numbers_of(supports[lag])), 0.0)
    support = supports[lag]
    counts = numbers_of(support)
    agrees = real in counts
    return {
        "seed": scenario.seed,
        "version": scenario.version,
        "replay": scenario.replay,
        "features": list(scenario.features),
        "kinds": list(scenario.kinds),
        "nodes": len(scenario.nodes),
        "moment": number,
        "due_s": moment.due,
        "real": _as_rows(moment.workloads),
        "embedded": _as_rows(support.most_common(1)[0][0]),
        "agrees": agrees,
        "agrees_with_more": agrees,
        "exact": agrees if len(counts) == 1 else None,
        "share": counts[real] / counts.total(),
        "width": len(counts),
        "reasons_agree": any(moment.workloads in found for found in supports.values()),
        "lag_s": lag,
        "seeds": support.total(),
        "settle_s": (moment.seen - moment.applied) / 1e9,
        "wall_s": recording.wall_s,
        "unmodelled": list(warnings),
        "error": recording.error,
    }


Numbers = tuple[tuple[str, str, str, int, int, int], ...]


def _numbers(outcome: Outcome) -> Numbers:
    return tuple((o.kind, o.namespace, o.name, *o.numbers) for o in outcome)


def numbers_of(support: Counter[Outcome]) -> Counter[Numbers]:
    """The support of the counts alone."""
    found: Counter[Numbers] = Counter()
    for outcome, seeds in support.items():
        found[_numbers(outcome)] += seeds
    return found


def _as_rows(outcome: Outcome) -> list[Row]:
    return [
        {
            "workload": f"{o.kind} {o.namespace}/{o.name}",
            "ready": o.ready,
            "pending": o.pending,
            "total": o.total,
        }
        for o in outcome
    ]


def explain(recording: Recording, row: Row) -> Iterator[str]:
    """Lines about a moment that does not agree: what each side counts, where they differ."""
    yield (
        f"version {row['version']} seed {row['seed']} moment {row['moment']} ({row['replay']}, "
        f"{row['nodes']} nodes): {row['width']} outcomes, with more seeds "
        f"{'agrees' if row['agrees_with_more'] else 'DIFFERS'}, guided "
        f"{ {True: 'agrees', False: 'DIFFERS', None: 'not'}[row.get('guided')] }"
    )
    yield from (f"  guided: {text}" for text in (row.get("complaints") or ())[:8])
    for real, own in zip(row["real"], row["embedded"], strict=True):
        if real != own:
            counts = ("ready", "pending", "total")
            yield (
                f"  {real['workload']}: real {[real[c] for c in counts]}, "
                f"embedded mostly {[own[c] for c in counts]}"
            )
    if recording.error is not None:
        yield f"  the real one stopped: {recording.error}"
