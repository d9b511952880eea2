"""Compares a recording with what the embedded cluster may show, moment by moment.

Kubernetes leaves much open: which of equal nodes, which of equally old pods, whose pods come
first. So the embedded cluster runs with many seeds, and what really happened has to be among
what they give: `agrees`. Where they all give the same, it has to be just that: `exact`.
"""

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa

from tests.fidelity.embedded import Outcome, compile_recording, outcomes
from tests.fidelity.recording import Recording
from tests.fidelity.store import Row

SEEDS = 256
# What 256 runs did not show is looked for in more: rare is not impossible.
MORE_SEEDS = 8192

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
        ("seeds", pa.int32()),
        ("settle_s", pa.float64()),
        ("wall_s", pa.float64()),  # of the whole scenario on the real control plane
        ("unmodelled", pa.list_(pa.string())),
        ("error", pa.string()),
    ]
)


def compare(recording: Recording, seeds: int = SEEDS) -> list[Row]:
    """One row of `COMPARISONS` for each moment."""
    if not recording.moments:
        return []
    program = compile_recording(recording)
    supports = outcomes(recording, program, range(seeds))
    rows = [
        _row(recording, number, support, program.warnings)
        for number, support in enumerate(supports)
    ]
    if not all(row["agrees"] for row in rows):
        wide = outcomes(recording, program, range(seeds, MORE_SEEDS))
        for row, support, moment in zip(rows, wide, recording.moments, strict=True):
            row["agrees_with_more"] |= _numbers(moment.workloads) in numbers_of(support)
    return rows


def _row(
    recording: Recording, number: int, support: Counter[Outcome], warnings: tuple[str, ...]
) -> Row:
    scenario, moment = recording.scenario, recording.moments[number]
    counts = numbers_of(support)
    real = _numbers(moment.workloads)
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
        "reasons_agree": moment.workloads in support,
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
        f"seed {row['seed']} moment {row['moment']} ({row['replay']}, {row['nodes']} nodes): "
        f"{row['width']} outcomes, with more seeds "
        f"{'agrees' if row['agrees_with_more'] else 'DIFFERS'}"
    )
    for real, own in zip(row["real"], row["embedded"], strict=True):
        if real != own:
            counts = ("ready", "pending", "total")
            yield (
                f"  {real['workload']}: real {[real[c] for c in counts]}, "
                f"embedded mostly {[own[c] for c in counts]}"
            )
    if recording.error is not None:
        yield f"  the real one stopped: {recording.error}"
