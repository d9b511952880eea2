"""The sections that compare the policies of a run."""

from collections.abc import Mapping, Sequence

from results.intervals import Estimate, mean, share
from results.report.document import Bar, Cell, Head, Section, Table, head
from results.report.measures import Measures
from results.report.words import UNKNOWN, cores, count, gib, interval, number, percent

__all__ = ["by_trace", "failures", "killed", "rewards", "slack", "steps", "success"]

_MOST_STEPS = 8  # columns of a table
_MOST_GROUPS = 20
_MOST_TRACES = 200
_MOST_POLICIES = 8


def success(measures: Measures) -> Section:
    """Return the shares of the episodes that ended in success."""
    rows = []
    unknown = {
        policy: int(sum(one.total for one in measures.clusters("unassessable", policy)))
        for policy in measures.policies
    }
    for policy in measures.policies:
        found = share(measures.clusters("success", policy))
        errors = sum(one.total for one in measures.clusters("failed", policy))
        rows.append(
            [
                Cell(policy),
                Cell(count(found.episodes + unknown[policy])),
                Cell(count(found.traces)),
                Cell(percent(found.value), bar=_bar(found)),
                Cell(interval(found, 1, 100)),
                Cell(count(int(errors))),
                *(Cell(count(unknown[policy])) for _ in range(any(unknown.values()))),
            ]
        )
    columns = head(
        *("Policy", "Episodes#", "Traces#", "Success#", "95 % interval#|%", "Ended by an error#"),
        *["Not assessable#"] * any(unknown.values()),
    )
    return Section("success", "Success", [Table("Episodes that ended healthy", columns, rows)])


def steps(measures: Measures) -> Section:
    """Return how many steps success took, and the share that was healthy by each step."""
    most = max((max(took) for took in measures.took.values() if took), default=0)
    marks = _marks(most)
    rows = []
    for policy in measures.policies:
        found = mean(measures.clusters("steps_to_success", policy))
        whole = sum(one.episodes for one in measures.clusters("success", policy))
        took: Mapping[int, int] = measures.took.get(policy, {})
        by = [
            sum(times for at, times in took.items() if at <= mark) / whole if whole else None
            for mark in marks
        ]
        cells = [Cell(policy), Cell(number(found.value)), Cell(interval(found))]
        rows.append(cells + [Cell(percent(one, 0), heat=one) for one in by])
    columns = head(
        "Policy", "Mean#|steps", "95 % interval#|steps", *(f"by {mark}#" for mark in marks)
    )
    lines = [
        (
            "The mean is of the episodes that ended healthy; the shares of all that could be "
            "assessed that were healthy by so many steps stand on the right. "
            "A step is one observation, the one that saw the success included."
        )
    ]
    return Section("steps", "Steps to success", [Table("Healthy by step", columns, rows)], lines)


def rewards(measures: Measures) -> Section:
    """Return the mean total reward of an episode, a table for each reward."""
    tables = [_rewards(measures, name) for name in measures.rewards]
    lines = [] if tables else ["No episode has a reward."]
    return Section("rewards", "Rewards", tables, lines)


def _rewards(measures: Measures, name: str) -> Table:
    traces = measures.rewards[name]
    found = {one: mean(list(traces[one].values())) for one in sorted(traces)}
    values = [one.value for one in found.values() if one.value is not None]
    low, high = min([0.0, *values]), max([0.0, *values])
    rows = [
        [
            Cell(policy),
            Cell(number(one.value, 3), bar=_placed(one, low, high)),
            Cell(interval(one, 3)),
            Cell(count(one.episodes)),
        ]
        for policy, one in found.items()
    ]
    columns = head("Policy", "Mean total reward#", "95 % interval#", "Episodes with a reward#")
    return Table(f"Reward {name} of an episode, the sum over its steps", columns, rows)


def slack(measures: Measures) -> Section:
    """Return what healthy pods request and do not use."""
    tables = []
    for resource, title, unit, text, scale in (
        ("cpu", "CPU", "cores a pod", cores, 1 / 1000),
        ("memory", "Memory", "GiB a pod", gib, 1 / 2**30),
    ):
        figures = {
            policy: [
                mean(measures.clusters(f"{resource}_{name}", policy))
                for name in ("before", "after", "used", "slack")
            ]
            for policy in measures.policies
        }
        most = max((one.value or 0 for four in figures.values() for one in four[1:3]), default=0)
        rows = []
        for policy, (before, after, used, spare) in figures.items():
            part = None if spare.value is None or not after.value else spare.value / after.value
            rows.append(
                [
                    Cell(policy),
                    Cell(count(after.episodes)),
                    Cell(text(before.value)),
                    Cell(text(after.value), bar=_of_a_whole(used.value, after.value, most)),
                    Cell(text(used.value)),
                    Cell(text(spare.value)),
                    Cell(interval(spare, 2, scale)),
                    Cell(percent(part, 0)),
                ]
            )
        columns = head(
            "Policy",
            "Healthy episodes#",
            f"Requested at first#|{unit}",
            f"Requested when healthy#|{unit}",
            f"Used#|{unit}",
            f"Slack#|{unit}",
            f"95 % interval#|{unit}",
            "Of the request#",
        )
        tables.append(Table(f"{title}: requested minus used", columns, rows))
    lines = [
        (
            "Means over the episodes that ended healthy and whose usage is known; what was "
            "requested at first is the mean over all episodes. Usage is what the trace's "
            "annotations say."
        )
    ]
    return Section("slack", "Slack", tables, lines)


def killed(measures: Measures) -> Section:
    """Return how many episodes saw containers killed for memory, and CPU throttled."""
    rows = []
    for policy in measures.policies:
        first = share(measures.clusters("killed_first", policy))
        last = share(measures.clusters("killed_last", policy))
        slow = [mean(measures.clusters(f"throttled_{when}", policy)) for when in ("first", "last")]
        rows.append(
            [
                Cell(policy),
                Cell(percent(first.value), bar=_bar(first)),
                Cell(percent(last.value), bar=_bar(last)),
                *(Cell(percent(one.value), bar=_bar(one)) for one in slow),
                Cell(count(slow[1].episodes)),
            ]
        )
    columns = head(
        "Policy",
        "OOM kills at first#|of episodes",
        "at the end#|of episodes",
        "CPU throttled at first#|of the time",
        "at the end#|of the time",
        "Episodes known at the end#",
    )
    lines = [
        (
            "Throttled is the CPU time that was wanted and not given, as a mean over the episodes "
            "whose pods ran; where no pod ran, it is not known."
        )
    ]
    table = Table("OOM kills and throttling, in the first and the last step", columns, rows)
    return Section("killed", "OOM kills and throttling", [table], lines)


def failures(measures: Measures, run_id: str) -> Section:
    """Return the episodes that did not end in success, by reason."""
    groups = measures.failures.groups()
    policies = measures.policies[:_MOST_POLICIES]
    whole = sum(group.episodes for group in groups)
    rows = []
    for group in groups[:_MOST_GROUPS]:
        part = group.episodes / whole
        rows.append(
            [
                Cell(group.reason, note=group.message),
                Cell(count(group.episodes), bar=Bar(part)),
                *(
                    Cell(count(group.policies[one]) if group.policies[one] else UNKNOWN)
                    for one in policies
                ),
                Cell(f"{run_id}:{group.episode}"),
            ]
        )
    lines = [] if rows else ["Every episode that could be assessed ended healthy."]
    if len(groups) > _MOST_GROUPS:
        rest = groups[_MOST_GROUPS:]
        lines.append(
            f"{count(len(rest))} more reasons, of {count(sum(one.episodes for one in rest))} "
            "episodes, are not shown."
        )
    columns = [
        *head("Reason, as seen last", "Episodes#"),
        *(Head(one, number=True) for one in policies),
        Head("Example"),
    ]
    blocks = [Table("Failures by reason", columns, rows)] if rows else []
    if rows:
        lines.append("sim-arena runs replay EXAMPLE plays such an episode again.")
    return Section("failures", "Failures", blocks, lines)


def by_trace(measures: Measures) -> Section:
    """Return the success of each policy on each trace, the hardest traces first."""
    policies = measures.policies[:_MOST_POLICIES]
    rates: dict[str, list[float | None]] = {}
    for trace in measures.traces:
        sums = [measures.sums["success"].get(policy, {}).get(trace) for policy in policies]
        rates[trace] = [one.total / one.episodes if one and one.episodes else None for one in sums]
    ordered = sorted(rates, key=lambda trace: (_repaired(rates[trace]), trace))
    rows = [
        [Cell(trace), *(Cell(percent(one, 0), heat=one) for one in rates[trace])]
        for trace in ordered[:_MOST_TRACES]
    ]
    more = len(ordered) - len(rows)
    lines = ["Those that the fewest episodes repaired come first."]
    if more > 0:
        lines.append(f"{count(more)} more traces, which more episodes repaired, are not shown.")
    columns = [Head("Trace"), *(Head(policy, number=True) for policy in policies)]
    table = Table(f"Success on each of {count(len(rows))} traces", columns, rows, folded=True)
    return Section("traces", "By trace", [table], lines)


def _repaired(rates: Sequence[float | None]) -> float:
    """Return how often a trace was repaired, to sort by; one of which nothing is known is last."""
    known = [rate for rate in rates if rate is not None]
    return sum(known) / len(known) if known else 2.0


def _marks(most: int) -> list[int]:
    """Return the steps that get a column: the first ones, few of the later, the last."""
    spread = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100)
    marks = [one for one in spread if one < most][:_MOST_STEPS]
    return [*marks, most] if most else []


def _bar(estimate: Estimate) -> Bar | None:
    if estimate.value is None:
        return None
    low, high = estimate.low, estimate.high
    if low is not None and high is not None:
        low, high = max(0.0, low), min(1.0, high)
    return Bar(estimate.value, low, high)


def _placed(estimate: Estimate, low: float, high: float) -> Bar | None:
    """Return where an estimate lies between two numbers; only rewards from 0 on get a bar."""
    if estimate.value is None or high <= low or low < 0:
        return None
    ends = [
        None if one is None else min(1.0, max(0.0, one / high))
        for one in (estimate.low, estimate.high)
    ]
    return Bar(estimate.value / high, *ends)


def _of_a_whole(value: float | None, whole: float | None, most: float) -> Bar | None:
    if value is None or whole is None or most <= 0:
        return None
    return Bar(value / most, whole=whole / most)
