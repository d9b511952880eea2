"""Runs the engine with the choices that the real control plane made, and compares the outcome."""

from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from sim_arena.engine.guided import FAR, NOT_BEST, REAL_POD, STEP, Guide, Guided
from sim_arena.engine.program import DEPLOYMENT, Program
from sim_arena.engine.stack import stack
from sim_arena.engine.state import DONE, GONE, PENDING
from tests.fidelity.account import Account, RealPod
from tests.fidelity.embedded import compile_recording
from tests.fidelity.recording import Recording
from traces.arithmetic import UNSET

ATTEMPTS = 32
# By how much earlier than the news of it something may have been decided: binding takes a while,
# and several pods are bound side by side.
_EARLIER_NS = 60_000_000
_MS = 1_000_000


class Verdict(NamedTuple):
    """How a guided run compares at one moment.

    Attributes:
        permitted: every choice so far was one that the engine permits.
        counts: ready, pending and total of every workload are equal.
        placements: the pods by workload and node are equal.
        complaints: what is not.
    """

    permitted: bool
    counts: bool
    placements: bool
    complaints: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether all is equal."""
        return self.permitted and self.counts and self.placements


def guided_verdicts(recording: Recording, attempts: int = ATTEMPTS) -> list[Verdict]:
    """One verdict a moment: of the attempt that agrees for longest.

    When exactly the real scheduler decided is known to some 60 ms only. The first attempt takes
    the times of the log; the others move each pod's back a little, at random.
    """
    program = with_real_times(recording)
    account = Account(recording)
    guides = [_guide(program, account, attempt) for attempt in range(attempts)]
    programs = stack([program] * attempts)
    whole = 1 if program.arrays.header["whole"][0] else None
    runs = Guided(programs, _side_by_side(guides), whole)
    found: list[list[Verdict]] = [[] for _ in range(attempts)]
    for moment in recording.moments:
        runs.advance(moment.seen)
        counts, placements = account.counts(moment.seen), account.placements(moment.seen)
        for run in range(attempts):
            found[run].append(_verdict(program, runs, run, counts, placements))
    return max(found, key=_lasts)


def _side_by_side(guides: list[Guide]) -> Guide:
    pods, steps, row_of, counts = (np.stack(column) for column in zip(*guides, strict=True))
    return Guide(pods.view(np.recarray), steps.view(np.recarray), row_of, counts)


def _lasts(verdicts: list[Verdict]) -> tuple[int, int]:
    """For how many moments all is equal; then how many are."""
    equal = [verdict.agrees for verdict in verdicts]
    first = equal.index(False) if False in equal else len(equal)
    return first, sum(equal)


def with_real_times(recording: Recording) -> Program:
    """Compile a scenario; every object is applied when it really was."""
    program = compile_recording(recording)
    names = {str(ref): number for number, ref in enumerate(program.workloads)}
    real = [a for a in recording.applications if a.thing in names]
    applications = program.arrays.applications.copy()[: len(real)]
    for row, application in enumerate(real):
        if applications["workload"][row] != names[application.thing]:
            raise ValueError(f"expected {application.thing} to be applied, found another object")
        applications["time"][row] = application.ended
    header = program.arrays.header.copy()
    header["applications"] = len(real)
    if not header["image_pull_jitter"] and not header["pod_startup_jitter"]:
        header["image_pull_jitter"] = _MS  # so that a start is a step of its own
    arrays = program.arrays._replace(applications=applications, header=header)
    return replace(program, arrays=arrays)


def _guide(program: Program, account: Account, attempt: int) -> Guide:
    numbers = {(ref.kind, ref.namespace, ref.name): n for n, ref in enumerate(program.workloads)}
    nodes = {node.name: number for number, node in enumerate(program.nodes)}
    random = np.random.default_rng(attempt)
    pods = np.zeros(max(1, len(account.pods)), REAL_POD).view(np.recarray)
    count = 0
    for real in account.pods:
        workload = numbers.get((real.root.kind, real.root.namespace, real.root.name))
        if workload is None:
            continue
        row = pods[count]
        row.set = _set_of(program, workload, real)
        row.ordinal = _ordinal(real, nodes)
        row.node = nodes.get(real.node or "", UNSET)
        row.created = real.thing.created
        earlier = int(random.integers(_EARLIER_NS)) if attempt else 0
        row.tried = _before(real.tried, earlier)
        row.bound = _before(real.bound, earlier)
        row.running = real.running
        row.ended = real.ended
        row.deleted = real.deleted
        row.nominated = nodes.get(real.nominated or "", UNSET)
        row.nominated_at = _before(real.nominated_at, earlier)
        row.pod = UNSET
        count += 1
    steps = _steps(numbers, account)
    counts = np.array([count, len(steps), 0], np.int64)
    row_of = np.full(4 * count + 256, UNSET, np.int64)
    return Guide(pods, steps, row_of, counts)


def _before(time: int, earlier: int) -> int:
    return time if time == FAR else max(0, time - earlier)


def _set_of(program: Program, workload: int, real: RealPod) -> int:
    """The set that makes a pod: a Deployment's is that of the template applied last."""
    record = program.arrays.workloads[workload]
    owner = real.thing.owner
    if record["kind"] != DEPLOYMENT or owner is None:
        return int(record["first_template"])
    applications = program.arrays.applications
    found = int(record["first_template"])
    for row in applications[applications["workload"] == workload]:
        if row["time"] <= owner.changes[0][0] and row["template"] != UNSET:
            found = int(row["template"])
    return found


def _ordinal(real: RealPod, nodes: dict[str, int]) -> int:
    if real.root.kind == "StatefulSet":
        return int(real.thing.name.rsplit("-", 1)[1])
    if real.root.kind == "DaemonSet":
        return nodes.get(real.node or "", UNSET)
    return int(real.thing.fields.get("index", UNSET))


def _steps(numbers: dict[tuple[str, str, str], int], account: Account) -> Any:
    found = sorted(
        (numbers[owner.kind, owner.namespace, owner.name], at)
        for thing in account.things
        if thing.kind == "ReplicaSet" and (owner := thing.owner) is not None
        for at, fields in thing.changes
        if "spec.replicas" in fields or (at, fields) == thing.changes[0]
    )
    steps = np.zeros(max(1, len(found)), STEP).view(np.recarray)
    for row, (workload, time) in enumerate(found):
        steps[row].workload = workload
        steps[row].time = time
    return steps[: len(found)] if found else steps[:1]


def _verdict(
    program: Program,
    runs: Guided,
    run: int,
    counts: Counter[tuple[str, str, str, str]],
    placements: Counter[tuple[str, str, str, str]],
) -> Verdict:
    complaints = list(_broken_rules(program, runs, run))
    permitted = not complaints
    own_counts, own_placements = _seen(program, runs, run)
    for real, own in ((counts, own_counts), (placements, own_placements)):
        for key in sorted(real.keys() | own.keys()):
            if real[key] != own[key]:
                kind, namespace, name, what = key
                text = f"{kind} {namespace}/{name} {what}: real {real[key]}, engine {own[key]}"
                complaints.append(text)
    return Verdict(permitted, counts == own_counts, placements == own_placements, tuple(complaints))


def _broken_rules(program: Program, runs: Guided, run: int) -> list[str]:
    found: list[str] = []
    if runs.state.clock["status"][run, 0] != DONE:
        found.append("the engine did not come to an end")
    rows = runs.guide.pods[run][: runs.guide.counts[run, 0]]
    for row in rows[rows["verdict"] != 0]:
        workload = program.workloads[runs.state.pods[run][row.pod].workload]
        what = "its node is none of the best" if row.verdict == NOT_BEST else "may not go first"
        found.append(f"{workload} pod {row.pod} bound at {row.bound / 1e9:.3f}: {what}")
    return found


def _seen(program: Program, runs: Guided, run: int) -> tuple[Counter[Any], Counter[Any]]:
    """Counts and placements of the engine's pods."""
    counts: Counter[Any] = Counter()
    placements: Counter[Any] = Counter()
    pods = runs.state.pods[run][: runs.state.clock["pods"][run, 0]]
    for pod in pods[pods["phase"] != GONE]:
        ref = program.workloads[pod.workload]
        key = (ref.kind, ref.namespace, ref.name)
        counts[*key, "total"] += 1
        counts[*key, "ready"] += bool(pod.ready)
        counts[*key, "pending"] += pod.phase == PENDING
        if pod.node != UNSET:
            placements[*key, program.nodes[pod.node].name] += 1
    return +counts, placements
