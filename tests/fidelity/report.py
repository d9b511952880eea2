"""Write docs/fidelity.md from the comparison's Parquet file.

    python -m tests.fidelity.report

The recordings of the real control plane lie beside it in one file; see tests/fidelity/run.py.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.cluster.build import versions
from tests.fidelity.run import COMPARED, DATA
from tests.fidelity.store import Row, read

_Z = 1.959964  # 95 %
_ROOT = Path(__file__).parents[2]


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's confidence interval of a share, at 95 %.

    Args:
        successes: how often it was so.
        trials: of how many.
    """
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    middle = share + _Z**2 / (2 * trials)
    spread = _Z * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    scale = 1 + _Z**2 / trials
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def _share(successes: int, trials: int) -> str:
    low, high = wilson(successes, trials)
    share = 100 * successes / trials if trials else 0.0
    return f"{share:.2f} % | {100 * low:.2f}-{100 * high:.2f} %"


_TEXT = """\
# Fidelity

<!-- Written by `python -m tests.fidelity.report`; do not edit. -->

How far is the embedded cluster from a real control plane? Random scenarios (a trace, nodes,
parameters; each from a seed) are played on both, and compared after each event has settled:
ready, pending and total of every workload, and the scheduler's messages.

The real one: Kubernetes {kubernetes} (API server, controller manager, scheduler with default
settings), etcd {etcd}, KWOK {kwok} with SimKube's stages and rewriting; or the objects as they
are (`plain`).

Kubernetes leaves much open: which of equal nodes, which of equally old pods, whose pods come
first when objects are applied together. So the embedded cluster runs each scenario with 256
seeds. A moment agrees if the real counts of *all* workloads together are among those that the
seeds give; where all seeds give the same, they must be equal to it.

**{scenarios} scenarios, {moments} moments: {percent:.2f} % agree.**

{overall}

![How many outcomes the seeds give](fidelity.svg)

## By kind of workload

{kinds}

## By feature

{features}

## By size

{sizes}

## Disagreements

{disagreements}

## Known differences

{known}

## Again

`make fidelity SEED=1000` plays fresh scenarios. `python -m tests.fidelity.run --recorded`
compares the recorded ones with the engine as it is now.
"""


def report(rows: list[Row]) -> str:
    """The text of docs/fidelity.md."""
    scenarios = {row["seed"] for row in rows}
    wrong = {row["seed"] for row in rows if not row["agrees"]}
    return _TEXT.format(
        **versions(),
        scenarios=len(scenarios),
        moments=len(rows),
        percent=100 * sum(row["agrees"] for row in rows) / len(rows),
        overall="\n".join(_overall(rows, len(scenarios), len(wrong))),
        kinds="\n".join(_table(rows, lambda row: row["kinds"])),
        features="\n".join(_table(rows, lambda row: row["features"])),
        sizes="\n".join(_table(rows, lambda row: [_size(row["nodes"])])),
        disagreements="\n".join(_disagreements(rows)),
        known=_KNOWN,
    )


_KNOWN = """\
- Pauses in which nothing can happen are left out on the real side; the embedded cluster then
  runs on the times that were really taken, so ages of pods are the same on both.
- SimKube's run ends where the API server refuses an object; the embedded cluster goes on. (For
  example: a Deployment applied without a strategy and then with `Recreate` keeps the default
  `rollingUpdate`, and is refused.) Such scenarios count up to the refusal.
- The order of things within a moment is drawn from assumed delays (`sim_arena/engine/order.py`):
  which orders come up is compared, how often each does is not calibrated.
- Of pods of different priority that come up within one moment, one that comes later can be tried
  before one that is there already.
- What these scenarios do not contain yet: DaemonSet, Job, CronJob, priorities and preemption,
  preferred node affinity, spread and affinity rules, quotas and LimitRanges, lifecycles."""


def _overall(rows: list[Row], scenarios: int, wrong: int) -> list[str]:
    exact = [row["exact"] for row in rows if row["exact"] is not None]
    lines = [
        ("scenarios that agree at every moment", scenarios - wrong, scenarios),
        ("moments that agree (256 seeds)", sum(r["agrees"] for r in rows), len(rows)),
        ("moments that agree (8,192 seeds)", sum(r["agrees_with_more"] for r in rows), len(rows)),
        ("moments with one possible outcome: equal", sum(exact), len(exact)),
        ("moments whose messages agree too", sum(r["reasons_agree"] for r in rows), len(rows)),
    ]
    head = ["| | agree | of | share | 95 % interval |", "|---|---:|---:|---:|---:|"]
    return head + [f"| {name} | {n} | {of} | {_share(n, of)} |" for name, n, of in lines]


def _table(rows: list[Row], labels: Callable[[Row], Iterable[str]]) -> list[str]:
    """Moments by label; a moment counts under each of its labels."""
    found: dict[str, list[bool]] = {}
    for row in rows:
        for label in labels(row):
            found.setdefault(label, []).append(row["agrees"])
    lines = ["| | moments | agree | share | 95 % interval |", "|---|---:|---:|---:|---:|"]
    for label, verdicts in sorted(found.items()):
        good = sum(verdicts)
        lines.append(f"| {label} | {len(verdicts)} | {good} | {_share(good, len(verdicts))} |")
    return lines


def _size(nodes: int) -> str:
    for low, high in ((1, 1), (2, 4), (5, 12), (13, 50)):
        if low <= nodes <= high:
            return f"{low:02d} node" if low == high else f"{low:02d}-{high:02d} nodes"
    return "more than 50 nodes"


def _disagreements(rows: list[Row]) -> list[str]:
    wrong = [row for row in rows if not row["agrees"]]
    if not wrong:
        return ["None."]
    lines = ["| seed | moment | outcomes | with 8,192 seeds |", "|---:|---:|---:|---|"]
    for row in wrong:
        more = "agrees: rare" if row["agrees_with_more"] else "differs"
        lines.append(f"| {row['seed']} | {row['moment']} | {row['width']} | {more} |")
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
    (chosen.out / "fidelity.md").write_text(report(rows))
    (chosen.out / "fidelity.svg").write_text(figure(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
