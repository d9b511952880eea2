"""Write docs/fidelity.md from the comparison's Parquet file.

    python -m tests.fidelity.report

The recordings of the real control plane lie beside it in one file; see tests/fidelity/run.py.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow.parquet as pq
from scipy.stats import binomtest

from tests.cluster.build import versions
from tests.fidelity.guidance import ATTEMPTS, ROUNDS
from tests.fidelity.known import KNOWN
from tests.fidelity.run import COMPARED, DATA, DELAYED, RECORDED
from tests.fidelity.store import Row, read
from tests.oracle.report import section

_ROOT = Path(__file__).parents[2]


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's confidence interval of a share, at 95 %.

    Args:
        successes: how often it was so.
        trials: of how many.
    """
    if trials == 0:
        return 0.0, 1.0
    interval = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def _share(successes: int, trials: int) -> str:
    low, high = wilson(successes, trials)
    share = 100 * successes / trials if trials else 0.0
    return f"{share:.2f} % | {100 * low:.2f}-{100 * high:.2f} %"


_TEXT = """\
# Fidelity

<!-- Written by `python -m tests.fidelity.report`; do not edit. -->

How far is the embedded cluster from a real control plane? Random scenarios (a trace, nodes,
parameters; each from a seed) are played on both, and compared after each event has settled:
ready, pending and total of every workload, the placements, and the scheduler's messages.

The real one: Kubernetes {kubernetes} (API server, controller manager, scheduler with default
settings), etcd {etcd}, KWOK {kwok} with SimKube's stages and rewriting; or the objects as they
are (`plain`).

Kubernetes leaves much open: which of equal nodes, which of equally old pods, whose pods come
first when objects are applied together. So there are two comparisons:

- **Free.** The embedded cluster runs each scenario with 256 seeds. A moment agrees if the real
  counts of *all* workloads together are among those that the seeds give; where all seeds give
  the same, they must be equal to it.
- **Guided.** The embedded cluster is given the choices that the real one made: the order of what
  happens within a moment, the node of each pod, the pods that are deleted or preempted. Each
  choice must be one that the engine permits (one of the best nodes at that moment, a pod that may
  go first), and with them the counts, and the pods by workload and node, must be equal.
  (Scenarios of the generator's first version were recorded without the real choices.)

**{scenarios} scenarios, {moments} moments: {percent:.2f} % agree{guided}, {either:.2f} % one way or
the other.**

{recorded}

{overall}

![How many outcomes the seeds give](fidelity.svg)

## By kind of workload

{kinds}

## By feature

{features}

## By size

{sizes}

## Time

Every delay by itself: the guided run takes each beginning from what really happened, and says when
the engine has the end. *Late* is by how much later it really came, as a watch on the API server
saw it. On the real side that is the time that the control plane needs on a busy machine (several
control planes and other work on two cores); and where Kubernetes keeps times in whole seconds (a
Job's back-off and ttl, a pod's readiness), up to a second either way. So an end is in time here if
it came from {early:g} s before to {late:g} s after the engine's.

{delays}

{lags}

## Disagreements

{disagreements}

{plugins}
## Known differences

{known}

## Again

`make fidelity SEED=1000` plays fresh scenarios. `python -m tests.fidelity.run --recorded`
compares the recorded ones with the engine as it is now, `--publish` puts the result here.
"""

_EARLY_S, _LATE_S = 1.0, 3.0
_FRESH = 5100


def report(rows: list[Row], delays: list[Row], recorded: list[Row]) -> str:
    """The text of docs/fidelity.md.

    Args:
        rows: of `comparison.COMPARISONS`.
        delays: of `comparison.DELAYS`.
        recorded: of all recordings, whether they could be compared or not, `version` and `seed`.
    """
    scenarios = {_name(row) for row in rows}
    wrong = {_name(row) for row in rows if not row["agrees"]}
    guided = [row["guided"] for row in rows if row["guided"] is not None]
    share = f" freely, {100 * sum(guided) / len(guided):.2f} % guided" if guided else ""
    return _TEXT.format(
        **versions(),
        scenarios=f"{len(scenarios):,}",
        moments=f"{len(rows):,}",
        percent=100 * sum(row["agrees"] for row in rows) / len(rows),
        guided=share,
        either=100 * sum(map(_either, rows)) / len(rows),
        recorded=_recorded(rows, len(recorded)),
        overall="\n".join(_overall(rows, len(scenarios), len(wrong))),
        kinds="\n".join(_table(rows, lambda row: row["kinds"])),
        features="\n".join(_table(rows, lambda row: row["features"])),
        sizes="\n".join(_table(rows, lambda row: [_size(row["nodes"])])),
        early=_EARLY_S,
        late=_LATE_S,
        delays="\n".join(_delays(delays)),
        lags=_lags(rows),
        disagreements="\n".join(_disagreements(rows)),
        plugins=section(),
        known=_KNOWN.format(attempts=ATTEMPTS, rounds=ROUNDS),
    )


_KNOWN = """\
- Pauses in which nothing can happen are left out on the real side; the embedded cluster then
  runs on the times that were really taken, so ages of pods are the same on both.
- SimKube's run ends where the API server refuses an object; the embedded cluster goes on. (For
  example: a Deployment applied without a strategy and then with `Recreate` keeps the default
  `rollingUpdate`, and is refused.) Such scenarios count up to the refusal.
- Recordings of the second version in which KWOK took more than 0.5 s to start a bound pod, or the
  API server more than 0.25 s for one object, are of a machine that was held up by other work. 285
  were made again: of the latter the slowest only, and some fifteen because they disagreed, not all
  of which were held up that long. A scenario that was made again counts as it came out then.
- Where pods end and others come in their place, KWOK's own delays add up. The free runs of such
  scenarios start pods as late as it really did, at random from the least to a quarter, half, three
  quarters or all of what was seen, or as late as it did since the event. And they never settle:
  such a moment is looked at when nothing was under way that the embedded cluster does at once (a
  pod between its end and its successor's creation, say), some tenths of a second before.
- Half of the free runs apply the objects of an event as far apart as it was really done, the others
  as it comes.
- What a moment showed is counted from the log of what the API server sent, where there is one.
- ReplicaSets of one Deployment that were created within the same second are ordered by name in the
  real controller, by their making here (seed 5107).
- The pods of a batch are asked for side by side: which of them gets which of SimKube's sequence
  numbers, and with it which lifecycle, is open. Freely, neighbours change places at random; a
  guided run is given the numbers that the pods really got.
- The real scheduler takes some tens of milliseconds for a pod, the embedded one none: where many
  pods wait for the same room, more orders come up than the seeds draw (577, 5021).
- The order of things within a moment is drawn from assumed delays (`sim_arena/engine/order.py`):
  which orders come up is compared, how often each does is not calibrated.
- A deleted pod is gone at once in the embedded cluster. In the real one it is marked, and gone some
  milliseconds later: controllers and spreading take no account of it from its mark on, the rest of
  the scheduler until it is gone, and it may come to its end in between (a Job then counts it as
  one that has succeeded).
- The real controllers act on caches that may be behind. On a busy machine the StatefulSet
  controller was seen to delete, by its name, a pod that it had made anew a moment before.
  It comes to nothing where a guided run counts the two as one.
- A guided run is told too when a quota refused a pod: that it had to is compared freely.
- What the scheduler decides and when is known from the news of it, to some 60 ms, or 250 ms on a
  busy machine. A guided run is tried with times that differ by that, {attempts} at once and at most
  {rounds} times over: as long as none agrees to the end, the next start from the one that agrees
  for longest, and draw the times anew of what was decided around its first difference."""


def _recorded(rows: list[Row], recorded: int) -> str:
    compared = {_name(row) for row in rows}
    fresh = [row for row in rows if row["version"] > 1 and row["seed"] >= _FRESH]
    fine = len(fresh) - sum(not row["agrees"] for row in fresh)
    return (
        f"{recorded:,} scenarios are recorded. {recorded - len(compared)} of them are left out: "
        "their first event is refused by the API server, their speed lets two events fall "
        "together, or they hold what the engine does not model, and says so. The last "
        f"{len({_name(row) for row in fresh})} (seeds from {_FRESH:,}) were played last, "
        f"and nothing was mended for them: {fine} of {len(fresh)} moments agree freely."
    )


def _name(row: Row) -> tuple[int, int]:
    return row["version"], row["seed"]


def _overall(rows: list[Row], scenarios: int, wrong: int) -> list[str]:
    exact = [row["exact"] for row in rows if row["exact"] is not None]
    lines = [
        ("scenarios that agree at every moment, free", scenarios - wrong, scenarios),
        ("moments that agree, free (256 seeds)", sum(r["agrees"] for r in rows), len(rows)),
        ("moments that agree (2,048 seeds)", sum(r["agrees_with_more"] for r in rows), len(rows)),
        ("moments with one possible outcome: equal", sum(exact), len(exact)),
        (
            "moments whose messages agree too, free",
            sum(r["reasons_agree"] for r in rows),
            len(rows),
        ),
    ]
    for name, field in _GUIDED.items():
        known = [row[field] for row in rows if row[field] is not None]
        lines.append((name, sum(known), len(known)))
    lines.append(
        ("moments that agree freely (2,048 seeds) or guided", sum(map(_either, rows)), len(rows))
    )
    both = [row for row in rows if row["guided"] is not None]
    agree = sum(bool(row["agrees_with_more"] and row["guided"]) for row in both)
    lines.append(("guided moments that agree freely (2,048 seeds) and guided", agree, len(both)))
    head = ["| | agree | of | share | 95 % interval |", "|---|---:|---:|---:|---:|"]
    return head + [f"| {name} | {n} | {of} | {_share(n, of)} |" for name, n, of in lines]


_GUIDED = {
    "moments that agree, guided": "guided",
    "of these: every choice permitted": "guided_permitted",
    "of these: counts equal": "guided_counts",
    "of these: placements equal": "guided_placements",
    "moments whose messages agree too, guided": "guided_messages",
}


def _either(row: Row) -> bool:
    return bool(row["agrees_with_more"] or row["guided"])


def _delays(delays: list[Row]) -> list[str]:
    """Delays by what they are of: how late, and the share that is in time."""
    found: dict[str, list[float]] = {}
    for row in delays:
        found.setdefault(row["what"], []).append(row["late_s"])
    head = "| | number | median late, s | 5-95 %, s | in time | share | 95 % interval |"
    lines = [head, "|---|---:|---:|---:|---:|---:|---:|"]
    for what, late in sorted(found.items()):
        late.sort()
        low, middle, high = (late[int(q * (len(late) - 1))] for q in (0.05, 0.5, 0.95))
        good = sum(-_EARLY_S <= s <= _LATE_S for s in late)
        spread = f"{low:.2f} to {high:.2f}"
        share = _share(good, len(late))
        lines.append(f"| {what} | {len(late)} | {middle:.2f} | {spread} | {good} | {share} |")
    return lines


def _lags(rows: list[Row]) -> str:
    late = sorted(row["lag_s"] for row in rows if row["agrees"] and row["lag_s"] > 0)
    if not late:
        return "No moment needed an earlier state of the embedded cluster to agree."
    return (
        f"{len(late)} of {len(rows):,} moments agree freely with a state of the embedded cluster "
        f"from before the moment, by {late[len(late) // 2]:g} s in the middle and at most "
        f"{late[-1]:g} s: the real one was on its way there."
    )


def _table(rows: list[Row], labels: Callable[[Row], Iterable[str]]) -> list[str]:
    """Moments by label; a moment counts under each of its labels."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        for label in labels(row):
            found.setdefault(label, []).append(row)
    lines = [
        "| | moments | agree | share | 95 % interval | guided |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for label, members in sorted(found.items()):
        good = sum(row["agrees"] for row in members)
        guided = [row["guided"] for row in members if row["guided"] is not None]
        shown = f"{sum(guided)} of {len(guided)}" if guided else ""
        share = _share(good, len(members))
        lines.append(f"| {label} | {len(members)} | {good} | {share} | {shown} |")
    return lines


def _size(nodes: int) -> str:
    for low, high in ((1, 1), (2, 4), (5, 12), (13, 50)):
        if low <= nodes <= high:
            return f"{low:02d} node" if low == high else f"{low:02d}-{high:02d} nodes"
    return "more than 50 nodes"


def _disagreements(rows: list[Row]) -> list[str]:
    """Moments that do not agree, free or guided, with what is known of them."""
    wrong = [row for row in rows if not row["agrees"] or row["guided"] is False]
    if not wrong:
        return ["None."]
    lines = [
        "| version | seed | moment | outcomes | free | 2,048 seeds | guided | what |",
        "|---:|---:|---:|---:|---|---|---|---|",
    ]
    for row in wrong:
        free = "agrees" if row["agrees"] else "differs"
        more = "agrees" if row["agrees_with_more"] else "differs"
        guided = {True: "agrees", False: "differs", None: ""}[row["guided"]]
        reason = KNOWN.get(_name(row)) or "; ".join((row["complaints"] or [])[:1])
        where = f"{row['version']} | {row['seed']} | {row['moment']} | {row['width']}"
        lines.append(f"| {where} | {free} | {more} | {guided} | {reason} |")
    return lines


_BINS = ((1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (17, 32), (33, 64), (65, 128), (129, 256))


def figure(rows: list[Row]) -> str:
    """An SVG: how many different outcomes 256 seeds give, by number of moments."""
    counts = [sum(low <= row["width"] <= high for row in rows) for low, high in _BINS]
    most = max(counts)
    bars: list[str] = []
    for i, ((low, high), count) in enumerate(zip(_BINS, counts, strict=True)):
        height = 150 * math.log1p(count) / math.log1p(most)
        x = 30 + 50 * i
        label = str(low) if low == high else f"{low}-{high}"
        bars += [
            f'<rect x="{x}" y="{180 - height:.1f}" width="40" height="{height:.1f}"/>',
            f'<text x="{x + 20}" y="{174 - height:.1f}">{count}</text>',
            f'<text x="{x + 20}" y="196">{label}</text>',
        ]
    title = "Moments by the number of outcomes that 256 seeds give (heights are logarithms)"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 500 225" font-family="sans-serif" '
        f'font-size="11" text-anchor="middle" role="img"><title>{title}</title>'
        '<rect width="500" height="225" fill="#fff"/>'
        f'<g fill="#36c">{"".join(b for b in bars if b.startswith("<rect"))}</g>'
        f'<g fill="#222">{"".join(b for b in bars if b.startswith("<text"))}'
        f'<text x="250" y="216">{title}</text></g></svg>\n'
    )


def main(arguments: list[str] | None = None) -> int:
    """Write the document and its figure."""
    parser = argparse.ArgumentParser(prog="python -m tests.fidelity.report", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--comparison", type=Path, default=DATA / COMPARED)
    parser.add_argument("--out", type=Path, default=_ROOT / "docs")
    chosen = parser.parse_args(arguments)
    rows = list(read([chosen.comparison]))
    columns = ["version", "seed"]
    recorded = pq.read_table(DATA / RECORDED, columns=columns).to_pylist()
    delays = list(read([chosen.comparison.with_name(DELAYED)]))
    (chosen.out / "fidelity.md").write_text(report(rows, delays, recorded))
    (chosen.out / "fidelity.svg").write_text(figure(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
