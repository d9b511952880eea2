"""Puts broken workloads onto a time line and writes them as trace files with a manifest."""

import os
from pathlib import Path

from traces.codec import dumps, write_atomically
from traces.document import VERSION, Event, Object, Trace
from traces.errors import TraceError, describe
from traces.generator.dice import Dice
from traces.generator.faults import FAMILIES
from traces.generator.objects import App
from traces.generator.scene import Case, Fix, Scene
from traces.manifest import MANIFEST_FILE, ManifestEntry, manifest_text
from traces.quantities import format_cpu, format_memory
from traces.upgrade import build_config, build_index

__all__ = ["generate", "write_demo"]

_EPOCH = 1_735_689_600  # 2025-01-01T00:00:00Z; traces begin in the year after
_YEAR = 365 * 24 * 3600
_LEAST_STEPS = 10
_MOST_STEPS = 20


def generate(seed: int, count: int) -> list[tuple[str, Trace, ManifestEntry]]:
    """Make broken traces, each with its known cause and repair.

    The families of faults take turns, and trace number i depends on the seed and i alone, so
    that a longer series begins with the shorter one. Equal seeds give equal bytes everywhere.

    Args:
        seed: Any whole number.
        count: How many traces, at least 1.

    Returns:
        For each trace its file name, the document, and its entry in the manifest.

    Raises:
        TraceError: The count is not a whole number above 0.
    """
    if type(count) is not int or count < 1:
        raise TraceError(f"expected a count of at least 1, found {describe(count)}")
    return [_generate_one(seed, number) for number in range(count)]


def write_demo(out: str | os.PathLike[str], seed: int, count: int) -> list[ManifestEntry]:
    """Write generated traces and their manifest into a folder, which is made if need be.

    Args:
        out: The folder; files of the same names are replaced.
        seed: Any whole number.
        count: How many traces, at least 1.

    Returns:
        The manifest's entries.

    Raises:
        TraceError: The count is not above 0, or the folder cannot be written to.
    """
    made = generate(seed, count)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, trace, _ in made:
            write_atomically(folder / name, dumps(trace))
        entries = [entry for _, _, entry in made]
        write_atomically(folder / MANIFEST_FILE, manifest_text(entries).encode())
    except OSError as error:
        problem = f"cannot write the traces: {error.strerror or error}; choose another folder"
        raise TraceError(problem, source=str(out)) from error
    return entries


def _generate_one(seed: int, number: int) -> tuple[str, Trace, ManifestEntry]:
    cause = list(FAMILIES)[number % len(FAMILIES)]
    scene = Scene(Dice(seed, number), number // len(FAMILIES))
    case = FAMILIES[cause](scene)
    events = _time_line(scene, case)
    name = f"{number + 1:03}-{cause}.sktrace"
    trace: Trace = {
        "version": VERSION,
        "config": build_config(events),
        "events": events,
        "index": build_index(events),
        "pod_lifecycles": {},
    }
    last = events[-1]["ts"] - events[0]["ts"]
    entry = ManifestEntry(
        file=name,
        nodes=str(scene.site),
        namespace=case.target.namespace,
        kind=case.target.kind,
        name=case.target.name,
        container=case.container,
        target=case.ready,
        duration=-(-(last + scene.dice.between(30, 90)) // 15) * 15,
        max_steps=max(_LEAST_STEPS, min(case.steps + 4, _MOST_STEPS)),
        cause=cause,
        description=case.description,
        fix=tuple(_action(case.target, fix) for fix in case.fix),
    )
    return name, trace, entry


def _time_line(scene: Scene, case: Case) -> list[Event]:
    """Return the events: first the neighbours, then the broken workload, which may grow."""
    dice = scene.dice
    now = _EPOCH + dice.below(_YEAR)
    events = [_event(now, *(app.manifest() for app in scene.neighbours))]
    now += dice.between(2, 15)
    if case.grows:
        fewer = dice.between(1, case.target.replicas - 1)
        events.append(_event(now, case.target.scaled(fewer).manifest()))
        now += dice.between(15, 40)
    events.append(_event(now, case.target.manifest()))
    return events


def _event(ts: int, *objects: Object) -> Event:
    return {"ts": ts, "applied_objs": list(objects), "deleted_objs": []}


def _action(app: App, fix: Fix) -> dict[str, str | int]:
    action: dict[str, str | int] = {"type": fix.type, "deploy": app.name}
    if fix.container is not None:
        action["container"] = fix.container
    if "replicas" in fix.type:
        return {**action, "step": fix.step}
    is_cpu = "cpu" in fix.type
    return {**action, "step": format_cpu(fix.step) if is_cpu else format_memory(fix.step << 20)}
