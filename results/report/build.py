"""From a run's or a sweep's files to its report."""

from collections.abc import Mapping, Sequence
from typing import Any

from results.columns import Row
from results.report import policies
from results.report.document import Document
from results.report.episode import of_an_episode
from results.report.measures import Measures
from results.report.words import count, percent
from results.run import Run
from results.sweep import Sweep
from results.words import many

__all__ = ["report"]

_NOTES = (
    (
        "Intervals hold with 95 % confidence for traces like these: the traces are what was "
        "drawn, and episodes on one trace count as one cluster, so that more seeds do not feign "
        "more knowledge. With a single trace they hold for its seeds. Where all are alike, or "
        "there is only one, a mean has no interval."
    ),
    (
        "Shares have Korn and Graubard's interval (Clopper and Pearson's, where each trace was "
        "played once), means Student's, with the variance between the traces."
    ),
    "What is not known is shown as a dash, and is in no mean.",
)


def report(
    result: Run | Sweep,
    measures: Measures,
    episode: Sequence[Row],
    windows: Sequence[Mapping[str, Any]] = (),
    missing: str | None = None,
) -> Document:
    """Return the report of a run or a sweep.

    Args:
        result: the run or the sweep
        measures: its sums
        episode: the steps of the episode that is shown from within; none for no such section
        windows: the windows of its steps, as `sim_arena.timeline` gives them
        missing: why there are no windows, if so
    """
    played = measures.policies
    sections = [policies.success(measures)] if played else []
    if played:
        sections += [
            policies.steps(measures),
            policies.rewards(measures),
            policies.slack(measures),
            policies.killed(measures),
            policies.failures(measures, result.id),
        ]
    if len(measures.traces) > 1:
        sections.append(policies.by_trace(measures))
    sections += of_an_episode(episode, windows, missing)
    kind = "Sweep" if isinstance(result, Sweep) else "Run"
    return Document(
        f"{kind} {result.id}", _headline(measures), _facts(result, measures), sections, _NOTES
    )


def _headline(measures: Measures) -> str:
    sums = [one for policy in measures.policies for one in measures.clusters("success", policy)]
    episodes = sum(one.episodes for one in sums)
    unknown = sum(
        int(one.total)
        for name in measures.policies
        for one in measures.clusters("unassessable", name)
    )
    if not episodes + unknown:
        return "Nothing was played yet."
    done = int(sum(one.total for one in sums))
    if episodes + unknown == 1:
        end = "ended healthy" if done else "did not end healthy"
        end = "cannot be assessed on its cluster" if unknown else end
        return f"One episode of {many(measures.steps, 'step')} {end}."
    found = f"{count(done)} of {count(episodes)} episodes ended healthy"
    found += f" ({percent(done / episodes)})" if episodes else ""
    apart = f", {count(unknown)} more cannot be assessed" if unknown else ""
    return (
        f"{found}{apart}, in {many(measures.steps, 'step')} on "
        f"{many(len(measures.traces), 'trace')}."
    )


def _facts(result: Run | Sweep, measures: Measures) -> list[tuple[str, str]]:
    summary = result.read_summary()
    facts = [
        ("Started", _moment(result.started_at)),
        ("Ended", "not yet" if summary is None else _moment(summary["ended_at"])),
        ("Policies", ", ".join(measures.policies)),
        ("Rewards", ", ".join(sorted(measures.rewards))),
    ]
    parameters = result.parameters
    if isinstance(result, Sweep):
        made = parameters.get("made_with") or {}
        facts += [
            (name, str(made[name])[:12])
            for name in ("sim-arena", "python", "git")
            if made.get(name)
        ]
    else:
        names = {
            "nodes": "Nodes",
            "duration": "Window, s",
            "cluster": "Cluster",
            "deploy": "Workload",
        }
        facts += [
            (label, str(parameters[name])) for name, label in names.items() if name in parameters
        ]
    place = result.store.url if isinstance(result, Sweep) else str(result.path)
    return [*((name, value) for name, value in facts if value), ("Files", place)]


def _moment(text: str) -> str:
    return f"{text[:16].replace('T', ' ')} UTC"
