"""The section of a report that shows one episode from within."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from results.columns import Row
from results.episodes import net_changes
from results.report.document import Bar, Cell, Chart, Code, Section, Strip, Table, head
from results.report.failures import without_preemption
from results.report.words import UNKNOWN, cores, count, gib, number, percent, span

__all__ = ["STATES", "of_an_episode"]

STATES = {
    "ready": "ready",
    "not_ready": "running, not ready",
    "crashed": "crashed, waits for its restart",
    "pending": "pending, on no node",
}
"""The states of a pod, from the bottom of a chart to its top."""

_HEIGHT = 100
_MOST_NODES = 12
_MOST_CHANGES = 200
_MOST_WINDOWS = 30

Window = Mapping[str, Any]
"""A window as `sim_arena.timeline.Timeline` describes it."""


def of_an_episode(
    rows: Sequence[Row], windows: Sequence[Window], missing: str | None
) -> list[Section]:
    """Return the sections of one episode.

    Args:
        rows: its steps
        windows: the windows of its steps; one that replayed what the step before did has none
        missing: why there are none, if so
    """
    if not rows:
        return []
    first = rows[0]
    asked = (
        f"Episode {first['episode']}: {first['policy']} on {first['trace']}, seed {first['seed']}, "
        f"target {count(first['target'])} ready pods"
    )
    table = Table("Step by step", _STEP_HEAD, [_step(row) for row in rows])
    blocks: list[Table | Chart | Code] = [table]
    if text := _difference(rows):
        blocks.append(Code(text, "diff"))
    sections = [Section("episode", "One episode", blocks, [asked])]
    if missing is not None:
        return [*sections, Section("timeline", "Pods on each node", [], [missing])]
    if windows:
        sections += [_timelines(windows, rows), _packing([*windows[:1], *windows[1:][-1:]])]
    return sections


_STEP_HEAD = head(
    "Step#", "Ready#|pods", "Pending#|pods", "Total#|pods", "Seen", "Action", "Changed", "Reward#"
)


def _step(row: Row) -> list[Cell]:
    return [
        Cell(count(row["step"] + 1)),
        Cell(count(row.get("obs_ready"))),
        Cell(count(row.get("obs_pending"))),
        Cell(count(row.get("obs_total"))),
        Cell("; ".join(_seen(row)) or UNKNOWN),
        Cell(_action(row), note="; ".join(row["notes"] or ()) or None),
        Cell("; ".join(dict.fromkeys(_change(one) for one in row["changes"] or ())) or UNKNOWN),
        Cell(number(row["reward"], 3)),
    ]


def _seen(row: Row) -> Iterable[str]:
    if row["success"]:
        yield "healthy"
    reasons = row.get("obs_reasons") or {}
    for message, pods in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        yield f"{pods} x {without_preemption(message)}"
    if row.get("obs_oom_killed"):
        yield f"{count(row['obs_oom_killed'])} OOM kills"
    if row.get("obs_throttled"):
        yield f"CPU throttled by {percent(row['obs_throttled'], 0)}"
    if row["error"] is not None:
        yield f"error: {row['error']}"


def _action(row: Row) -> str:
    action = row["action"]
    if action is None:
        return UNKNOWN
    words = [action.get("type"), action.get("container"), action.get("step")]
    return " ".join(str(word) for word in words if word is not None)


def _change(change: Mapping[str, Any]) -> str:
    before, after = (change[when] or "unset" for when in ("before", "after"))
    return f"{change['field']} {before} → {after}"


def _difference(rows: Sequence[Row]) -> str:
    """Return what the whole episode changed, as a difference."""
    lines: list[str] = []
    place: tuple[Any, ...] | None = None
    shown = set()
    for change in net_changes(rows):
        here = (
            change.get("kind"),
            change.get("namespace"),
            change.get("name"),
            change.get("container"),
        )
        key = (*here, change["field"], change["before"], change["after"])
        if key in shown:  # every event that carries the workload is edited alike
            continue
        shown.add(key)
        if here != place:
            place = here
            names = zip(("", "namespace ", "", "container "), here, strict=True)
            told = [f"{what}{name}" for what, name in names if name is not None]
            lines.append(f"  {_line(', '.join(told))}")
        for sign, when in (("-", "before"), ("+", "after")):
            if change[when] is not None:
                lines.append(f"{sign}   {_line(change['field'])}: {_line(change[when])}")
    return "\n".join(lines)


def _line(text: object) -> str:
    return " ".join(str(text).split())


# ---- the pods on each node --------------------------------------------------------------------


def _timelines(windows: Sequence[Window], rows: Sequence[Row]) -> Section:
    lines = [
        "Each strip shows the pods by state over the window; all share one scale.",
        "A step that replayed what the one before did saw the same, and is not drawn again.",
    ]
    if len(windows) > _MOST_WINDOWS:
        lines.append(f"{len(windows) - _MOST_WINDOWS} of the windows before the last are left out.")
        windows = [*windows[: _MOST_WINDOWS - 1], windows[-1]]
    row = rows[0]
    cluster = row.get("cluster")
    if cluster not in {None, "embedded"}:
        lines.append(
            f"The episode was played on {cluster}; what is drawn is what the embedded cluster "
            "makes of its traces."
        )
    shown = _shown(windows)
    strips = [_strips(one, *shown, str(row.get("deploy") or "the workload")) for one in windows]
    most = max(1, *(max(_totals(states), default=0) for one in strips for _, states in one))
    last = len(windows) - 1
    charts = [
        _chart(window["times"], one, most, _when(window, rows, at, last), folded=0 < at < last)
        for at, (window, one) in enumerate(zip(windows, strips, strict=True))
    ]
    return Section("timeline", "Pods on each node", charts, lines)


def _when(window: Window, rows: Sequence[Row], at: int, last: int) -> str:
    """Return a window's title: its step, and what was done before it."""
    if at == 0:
        return "Step 1, before the repair" if last else "Step 1"
    step = f"Step {window['step'] + 1}"
    if at == last:
        return f"{step}, {'after the repair' if rows[-1]['success'] else 'the last'}"
    before = next(row for row in reversed(rows) if row["step"] < window["step"])
    return f"{step}, after {_action(before)}"


_States = Mapping[str, Sequence[int]]
_Strips = list[tuple[str, _States]]


def _strips(window: Window, nodes: Sequence[int], rest: Sequence[int], workload: str) -> _Strips:
    """Return what is drawn of a window, from the top: the workload, the nodes, what waits."""
    rows: _Strips = [(workload, window["workload"])]
    rows += [(window["nodes"][n]["name"], window["nodes"][n]["states"]) for n in nodes]
    if rest:
        others = [window["nodes"][n]["states"] for n in rest]
        rows.append((f"{len(rest)} other nodes", _added(others)))
    if any(window["pending"]):
        rows.append(("on no node", {"pending": window["pending"]}))
    return rows


def _shown(windows: Sequence[Window]) -> tuple[list[int], list[int]]:
    """Return the numbers of the nodes that are drawn, and of the others."""
    total = len(windows[0]["nodes"])
    if total <= _MOST_NODES:
        return list(range(total)), []
    busy = sorted(
        range(total), key=lambda n: (-sum(one["nodes"][n]["requested_pods"] for one in windows), n)
    )
    return sorted(busy[:_MOST_NODES]), sorted(busy[_MOST_NODES:])


def _totals(states: _States) -> list[int]:
    return [sum(values) for values in zip(*states.values(), strict=True)]


def _chart(times: Sequence[float], rows: _Strips, most: int, title: str, *, folded: bool) -> Chart:
    length = max(1.0, times[-1])
    strips = [Strip(name, _areas(times, states, most), _end(states)) for name, states in rows]
    ends = "; ".join(f"{strip.label}: {strip.end}" for strip in strips)
    return Chart(
        title=title,
        description=f"Pods by state over {span(length)}. At the end: {ends}.",
        strips=strips,
        ticks=[(time / length, span(time)) for time in _ticks(length)],
        width=round(length),
        height=_HEIGHT,
        states={state: STATES[state] for state in STATES if any(state in s.areas for s in strips)},
        table=_moments(times, rows, title),
        folded=folded,
    )


def _ticks(length: float) -> list[float]:
    """Return moments to mark on an axis: whole seconds, about a quarter apart."""
    return sorted({*(float(round(part * length / 4)) for part in range(4)), length})


def _added(states: Sequence[_States]) -> dict[str, list[int]]:
    return {
        name: [sum(values) for values in zip(*(one[name] for one in states), strict=True)]
        for name in states[0]
    }


def _end(states: _States) -> str:
    last = [(values[-1], STATES[name].partition(",")[0]) for name, values in states.items()]
    return ", ".join(f"{pods} {name}" for pods, name in last if pods) or "none"


def _areas(times: Sequence[float], states: _States, most: int) -> dict[str, str]:
    """Return the outlines of areas on top of each other, from state to path."""
    floor = [0] * len(times)
    areas = {}
    for name in STATES:
        values = states.get(name)
        if values is None or not any(values):
            continue
        roof = [low + value for low, value in zip(floor, values, strict=True)]
        areas[name] = _outline(times, floor, roof, most)
        floor = roof
    return areas


def _outline(times: Sequence[float], floor: Sequence[int], roof: Sequence[int], most: int) -> str:
    """Return the path around an area of steps, as SVG's `d`."""

    def height(pods: int) -> str:
        return f"{_HEIGHT * (1 - pods / most):g}"

    def edge(values: Sequence[int]) -> list[tuple[str, str]]:
        points = [(f"{times[0]:g}", height(values[0]))]
        for time, before, now in zip(times[1:], values, values[1:], strict=False):
            if now != before:
                points += [(f"{time:g}", height(before)), (f"{time:g}", height(now))]
        return [*points, (f"{times[-1]:g}", height(values[-1]))]

    around = [*edge(roof), *reversed(edge(floor))]
    return "M" + "L".join(f"{x} {y}" for x, y in around) + "Z"


def _moments(times: Sequence[float], rows: _Strips, title: str) -> Table:
    """Return the moments at which something is different from before."""
    found: list[list[Cell]] = []
    for at, time in enumerate(times):
        for name, states in rows:
            now = [states[one][at] if one in states else None for one in STATES]
            before = [states[one][at - 1] if one in states else None for one in STATES]
            if at == 0 or now != before:
                found.append([Cell(f"{time:g}"), Cell(name), *(Cell(count(one)) for one in now)])
    columns = head("Time#|s", "Where", *(f"{label}#|pods" for label in STATES.values()))
    left = len(found) - _MOST_CHANGES
    more = f" (the first {_MOST_CHANGES} of {len(found)})" if left > 0 else ""
    return Table(f"{title}, in numbers{more}", columns, found[:_MOST_CHANGES], folded=True)


# ---- packing ----------------------------------------------------------------------------------


def _packing(windows: Sequence[Window]) -> Section:
    nodes, rest = _shown(windows)
    tables = []
    for resource, unit, text in (("cpu", "cores", cores), ("memory", "GiB", gib)):
        rows = [_packed(window_nodes, resource, text) for window_nodes in _by_node(windows, nodes)]
        if rest:
            others = [[one["nodes"][n] for n in rest] for one in windows]
            rows.append(_packed([_together(group) for group in others], resource, text))
        whole = [_together(one["nodes"]) for one in windows]
        rows.append(_packed([{**one, "name": "all nodes"} for one in whole], resource, text))
        names = ["before", "after"] if len(windows) > 1 else ["requested"]
        heads = [f"{'Requested ' if at == 0 else ''}{one}#|{unit}" for at, one in enumerate(names)]
        columns = head("Node", f"Allocatable#|{unit}", *heads)
        title = "CPU" if resource == "cpu" else "Memory"
        tables.append(
            Table(f"{title} requested on each node at the end of the window", columns, rows)
        )
    steps = " and ".join(f"step {one['step'] + 1}" for one in windows)
    return Section("packing", "Packing of the cluster", tables, [f"By all pods, in {steps}."])


def _by_node(windows: Sequence[Window], nodes: Sequence[int]) -> Iterable[list[Mapping[str, Any]]]:
    for n in nodes:
        yield [one["nodes"][n] for one in windows]


def _together(nodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = ("cpu", "memory", "requested_cpu", "requested_memory")
    sums = {name: sum(one[name] for one in nodes) for name in names}
    return {"name": f"{len(nodes)} other nodes", **sums}


def _packed(windows: Sequence[Mapping[str, Any]], resource: str, text: Any) -> list[Cell]:
    has = windows[0][resource]
    cells = [Cell(windows[0]["name"]), Cell(text(has))]
    for one in windows:
        asked = one[f"requested_{resource}"]
        bar = Bar(min(1.0, asked / has), whole=1.0) if has else None
        cells.append(Cell(text(asked), bar=bar))
    return cells
