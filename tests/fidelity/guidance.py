"""Runs the engine with the choices that the real control plane made, and compares the outcome."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from sim_arena.engine.guided import FAR, NOT_BEST, REAL_POD, STEP, Guide, Guided
from sim_arena.engine.observe import status
from sim_arena.engine.program import CRON_JOB, DEPLOYMENT, Program
from sim_arena.engine.stack import stack
from sim_arena.engine.state import DONE, GONE, PENDING, State
from tests.fidelity.account import Account, RealPod, Thing
from tests.fidelity.applied import applied
from tests.fidelity.delays import Delay, delays
from tests.fidelity.embedded import compile_recording
from tests.fidelity.recording import Recording
from traces.arithmetic import UNSET

ATTEMPTS = 64  # side by side
ROUNDS = 40  # of so many attempts each, at most
# By how much earlier than the news of it something may have been decided: binding takes a while,
# and several pods are bound side by side; the more so where the machine was busy.
_EARLIER_NS = (60_000_000, 250_000_000)
_KNOWN_LATER_NS = 100_000_000  # when a controller hears of a pod's end
_MISTAKEN_NS = 500_000_000
_STARTED_EARLIER_NS = 200_000_000  # KWOK writes the stamp before it writes the status
# Who may have been in the way of a choice that is not permitted: who was decided on so much before
# it, or after it.
_IN_THE_WAY_NS = (3_000_000_000, 500_000_000)
_MS = 1_000_000


class Verdict(NamedTuple):
    """How a guided run compares at one moment.

    Attributes:
        permitted: every choice so far was one that the engine permits.
        counts: ready, pending and total of every workload are equal.
        placements: the pods by workload and node are equal.
        messages: the scheduler's messages are equal.
        complaints: what is not.
    """

    permitted: bool
    counts: bool
    placements: bool
    messages: bool
    complaints: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether all but the messages is equal."""
        return self.permitted and self.counts and self.placements


class Guidance(NamedTuple):
    """What guided runs showed.

    Attributes:
        verdicts: one a moment, of the attempt that agrees for longest.
        delays: how late things really were against the engine's own rules, by what they are.
    """

    verdicts: list[Verdict]
    delays: list[Delay]


def guide(recording: Recording, attempts: int = ATTEMPTS, rounds: int = ROUNDS) -> Guidance:
    """Run the engine with the real choices.

    When exactly the real scheduler decided, and KWOK started a pod, is known to some 60 to 250 ms
    only. The first attempts take the times of the log; the others move each pod's back a little,
    at random. As long as none of them agrees to the end, more start from the one that agrees for
    longest, and draw anew what was decided around its first difference.

    Args:
        recording: what the real control plane did.
        attempts: side by side.
        rounds: of so many attempts each, at most.
    """
    account = Account(recording)
    program = with_real_times(account)
    known = _known_pods(program, account)
    best = None
    guesses = [_guess(len(known), attempt) for attempt in range(attempts)]
    for number in range(rounds):
        found = max(_tried(program, account, known, guesses), key=_Try.lasts)
        if best is None or found.lasts() >= best.lasts():
            best = found
        if best.agrees():
            break
        doubtful = best.doubtful(account)
        random = np.random.default_rng(number)
        guesses = [_guess_again(best.guess, doubtful, random) for _ in range(attempts)]
    assert best is not None
    return Guidance(best.verdicts, list(delays(recording, known, best.rows)))


class _Guess(NamedTuple):
    """What one attempt assumes of each pod, and of the engine.

    Attributes:
        earlier: by how much before the news of it a pod's node was decided, in ns.
        started: by how much before the news of it KWOK started a pod, in ns.
        later: by how much after the news of it controllers heard of a pod's end, in ns.
        stays: whether a pod that is deleted counts until it is gone, for controllers too.
        prompt: whether the engine has what follows from a moment at once.
    """

    earlier: Any
    started: Any
    later: Any
    stays: Any
    prompt: bool


def _guess(pods: int, attempt: int) -> _Guess:
    random = np.random.default_rng(attempt)
    earlier = random.integers(_EARLIER_NS[attempt % 2], size=pods) * (attempt > 1)
    started = random.integers(_STARTED_EARLIER_NS, size=pods) * (attempt > 3)
    stays = np.full(pods, attempt % 8 > 3)
    return _Guess(earlier, started, np.zeros(pods, np.int64), stays, bool(attempt // 2 % 2))


def _guess_again(guess: _Guess, doubtful: Any, random: np.random.Generator) -> _Guess:
    """Draw some pods' times anew: all that are in doubt, or every other one of them."""
    pods = len(guess.earlier)
    drawn = doubtful & (random.random(pods) < random.choice((0.2, 0.5, 1.0)))
    reach = _EARLIER_NS[random.integers(2)]
    return _Guess(
        np.where(drawn, (reach * random.random(pods) ** 3).astype(np.int64), guess.earlier),
        np.where(drawn, random.integers(_STARTED_EARLIER_NS, size=pods), guess.started),
        np.where(
            drawn, random.integers(random.choice((1, _KNOWN_LATER_NS)), size=pods), guess.later
        ),
        np.where(drawn, random.random(pods) < random.choice((0.0, 0.5, 1.0)), guess.stays),
        bool(random.integers(2)) if random.random() < 0.1 else guess.prompt,
    )


class _Try(NamedTuple):
    """One attempt and what it showed.

    Attributes:
        guess: what it assumed.
        verdicts: one a moment.
        rows: of `REAL_POD`, one a pod: which of them the engine did not permit.
    """

    guess: _Guess
    verdicts: list[Verdict]
    rows: Any

    def agrees(self) -> bool:
        """Whether all is equal, at every moment."""
        return all(verdict.agrees for verdict in self.verdicts)

    def lasts(self) -> tuple[int, int, int]:
        """For how many moments all is equal; until which choice; how many moments are."""
        equal = [verdict.agrees for verdict in self.verdicts]
        first = equal.index(False) if False in equal else len(equal)
        return first, self._first_broken(), sum(equal)

    def doubtful(self, account: Account) -> Any:
        """Which pods were decided on, started or deleted around the first difference."""
        at = self._first_broken()
        before, after = at - _IN_THE_WAY_NS[0], at + _IN_THE_WAY_NS[1]
        seen = [moment.seen for moment in account.recording.moments]
        first, _, _ = self.lasts()
        if self.verdicts[first].permitted:  # it shows in what is there
            before, after = seen[first - 1] if first else 0, seen[first]
        rows = self.rows
        times = (rows.tried, rows.bound, rows.running, rows.deleted, rows.gone)
        return np.any([(before <= time) & (time <= after) for time in times], axis=0)

    def _first_broken(self) -> int:
        # By the news of it, not by what was guessed: else small guesses would last longer.
        broken = (self.rows.bound + self.guess.earlier)[self.rows.verdict != 0]
        return int(broken.min()) if len(broken) else FAR


def _tried(
    program: Program, account: Account, known: list[RealPod], guesses: list[_Guess]
) -> list[_Try]:
    """Run the engine with each of the guesses."""
    guides = [_guide(program, account, known, guess) for guess in guesses]
    runs = Guided(stack([program] * len(guesses)), _side_by_side(guides), range(len(guesses)))
    found: list[list[Verdict]] = [[] for _ in guesses]
    for moment in account.recording.moments:
        runs.advance(moment.seen)
        real = _Seen(
            account.counts(moment.seen),
            account.placements(moment.seen),
            {(o.kind, o.namespace, o.name): dict(o.reasons) for o in moment.workloads},
        )
        for run in range(len(guesses)):
            found[run].append(_verdict(program, runs, run, real))
    return [
        _Try(guess, found[run], runs.guide.pods[run][: len(known)])
        for run, guess in enumerate(guesses)
    ]


def _side_by_side(guides: list[Guide]) -> Guide:
    pods, steps, row_of, counts = (np.stack(column) for column in zip(*guides, strict=True))
    return Guide(pods.view(np.recarray), steps.view(np.recarray), row_of, counts)


def with_real_times(account: Account) -> Program:
    """Compile a scenario; every object is applied when it really was."""
    program = compile_recording(account.recording)
    applications = program.arrays.applications.copy()
    times = list(applied(account, program))
    played = len(times)
    for row, time in zip(applications, times, strict=False):
        if time is not None:
            row["time"] = time
    header = program.arrays.header.copy()
    header["applications"] = played
    if not header["image_pull_jitter"] and not header["pod_startup_jitter"]:
        header["image_pull_jitter"] = _MS  # so that a start is a step of its own
    arrays = program.arrays._replace(applications=applications[:played], header=header)
    return replace(program, arrays=arrays)


def _known_pods(program: Program, account: Account) -> list[RealPod]:
    names = {(ref.kind, ref.namespace, ref.name) for ref in program.workloads}
    pods = [
        pod for pod in account.pods if (pod.root.kind, pod.root.namespace, pod.root.name) in names
    ]
    return list(_without_mistakes(pods))


def _without_mistakes(pods: list[RealPod]) -> Iterator[RealPod]:
    """Count a pod that was deleted by mistake, and the one in its place, as one.

    A StatefulSet's controller that acts on old news deletes a pod by its name, which by then is
    that of the pod that it has just made.
    """
    mistakes: dict[tuple[str, str, str], RealPod] = {}
    for pod in pods:
        name = (pod.root.kind, pod.thing.namespace, pod.thing.name)
        first = mistakes.pop(name, None)
        soon = min(pod.running, pod.ended, pod.thing.created + _MISTAKEN_NS)
        if pod.root.kind == "StatefulSet" and pod.deleted < soon:
            mistakes[name] = first or pod
        elif first is None:
            yield pod
        else:
            yield replace(pod, thing=replace(pod.thing, created=first.thing.created))
    yield from mistakes.values()


def _guide(program: Program, account: Account, known: list[RealPod], guess: _Guess) -> Guide:
    numbers = {(ref.kind, ref.namespace, ref.name): n for n, ref in enumerate(program.workloads)}
    nodes = {node.name: number for number, node in enumerate(program.nodes)}
    pods = np.zeros(max(1, len(known)), REAL_POD).view(np.recarray)
    assumed = zip(guess.earlier, guess.started, guess.later, guess.stays, strict=True)
    for row, real, (earlier, started, later, stays) in zip(pods, known, assumed, strict=False):
        workload = numbers[real.root.kind, real.root.namespace, real.root.name]
        row.set = _set_of(program, workload, real)
        row.ordinal = _ordinal(real, nodes)
        sequence = real.thing.first("sequence")[1]
        row.sequence = UNSET if sequence is None else int(sequence)
        row.node = nodes.get(real.node or "", UNSET)
        row.created = real.thing.created
        since = min(earlier, max(0, real.bound - real.thing.created))
        row.tried = _before(real.tried, since)
        row.bound = _before(real.bound, since)
        row.running = max(_before(real.running, started), min(real.running, row.bound))
        row.ended = min(real.ended + later, max(real.ended, min(real.deleted, real.thing.gone)))
        # Controllers take no account of a pod from its mark on, the scheduler until it is gone.
        row.deleted = real.thing.gone if stays else real.deleted
        row.gone = real.thing.gone
        row.nominated = nodes.get(real.nominated or "", UNSET)
        row.nominated_at = _before(real.nominated_at, since)
        for field in ("pod", "own_creation", "own_start", "own_end", "own_deletion"):
            row[field] = UNSET
    steps = _steps(numbers, account)
    counts = np.array([len(known), len(steps), 0, guess.prompt], np.int64)
    row_of = np.full(4 * len(known) + 256, UNSET, np.int64)
    return Guide(pods, _padded(steps, STEP), row_of, counts)


def _padded(rows: list[tuple[int, ...]], dtype: Any) -> Any:
    """Rows as records; an empty array would have no place for what is never read."""
    return np.array(rows or [(0,) * len(dtype)], dtype).view(np.recarray)


def _before(time: int, earlier: int) -> int:
    return time if time == FAR else max(0, time - earlier)


def _set_of(program: Program, workload: int, real: RealPod) -> int:
    """The set that makes a pod: a Deployment's is that of the template applied last."""
    record = program.arrays.workloads[workload]
    owner = real.thing.owner
    if record["kind"] == CRON_JOB and owner is not None:
        return _set_of_slot(program, workload, owner)
    if record["kind"] != DEPLOYMENT or owner is None:
        return int(record["first_template"])
    applications = program.arrays.applications
    found = int(record["first_template"])
    for row in applications[applications["workload"] == workload]:
        if row["time"] <= owner.changes[0][0] and row["template"] != UNSET:
            found = int(row["template"])
    return found


def _set_of_slot(program: Program, cronjob: int, job: Thing) -> int:
    """The set of a Job that a CronJob started: the minute is the end of its name."""
    minute = int(job.name.rsplit("-", 1)[1])
    rows = program.arrays.workloads
    templates = int(program.arrays.header["templates"][0])
    for number in range(rows["first_job"][cronjob], rows["end_job"][cronjob]):
        if rows["minute"][number] == minute:
            return templates + number - len(program.workloads)
    return UNSET


def _ordinal(real: RealPod, nodes: dict[str, int]) -> int:
    if real.root.kind == "StatefulSet":
        return int(real.thing.name.rsplit("-", 1)[1])
    if real.root.kind == "DaemonSet":
        return nodes.get(real.node or "", UNSET)
    return int(real.thing.fields.get("index", UNSET))


def _steps(numbers: dict[tuple[str, str, str], int], account: Account) -> list[tuple[int, ...]]:
    """When the ReplicaSets of Deployments were made or scaled: workload, time, not taken yet."""
    return sorted(
        (numbers[owner.kind, owner.namespace, owner.name], at, 0)
        for thing in account.things
        if thing.kind == "ReplicaSet" and (owner := thing.owner) is not None
        for at, fields in thing.changes
        if "spec.replicas" in fields or (at, fields) == thing.changes[0]
    )


class _Seen(NamedTuple):
    """What is there at a moment: by kind, namespace, name, and state or node; and messages."""

    counts: Counter[Any]
    placements: Counter[Any]
    messages: dict[Any, dict[str, int]]


def _verdict(program: Program, runs: Guided, run: int, real: _Seen) -> Verdict:
    complaints = list(_broken_rules(program, runs, run))
    permitted = not complaints
    own = _seen(program, runs, run)
    for theirs, ours in ((real.counts, own.counts), (real.placements, own.placements)):
        for key in sorted(theirs.keys() | ours.keys()):
            if theirs[key] != ours[key]:
                kind, namespace, name, what = key
                text = f"{kind} {namespace}/{name} {what}: real {theirs[key]}, engine {ours[key]}"
                complaints.append(text)
    same_messages = real.messages == own.messages
    if not complaints and not same_messages:
        different = [key for key in own.messages if real.messages.get(key) != own.messages[key]]
        for key in different:
            theirs_text, ours_text = real.messages.get(key), own.messages[key]
            complaints.append(f"{' '.join(key)}: real {theirs_text}, engine {ours_text}")
    return Verdict(
        permitted,
        real.counts == own.counts,
        real.placements == own.placements,
        same_messages,
        tuple(complaints),
    )


def _broken_rules(program: Program, runs: Guided, run: int) -> Iterator[str]:
    if runs.state.clock["status"][run, 0] != DONE:
        yield "the engine did not come to an end"
    rows = runs.guide.pods[run][: runs.guide.counts[run, 0]]
    for row in rows[rows["verdict"] != 0]:
        owner = program.arrays.workloads["owner"][runs.state.pods[run][row.pod].workload]
        workload = program.workloads[owner]
        what = "its node is none of the best" if row.verdict == NOT_BEST else "may not go first"
        yield f"{workload} pod {row.pod} bound at {row.bound / 1e9:.3f}: {what}"


def _seen(program: Program, runs: Guided, run: int) -> _Seen:
    counts: Counter[Any] = Counter()
    placements: Counter[Any] = Counter()
    state = State(*(array[run] for array in runs.state))
    messages = {
        (found.kind, found.namespace, found.name): dict(found.reasons)
        for found in status(program, state)
    }
    pods = state.pods[: state.clock["pods"][0]]
    for pod in pods[pods["phase"] != GONE]:
        ref = program.workloads[program.arrays.workloads["owner"][pod.workload]]
        key = (ref.kind, ref.namespace, ref.name)
        counts[*key, "total"] += 1
        counts[*key, "ready"] += bool(pod.ready)
        counts[*key, "pending"] += pod.phase == PENDING
        if pod.node != UNSET:
            placements[*key, program.nodes[pod.node].name] += 1
    return _Seen(+counts, placements, messages)
