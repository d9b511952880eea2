"""A comparison of two runs as sections of tables."""

from collections.abc import Mapping, Sequence

from results.comparison import Comparison, PolicyComparison
from results.intervals import Estimate
from results.report.document import Cell, Document, Section, Table, head
from results.report.words import UNKNOWN, count, interval, percent, signed
from results.words import many

__all__ = ["compared"]

_NOTES = (
    (
        "Each episode of B is set against the one of A with the same trace, workload and seed, and "
        "the same of whatever else the runs varied. Differences are B minus A."
    ),
    (
        "Intervals hold with 95 % confidence for traces like these; pairs on one trace count as "
        "one cluster. Differences of shares have Bonett and Price's interval, means Student's. "
        "Where all pairs are alike, a mean has no interval."
    ),
)


def compared(found: Comparison) -> Document:
    """Return a comparison as a document."""
    facts = [("A", found.a), ("B", found.b), ("Pairs", count(found.pairs))]
    if found.unassessable:
        facts.append(("Left out, not assessable", count(found.unassessable)))
    facts += [("Only in A", count(found.only_a)), ("Only in B", count(found.only_b))]
    sections = []
    if found.differently:
        sections.append(_two("asked", "Asked differently", found.differently))
    if found.versions:
        sections.append(_two("versions", "Played with other versions", found.versions))
    if found.policies:
        sections += [_success(found.policies), _figures(found.policies)]
    if found.outcomes:
        sections.append(_outcomes(found))
    return Document(f"{found.a} and {found.b}", _headline(found), facts, sections, _NOTES)


def _headline(found: Comparison) -> str:
    if not found.policies:
        return (
            f"Nothing is known of success: of {many(found.pairs, 'pair')} of episodes none could "
            "be assessed in both."
        )
    whole = found.policies[0]
    moved = f"from {percent(whole.before)} to {percent(whole.after)}"
    if whole.before == whole.after and not whole.gained:
        moved = f"{percent(whole.after)} in both"
    left = f"; {count(found.unassessable)} more could not be assessed" * bool(found.unassessable)
    return (
        f"Success {moved} over {many(whole.pairs, 'pair')} of episodes: "
        f"{count(whole.gained)} gained, {count(whole.lost)} lost{left}."
    )


def _two(
    key: str, title: str, values: Mapping[str, tuple[Sequence[str], Sequence[str]]]
) -> Section:
    """Return a section of what is different between the two."""
    rows = [
        [Cell(name.replace("_", " ")), *(Cell(_some(one)) for one in both)]
        for name, both in values.items()
    ]
    return Section(key, title, [Table("What is different", head("", "A", "B"), rows)])


def _some(values: Sequence[str]) -> str:
    shown = ", ".join(value or UNKNOWN for value in values[:3])
    return f"{shown} and {len(values) - 3} more" if len(values) > 3 else shown


def _success(policies: Sequence[PolicyComparison]) -> Section:
    rows = [
        [
            Cell(one.policy),
            Cell(count(one.pairs)),
            Cell(count(one.traces)),
            Cell(percent(one.before)),
            Cell(percent(one.after)),
            Cell(signed(None if one.success.value is None else 100 * one.success.value, 1)),
            Cell(interval(one.success, 1, 100)),
            Cell(count(one.gained)),
            Cell(count(one.lost)),
        ]
        for one in policies
    ]
    columns = head(
        *("Policy", "Pairs#", "Traces#", "A#", "B#", "B - A#|points", "95 % interval#|points"),
        *("Gained#|pairs", "Lost#|pairs"),
    )
    return Section("success", "Success", [Table("Episodes that ended healthy", columns, rows)])


def _figures(policies: Sequence[PolicyComparison]) -> Section:
    rows = []
    for one in policies:
        for name, unit, found, digits, scale in (
            ("total reward", "", one.reward, 3, 1.0),
            ("steps to success", "steps", one.steps, 2, 1.0),
            ("CPU requested", "cores a pod", one.cpu, 3, 1 / 1000),
            ("memory requested", "GiB a pod", one.memory, 3, 1 / 2**30),
        ):
            if found is not None:
                rows.append(_figure(one.policy, name, unit, found, digits, scale))
    lines = [
        (
            "Steps and requests are those of the pairs that ended healthy in both runs. Rewards "
            "are compared only where both runs have one, and the same."
        )
    ]
    columns = head("Policy", "Figure", "Unit", "B - A#", "95 % interval#", "Pairs#")
    return Section(
        "figures", "Rewards, steps, requests", [Table("Mean differences", columns, rows)], lines
    )


def _figure(  # noqa: PLR0913, PLR0917 # a row has so many cells
    policy: str, name: str, unit: str, found: Estimate, digits: int, scale: float
) -> list[Cell]:
    value = None if found.value is None else scale * found.value
    return [
        Cell(policy),
        Cell(name),
        Cell(unit or UNKNOWN),
        Cell(signed(value, digits)),
        Cell(interval(found, digits, scale)),
        Cell(count(found.episodes)),
    ]


def _outcomes(found: Comparison) -> Section:
    rows = [
        [
            Cell("lost" if one.healthy == "a" else "gained"),
            Cell(one.policy),
            Cell(one.trace),
            Cell(count(one.seed)),
            Cell(f"{found.a}:{one.a}"),
            Cell(f"{found.b}:{one.b}"),
        ]
        for one in found.outcomes
    ]
    columns = head("Outcome", "Policy", "Trace", "Seed#", "A", "B")
    lines = ["sim-arena runs replay plays such an episode again."]
    whole = found.policies[0].gained + found.policies[0].lost
    if whole > len(rows):
        lines.append(f"{count(whole - len(rows))} more are not shown.")
    return Section("outcomes", "Ended differently", [Table("Pairs", columns, rows)], lines)
