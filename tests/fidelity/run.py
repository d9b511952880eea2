"""Play random scenarios on the real control plane, and compare the embedded cluster with it.

    python -m tests.fidelity.run --seed 0 --count 100     plays what is not recorded yet
    python -m tests.fidelity.run --recorded     compares all that is recorded, plays nothing

A recording stays true when the engine changes: comparing it again takes milliseconds.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.cluster.build import versions
from tests.cluster.harness import ControlPlane
from tests.cluster.replay import Options, timeline
from tests.cluster.settle import NotSettledError
from tests.fidelity.comparison import COMPARISONS, DELAYS, compare, explain
from tests.fidelity.recording import Recording, record
from tests.fidelity.scenarios import Scenario, make_scenario
from tests.fidelity.store import (
    RECORDINGS,
    Row,
    read,
    recording_file,
    recording_of,
    recording_row,
    write,
)
from tests.fidelity.switches import Switches
from tests.fidelity.watching import Watcher

FOLDER = Path("build/fidelity")
DATA = Path(__file__).parent / "data"
RECORDED, COMPARED = "recordings.parquet", "comparison.parquet"
DELAYED = "delays.parquet"
_RESTART_AFTER = 150  # scenarios: etcd and the API server grow with what they have seen


def play(seeds: Iterable[int], folder: Path, switches: Switches) -> Iterator[Recording]:
    """The recordings of scenarios; those that are not in the folder are played and put there.

    Args:
        seeds: of the scenarios.
        folder: of the recordings.
        switches: which kinds and features may come up.
    """
    known = versions()
    with ExitStack() as stack:
        played = 0
        for seed in seeds:
            scenario = make_scenario(seed, switches)
            if events_coincide(scenario):
                _say(f"{seed}: left out, its speed lets events coincide")
                continue
            path = recording_file(folder, scenario)
            if not path.exists():
                if played % _RESTART_AFTER == 0:
                    stack.close()
                    plane = stack.enter_context(ControlPlane())
                    watcher = stack.enter_context(Watcher(plane.api))
                played += 1
                try:
                    recording = record(plane, watcher, scenario, f"v{seed}")
                except NotSettledError as error:
                    _say(f"{seed}: left out, {error}")
                    played = 0  # the next one gets a new control plane
                    continue
                write([recording_row(recording, known)], RECORDINGS, path)
            yield from map(recording_of, read([path]))


def recorded(folder: Path) -> Iterator[Recording]:
    """All recordings: those of a folder, and those that are kept with the tests."""
    seen: set[tuple[int, int]] = set()
    kept = [DATA / RECORDED] if (DATA / RECORDED).exists() else []
    for row in read([*sorted(folder.glob("v*.parquet")), *kept]):
        if (row["version"], row["seed"]) not in seen:
            seen.add((row["version"], row["seed"]))
            yield recording_of(row)


def comparable(recordings: Iterable[Recording]) -> Iterator[Recording]:
    """Leave out those whose events fall together."""
    return (found for found in recordings if not events_coincide(found.scenario))


def events_coincide(scenario: Scenario) -> bool:
    """Whether the speed lets two events fall together: the real one settles between them."""
    dues = [step.due for step in timeline(scenario.trace, Options(speed=scenario.speed))]
    return len(set(dues)) < len(dues)


def publish(folder: Path, rows: list[Row], delays: list[Row]) -> None:
    """Put recordings and their comparison where the report and the tests look for them."""
    known = versions()
    everything = sorted(recorded(folder), key=lambda r: (r.scenario.version, r.scenario.seed))
    write([recording_row(found, known) for found in everything], RECORDINGS, DATA / RECORDED)
    write(rows, COMPARISONS, DATA / COMPARED)
    write(delays, DELAYS, DATA / DELAYED)


def main(arguments: list[str] | None = None) -> int:
    """Run; the exit status is 1 where a scenario does not agree."""
    chosen = _parser().parse_args(arguments)
    switches = Switches().always(chosen.more).off(chosen.less)
    seeds = range(chosen.seed, chosen.seed + chosen.count, chosen.every)
    recordings = chosen.folder / "recordings"
    source = (
        comparable(recorded(recordings)) if chosen.recorded else play(seeds, recordings, switches)
    )
    rows: list[Row] = []
    delays: list[Row] = []
    differing = number = left_out = 0
    began = time.monotonic()
    for recording in source:
        number += 1
        if not chosen.recorded:
            _say(_line(recording))
        if chosen.only_play:
            continue
        found = compare(recording)
        left_out += bool(found.unmodelled)
        rows += found.rows
        delays += found.delays
        differing += any(not _is_fine(row) for row in found.rows)
        for row in found.rows:
            fine = _is_fine(row) and row["agrees"] and row.get("guided") is not False
            if not fine or (chosen.reasons and not row["reasons_agree"]):
                _say("\n".join(explain(recording, row)))
        if recording.error is not None and not found.rows:
            _say(_line(recording))
    write(rows, COMPARISONS, chosen.folder / COMPARED)
    write(delays, DELAYS, chosen.folder / DELAYED)
    if chosen.publish:
        publish(recordings, rows, delays)
    _say(_summary(rows, number, differing, time.monotonic() - began))
    if left_out:
        _say(f"{left_out} scenarios have what the engine does not model, and were not compared")
    return 1 if differing else 0


def _is_fine(row: Row) -> bool:
    """Whether a moment agrees, with more seeds or with the real choices."""
    return bool(row["agrees_with_more"] or row.get("guided"))


def _summary(rows: list[Row], scenarios: int, differing: int, seconds: float) -> str:
    agree = sum(row["agrees"] for row in rows)
    more = sum(row["agrees_with_more"] for row in rows)
    exact = [row["exact"] for row in rows if row["exact"] is not None]
    reasons = sum(row["reasons_agree"] for row in rows)
    guided = [row["guided"] for row in rows if row.get("guided") is not None]
    return (
        f"{scenarios} scenarios, {differing} differ; {len(rows)} moments: {agree} agree, "
        f"{more} with more seeds, {sum(exact)} of {len(exact)} exactly, "
        f"{reasons} with the reasons, {sum(guided)} of {len(guided)} guided; {seconds:.0f} s"
    )


def _line(recording: Recording) -> str:
    error = "" if recording.error is None else f"; {recording.error}"
    seconds = f"{recording.wall_s:.1f} s"
    return f"{recording.scenario.seed}: {len(recording.moments)} moments, {seconds}{error}"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this command's output


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fidelity.run", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--seed", type=int, default=0, help="the first scenario")
    add("--count", type=int, default=20, help="how many scenarios")
    add("--folder", type=Path, default=FOLDER, help="where recordings and the comparison go")
    add("--recorded", action="store_true", help="compare all that is recorded, play nothing")
    add("--every", type=int, default=1, help="only one scenario in so many")
    add("--only-play", action="store_true", help="compare nothing")
    add("--publish", action="store_true", help="put all of it into tests/fidelity/data")
    add("--reasons", action="store_true", help="also show moments whose messages differ")
    add(
        "--with",
        dest="more",
        action="append",
        default=[],
        metavar="FEATURE",
        help="in every scenario",
    )
    add("--without", dest="less", action="append", default=[], metavar="SWITCH")
    return parser


if __name__ == "__main__":
    sys.exit(main())
