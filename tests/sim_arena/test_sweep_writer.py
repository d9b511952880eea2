"""One writes a sweep at a time, in a folder and in an object store."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Event
from typing import Any
from uuid import uuid4

import pytest

from results import ResultsError, Store, store_at
from results.compaction import compact
from results.store import place_in, read_bytes, read_document, write_document
from sim_arena.errors import PermanentError
from sim_arena.sweeps import SweepSpec, Writer, create, go_on, opened
from sim_arena.sweeps.running import begin, end
from sim_arena.sweeps.writer import Pace, holding
from traces.generator import write_demo

QUICK = Pace(beat=0.01, again=0.01, look=0.01, looks=3000)
SECOND = timedelta(seconds=1)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A sweep's place, of each kind."""
    if request.param == "folder":
        (tmp_path / "sweep").mkdir()
        return store_at(tmp_path / "sweep")
    found: Store = request.getfixturevalue("remote")
    return found


@pytest.fixture
def remote(s3: str) -> Store:
    """A sweep's place in an object store."""
    return store_at(place_in(s3, uuid4().hex))


def at_once(count: int, work: Any) -> list[Any]:
    """What comes of doing something several times at the same moment: a value or an error."""
    barrier, found = Barrier(count), []

    def do() -> None:
        barrier.wait()
        try:
            found.append(work())
        except Exception as error:  # noqa: BLE001 # looked at below
            found.append(error)

    threads = [threading.Thread(target=do) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_of_those_who_begin_at_the_same_moment_one_writes(store: Store) -> None:
    for _ in range(5):
        ended = Event()
        refused = threading.Semaphore(0)
        writers: list[Writer] = []

        def write() -> str:
            try:
                with holding(store, QUICK) as writer:  # it ends in this round
                    writers.append(writer)  # noqa: B023 # likewise
                    assert ended.wait(60)  # noqa: B023 # likewise
                    writer.check()
                    return writer.token
            except PermanentError:
                refused.release()  # noqa: B023 # likewise
                raise

        def end() -> None:
            for _ in range(3):
                refused.acquire(timeout=20)  # noqa: B023 # likewise
            ended.set()  # noqa: B023 # likewise

        ender = threading.Thread(target=end)
        ender.start()
        found = at_once(4, write)
        ender.join()
        assert sum(isinstance(one, str) for one in found) == len(writers) == 1, [
            str(one) for one in found
        ]
        assert sum(isinstance(one, PermanentError) for one in found) == 3, [
            str(one) for one in found
        ]
        assert store.list("writers") == []


def test_of_two_new_sweeps_of_one_id_one_is_made(store: Store, tmp_path: Path) -> None:
    write_demo(tmp_path / "traces", seed=4, count=2)
    asked = [SweepSpec(traces=str(tmp_path / "traces"), seeds=seeds) for seeds in ("0", "0-1")]
    for name in ("a", "b", "c"):
        given = iter(asked)
        found = at_once(2, lambda: create(next(given), store.url, name))  # noqa: B023 # in this round
        made = [one for one in found if isinstance(one, tuple)]
        assert len(made) == 1, found
        sweep, plan = opened(store.at(name).url)
        assert plan == made[0][1]
        assert sweep.parameters["asked"] == plan.asked.model_dump(mode="json")


def test_who_is_the_writer_no_more_is_told(store: Store) -> None:
    with holding(store) as writer:
        Writer(store, writer.token).check()
        with pytest.raises(PermanentError, match="found process"):
            Writer(store, "0" * 16).check()
    with pytest.raises(PermanentError, match=r"found nobody.*resume it"):
        writer.check()


def test_files_that_are_no_claims_are_not_deleted(tmp_path: Path) -> None:
    """Somebody names a folder of their own that has `writers/` too."""
    store = store_at(tmp_path)
    for name in ("writers/poe.txt", f"writers/{'0' * 16}.json"):
        write_document(store, name, {})
    with pytest.raises(PermanentError, match=r"found poe\.txt.*another run id"), holding(store):
        pass
    assert store.list("writers") == [f"writers/{'0' * 16}.json", "writers/poe.txt"]
    store.delete("writers/poe.txt")
    with holding(store) as writer:
        assert store.list("writers") == [writer.name]
    assert store.list("writers") == []


def test_only_one_s_own_claim_is_deleted(remote: Store) -> None:
    """Somebody else took over from a writer that stood still for too long."""
    with holding(remote) as first:
        remote.delete(first.name)
        with holding(remote) as second:
            pass
        with holding(remote) as third:
            other = Writer(remote, third.token)
            assert remote.list("writers") == [third.name]
    assert second.token != first.token
    with pytest.raises(PermanentError):
        other.check()


def test_a_claim_without_signs_of_life_is_taken_over(remote: Store) -> None:
    clock = Clock()
    with holding(remote, now=clock) as old:
        clock.now += 119 * SECOND
        with (
            pytest.raises(PermanentError, match="is being written by process"),
            holding(remote, now=clock),
        ):
            pass
        old.check()
        clock.now += 2 * SECOND
        with holding(remote, now=clock) as new:
            new.check()
            with pytest.raises(PermanentError, match="found process"):
                old.check()
            with pytest.raises(PermanentError):
                Writer(remote, old.token).check()
    assert remote.list("writers") == []


def test_a_claim_that_was_taken_over_neither_joins_nor_deletes_nor_ends(
    remote: Store, tmp_path: Path
) -> None:
    write_demo(tmp_path / "traces", seed=4, count=2)
    asked = SweepSpec(
        traces=str(tmp_path / "traces"), policies=("noop", "nobody"), chunk=1, max_failed=1
    )
    sweep, plan = create(asked, remote.url, "a")
    go_on(sweep, plan)
    store, clock = sweep.store, Clock()
    with holding(store, now=clock) as old:
        clock.now += 121 * SECOND
        with holding(store, now=clock):
            pass

        def refused(write: Callable[[], Any]) -> None:
            before = {name: read_bytes(store, name) for name in store.list()}
            with pytest.raises(PermanentError, match="found nobody"):
                write()
            assert {name: read_bytes(store, name) for name in store.list()} == before

        refused(lambda: compact(sweep, old.check))
        refused(lambda: begin(sweep, plan, old, retry_failed=True))
        refused(lambda: sweep.reopen(old.check))
        refused(lambda: sweep.give_up_chunks([0], old.check))
        store.delete("summary.json")
        refused(lambda: end(sweep, old))
        store.delete("episodes/chunk=0")
        refused(lambda: begin(sweep, plan, old))
        refused(lambda: sweep.delete_strays(old.check))


def test_who_stands_still_before_it_begins_gives_up(remote: Store) -> None:
    """Others take it for gone, and its second sign would bring its claim back beside theirs."""

    class Jumps(Clock):
        def __call__(self) -> datetime:
            self.now += 61 * SECOND
            return self.now

    with pytest.raises(PermanentError, match=r"took 1\d\d seconds to begin"):
        holding(remote, now=Jumps()).__enter__()
    assert remote.list("writers") == []


def test_signs_of_life_go_on(remote: Store) -> None:
    clock = Clock()

    def told() -> str | None:
        try:
            return str(read_document(remote, writer.name)["at"])
        except ResultsError:  # the tests' server, unlike S3, has none while it replaces one
            return None

    with holding(remote, QUICK, clock) as writer:
        for _ in range(3):
            clock.now += 60 * SECOND
            until(lambda: told() == clock.now.isoformat(timespec="microseconds"))
        with pytest.raises(PermanentError), holding(remote, QUICK, clock):
            pass
        writer.check()


def test_a_sign_that_failed_is_given_again_until_it_would_be_too_late(
    remote: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, away, tried = Clock(), Event(), threading.Semaphore(0)
    write = type(remote).write

    def sometimes(self: Any, name: str, fill: Any) -> None:
        if away.is_set():
            tried.release()
            raise ResultsError("the store is away")
        write(self, name, fill)

    monkeypatch.setattr(type(remote), "write", sometimes)
    with holding(remote, QUICK, clock) as writer:
        away.set()
        for _ in range(3):
            assert tried.acquire(timeout=20)
        away.clear()
        clock.now += 60 * SECOND
        until(
            lambda: (
                read_document(remote, writer.name)["at"]
                == clock.now.isoformat(timespec="microseconds")
            )
        )
        writer.check()
        away.set()
        assert tried.acquire(timeout=20)
        clock.now += 70 * SECOND
        until(lambda: writer.problem)
        with pytest.raises(PermanentError, match=r"70 seconds.*the store is away.*Resume it"):
            writer.check()


def test_what_somebody_removed_does_not_come_back(remote: Store) -> None:
    with holding(remote, Pace(beat=1)) as writer:
        remote.delete(writer.name)
        until(lambda: writer.problem)
        assert remote.list("writers") == []


def test_two_that_only_want_to_begin_wait_for_each_other(remote: Store) -> None:
    """One with a greater token has its claim there, and gives up after a look."""
    other = {"token": "f" * 17, "host": "h", "pid": 1, "begun": False}
    name = Writer(remote, str(other["token"])).name
    write_document(remote, name, {**other, "at": datetime.now(UTC).isoformat()})
    with (
        pytest.raises(PermanentError, match=r"wanted by process 1 on h too"),
        holding(remote, Pace(look=0.01, looks=3)),
    ):
        pass
    timer = threading.Timer(0.05, remote.delete, (name,))
    timer.start()
    with holding(remote, Pace(look=0.01, looks=1000)) as writer:
        writer.check()
    timer.join()


def signed(writer: Writer) -> datetime | None:
    """When it gave its last sign of life."""
    try:
        return datetime.fromisoformat(read_document(writer.store, writer.name)["at"])
    except ResultsError:  # it is being replaced
        return None


def until(true: Any) -> None:
    never = Event()
    for _ in range(6000):
        if true():
            return
        never.wait(0.01)
    pytest.fail("it never came")
