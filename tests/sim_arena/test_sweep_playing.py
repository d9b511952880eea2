"""A sweep's rows are those of `play`; what fails is a row; a sweep is played by one at a time."""

import shutil
import threading
from collections.abc import Callable, Mapping
from errno import ENOSPC
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from results import ResultsError, Sweep, load_episodes, load_steps, rows_of
from results.compaction import compact
from results.latest import read_latest
from sim_arena import clusters, verbs
from sim_arena.actions import Action
from sim_arena.episode import EpisodeResult, play
from sim_arena.errors import BusyError, PermanentError, TransientError
from sim_arena.locks import locked
from sim_arena.observation import Observation
from sim_arena.policies.loading import REGISTRY
from sim_arena.records import to_row
from sim_arena.sweeps import (
    Plan,
    SweepSpec,
    TooManyFailedError,
    create,
    go_on,
    opened,
    play_chunk,
    versions,
    writing,
)
from sim_arena.sweeps.fetched import played_folder
from sim_arena.sweeps.playing import local
from sim_arena.sweeps.rows import episode_row, of_this_sweep
from sim_arena.sweeps.running import begin
from tests.rows import timeless
from traces.generator import write_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("traces")
    write_demo(out, seed=4, count=6)
    return str(out)


def steps_of(sweep: Sweep) -> list[dict[str, Any]]:
    return rows_of(load_steps(sweep, form="arrow"))


def episodes_of(sweep: Sweep) -> list[dict[str, Any]]:
    return rows_of(load_episodes(sweep, form="arrow"))


def sometimes(obs: Observation, deploy: str) -> Action:
    """Fail where nothing is pending, answer nonsense where few are."""
    if not obs["pending"]:
        raise RuntimeError("nothing to do")
    if obs["pending"] == 1:
        return {"type": "fly", "deploy": deploy}
    return {"type": "scale_down_replicas", "deploy": deploy}


def expected(
    sweep: Sweep, plan: Plan, folder: Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows that `play` gives, one episode after another."""
    steps, episodes = [], []
    for number in range(len(plan)):
        asked = plan.episode(number)
        spec = local(sweep, plan, asked).model_copy(
            update={"runs_dir": str(folder), "run_id": f"r{number}"}
        )
        result = EpisodeResult("r", number, str(folder))
        error = None
        try:
            play(spec, on_step=result.add)
        except Exception as failure:  # noqa: BLE001 # as in a sweep
            error = f"{type(failure).__name__}: {failure}"
        names = {spec.trace: asked.trace, spec.nodes: asked.nodes}
        rows = of_this_sweep([to_row(record) for record in result.records], sweep.id, names)
        steps += rows
        episodes.append(episode_row(asked, plan.case(number), sweep.id, rows, error))
    return steps, episodes


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_the_rows_are_those_of_play(
    data: st.DataObject, demo: str, tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REGISTRY, "sometimes", sometimes)
    policies = st.sampled_from(["heuristic", "random", "noop", "sometimes"])
    asked = SweepSpec(
        traces=demo,
        policies=data.draw(st.lists(policies, min_size=1, max_size=3, unique=True)),
        rewards=[data.draw(st.sampled_from(["binary", "waste", "shaped"]))],
        nodes=data.draw(st.sampled_from([(), ("1x4cpu,8Gi",)])),
        seeds=data.draw(st.sampled_from(["0-2", "7"])),
        max_steps=data.draw(st.sampled_from([None, 1, 3])),
        sample=8,
        sample_seed=data.draw(st.integers(0, 100)),
        chunk=data.draw(st.integers(1, 9)),
        max_failed=1,
    )
    folder = tmp_path_factory.mktemp("runs")
    sweep, plan = create(asked, folder / "sweeps")
    figures = go_on(sweep, plan)
    steps, episodes = expected(sweep, plan, folder)
    # The traces between the first and the last are not kept, and not named.
    assert timeless(steps_of(sweep), "trace_in", "trace_out") == timeless(
        steps, "trace_in", "trace_out"
    )
    for row, wanted in zip(steps_of(sweep), steps, strict=True):
        assert row["trace_in"] in {wanted["trace_in"], None}
        assert (row["trace_in"] is None) == (wanted["trace_in"] != wanted["trace"])
        assert (row["trace_out"] is None) == (wanted["trace_out"] != wanted["trace"])
    assert timeless(episodes_of(sweep)) == timeless(episodes)
    assert figures["episodes"] == len(episodes)
    assert figures["errors"] == sum(row["error"] is not None for row in episodes)
    assert figures["successes"] == sum(row["success"] for row in episodes)


def test_what_cannot_begin_is_a_row_with_its_error(demo: str, tmp_path: Path) -> None:
    asked = SweepSpec(traces=demo, policies=("nobody", "noop"), max_failed=0.5)
    sweep, plan = create(asked, tmp_path)
    go_on(sweep, plan)
    rows = episodes_of(sweep)
    assert {row["policy"] for row in rows if row["error"]} == {"nobody"}
    assert {row["steps"] for row in rows if row["error"]} == {0}


def test_too_many_failures_stop_a_sweep_and_leave_it_unfinished(demo: str, tmp_path: Path) -> None:
    asked = SweepSpec(traces=demo, policies="nobody", max_failed=0.3, chunk=1)
    sweep, plan = create(asked, tmp_path)
    with pytest.raises(TooManyFailedError, match="max_failed"):
        go_on(sweep, plan)
    assert sweep.read_summary() is None
    assert len(episodes_of(sweep)) == 2  # more than 0.3 of 6
    with pytest.raises(TooManyFailedError):
        go_on(*opened(tmp_path / sweep.id))
    assert len(episodes_of(sweep)) == 2
    figures = go_on(*opened(tmp_path / sweep.id), max_failed=1)
    assert (figures["episodes"], figures["errors"]) == (6, 6)


def test_what_failed_is_played_again_and_is_there_once(
    demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sick = True

    def policy(obs: Observation, deploy: str) -> Action:  # noqa: ARG001 # a policy's arguments
        if sick:
            raise RuntimeError("no disk")
        return {"type": "noop", "deploy": deploy}

    monkeypatch.setitem(REGISTRY, "sick", policy)
    asked = SweepSpec(traces=demo, policies=("noop", "sick"), chunk=4, max_steps=2, max_failed=0.4)
    sweep, plan = create(asked, tmp_path)
    with pytest.raises(TooManyFailedError, match="retry_failed"):
        go_on(sweep, plan)
    sick = False
    seen: list[int] = []
    figures = go_on(
        *opened(tmp_path / sweep.id), retry_failed=True, on_chunk=lambda p: seen.append(p.done)
    )
    assert seen == [4, 8, 12]
    assert (figures["episodes"], figures["errors"]) == (12, 0)
    assert [row["episode"] for row in episodes_of(sweep)] == list(range(12))
    assert len(steps_of(sweep)) == 24


@pytest.mark.parametrize("killed", [False, True])
def test_a_sweep_that_ended_plays_its_failures_again_even_if_its_files_were_joined(
    demo: str, tmp_path: Path, killed: bool
) -> None:
    """Also when the compaction was killed before it deleted what it had joined."""
    asked = SweepSpec(traces=demo, policies=("noop", "nobody"), chunk=2, max_failed=1)
    sweep, plan = create(asked, tmp_path)
    go_on(sweep, plan)
    numbers: list[int] = []
    go_on(sweep, plan, retry_failed=True, on_chunk=lambda p: numbers.append(p.done))
    assert numbers == [2, 4, 6, 8, 10, 12]  # each has one of nobody's
    assert len(episodes_of(sweep)) == 12
    before = timeless(episodes_of(sweep))
    shutil.copytree(sweep.store.url, tmp_path / "before")
    assert compact(sweep) == (12, 2)
    if killed:
        shutil.copytree(tmp_path / "before", sweep.store.url, dirs_exist_ok=True)
    go_on(sweep, plan, retry_failed=True, on_chunk=lambda p: numbers.append(p.done))
    assert numbers[6:] == numbers[:6]
    assert timeless(episodes_of(sweep)) == before
    assert sweep.read_summary() is not None


def test_a_transient_error_is_a_row_only_when_nobody_tries_again(
    demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(clusters.REGISTRY, "other", "sim_arena.clusters.embedded")
    asked = SweepSpec(traces=demo, clusters=("other",), policies="noop", max_steps=2, sample=1)
    sweep, plan = create(asked, tmp_path)
    away = [1]

    class Away:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            return getattr(verbs, name)  # type: ignore[no-any-return] # a verb

        def observe(self, simulation: Any) -> Observation:
            if simulation["step"] in away:
                raise TransientError("expected an answer, found none: try again")
            return verbs.observe(simulation)

    def play_it(*, last: bool) -> None:
        with writing(sweep) as writer:
            play_chunk(sweep, plan, 0, writer, verbs=Away(), last=last)  # type: ignore[arg-type] # it has all

    with pytest.raises(TransientError):
        play_it(last=False)
    assert sweep.finished_chunks() == set()
    play_it(last=True)
    (row,) = episodes_of(sweep)
    assert row["error"].startswith("TransientError: expected an answer")
    away.clear()
    play_it(last=True)
    (row,) = episodes_of(sweep)
    assert (row["error"], row["steps"]) == (None, 2)
    assert [step["step"] for step in steps_of(sweep)] == [0, 1]


class Failing:
    """The verbs, of which one step's look fails."""

    def __init__(self, error: BaseException) -> None:
        self.error: BaseException | None = error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(verbs, name)  # type: ignore[no-any-return] # a verb

    def observe(self, simulation: Any) -> Observation:
        if simulation["step"] == 1 and self.error is not None:
            raise self.error
        return verbs.observe(simulation)


def singly(tmp_path: Path, demo: str) -> tuple[Sweep, Plan]:
    """A sweep of one episode on a cluster that plays them one by one."""
    asked = SweepSpec(traces=demo, clusters=("other",), policies="noop", max_steps=3, sample=1)
    return create(asked, tmp_path, "x")


@pytest.mark.parametrize("spelling", ["absolute", "around", "link", "copy"])
def test_an_interrupted_episode_goes_on_however_its_folder_is_named(
    demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.setitem(clusters.REGISTRY, "other", "sim_arena.clusters.embedded")
    monkeypatch.chdir(tmp_path)
    sweep, plan = singly(Path("runs"), demo)
    failing: Any = Failing(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt), writing(sweep) as writer:
        play_chunk(sweep, plan, 0, writer, verbs=failing)
    places = {"absolute": tmp_path / "runs", "around": "runs/../runs", "link": "l", "copy": "c"}
    Path("l").symlink_to("runs")
    if spelling == "copy":
        shutil.move("runs", "c")
    sweep, plan = opened(Path(places[spelling]) / "x")
    with writing(sweep) as writer:
        play_chunk(sweep, plan, 0, writer)
    (row,) = episodes_of(sweep)
    assert (row["error"], row["steps"]) == (None, 3)
    taken = steps_of(sweep)
    assert [step["step"] for step in taken] == [0, 1, 2]
    assert taken[0]["trace_in"] == plan.episode(0).trace


def test_a_full_disk_and_another_player_say_nothing_of_how_an_episode_goes(
    demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(clusters.REGISTRY, "other", "sim_arena.clusters.embedded")
    sweep, plan = singly(tmp_path, demo)
    failing: Any = Failing(OSError(ENOSPC, "No space left on device"))
    with writing(sweep) as writer:
        with pytest.raises(OSError, match="No space left"):
            play_chunk(sweep, plan, 0, writer, verbs=failing, last=True)
        with locked(played_folder(sweep) / "x-0"), pytest.raises(BusyError):
            play_chunk(sweep, plan, 0, writer, last=True)
    assert sweep.finished_chunks() == set()


def test_rows_of_two_versions_are_mixed_only_when_they_may_be(
    demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, plan = create(SweepSpec(traces=demo, policies="noop", chunk=3), tmp_path)
    made = sweep.parameters["made_with"]
    with writing(sweep) as writer:
        play_chunk(sweep, plan, 0, writer)
    monkeypatch.setattr(versions, "_source", lambda: "another")
    with pytest.raises(PermanentError, match=f"source {made['source'][:12]}, found .* another"):
        go_on(sweep, plan)
    seen: list[int] = []
    more = {"allow_other_version": True}
    with pytest.raises(RuntimeError, match="power"):
        go_on(sweep, plan, on_chunk=lambda _: _raise(RuntimeError("power")), **more)  # type: ignore[arg-type] # it has them
    found = Sweep.open(tmp_path / sweep.id)
    assert [one["source"] for one in found.parameters["resumed_with"]] == ["another"]
    go_on(found, plan, on_chunk=lambda p: seen.append(p.done))  # it takes part by now
    assert len(episodes_of(found)) == 6
    monkeypatch.undo()
    go_on(found, plan)  # has ended: nothing is mixed


def _raise(error: Exception) -> None:
    raise error


def test_a_sweep_without_recorded_versions_is_gone_on_with(demo: str, tmp_path: Path) -> None:
    sweep, plan = create(SweepSpec(traces=demo, policies="noop", max_steps=1), tmp_path)
    sweep.record("made_with", {"sim-arena": sweep.parameters["made_with"]["sim-arena"]})
    go_on(*opened(tmp_path / sweep.id))
    assert plan.cases


def test_chunks_that_are_there_are_not_played_again(demo: str, tmp_path: Path) -> None:
    sweep, plan = create(SweepSpec(traces=demo, chunk=2), tmp_path)
    with writing(sweep) as writer:
        play_chunk(sweep, plan, 1, writer)
    before = (tmp_path / sweep.id / "steps/chunk=1/steps.parquet").stat().st_mtime_ns
    seen: list[int] = []
    go_on(*opened(tmp_path / sweep.id), on_chunk=lambda progress: seen.append(progress.done))
    assert seen == [4, 6]
    assert (tmp_path / sweep.id / "steps/chunk=1/steps.parquet").stat().st_mtime_ns == before
    go_on(*opened(tmp_path / sweep.id), on_chunk=lambda _: pytest.fail("nothing is missing"))


@pytest.mark.parametrize("how", ["deleted", "damaged"])
@pytest.mark.parametrize("lost", ["steps", "episodes"])
@pytest.mark.parametrize("where", ["original", "copy", "joined", "half joined", "store"])
def test_what_an_ended_sweep_has_lost_is_played_again(
    demo: str, tmp_path: Path, lost: str, where: str, how: str
) -> None:
    runs = (
        f"memory://{tmp_path.name}-{lost}-{how}/runs"
        if where == "store"
        else str(tmp_path / "runs")
    )
    sweep, plan = create(SweepSpec(traces=demo, seeds="0-1", chunk=2), runs)
    go_on(sweep, plan)
    steps, episodes = steps_of(sweep), episodes_of(sweep)
    sweep.write_summary({"episodes": -1})  # the old one, to be told apart
    if where == "copy":
        shutil.copytree(sweep.store.url, tmp_path / "runs" / "copy")
        sweep, plan = opened(tmp_path / "runs" / "copy")
    if where.endswith("joined"):
        with writing(sweep):
            compact(sweep, rows=len(steps) // 2 if where == "half joined" else len(steps))
    name = sweep.parts("steps")[0].replace("steps", lost)
    if how == "deleted":
        sweep.store.delete(name)
    else:
        sweep.store.write(name, lambda file: file.write(b"PAR1 cut off"))
    seen: list[int] = []
    figures = go_on(*opened(sweep.store.url), on_chunk=lambda progress: seen.append(progress.done))
    assert len(seen) >= 1
    assert figures["episodes"] == len(episodes) == len(plan)
    assert (sweep.read_summary() or {})["episodes"] == len(episodes)
    assert timeless(steps_of(sweep)) == timeless(steps)
    assert timeless(episodes_of(sweep)) == timeless(episodes)
    assert sweep.store.list("steps") == sorted(sweep.parts("steps"))
    if where == "copy":
        assert read_latest(tmp_path / "runs") == "copy"


class Leaving:
    """A policy that calls `exit()`: alone, or asked for many."""

    def get_action(self, obs: Observation, deploy: str) -> Action:  # noqa: ARG002
        raise SystemExit(7)


class LeavingTogether(Leaving):
    def decide_batch(self, observations: Any, deploys: Any) -> list[Action]:  # noqa: ARG002
        raise SystemExit(7)


@pytest.mark.parametrize("leaving", [Leaving, LeavingTogether])
def test_a_policy_that_exits_ends_its_own_episodes_and_no_others(
    demo: str, tmp_path: Path, leaving: type[Leaving]
) -> None:
    names = (f"{__name__}:{leaving.__name__}", "noop")
    asked = SweepSpec(traces=demo, policies=names, max_failed=1)
    sweep, plan = create(asked, tmp_path)
    figures = go_on(sweep, plan)
    assert figures["errors"] == len(plan) // 2
    failed = [row for row in episodes_of(sweep) if row["error"] is not None]
    assert {row["policy"] for row in failed} == {asked.policies[0]}
    assert all("failed: SystemExit: 7" in row["error"] for row in failed)


@pytest.mark.parametrize("store", ["folder", "memory"])
def test_a_second_writer_is_refused(demo: str, tmp_path: Path, store: str) -> None:
    runs = str(tmp_path) if store == "folder" else f"memory://{tmp_path.name}/runs"
    sweep, plan = create(SweepSpec(traces=demo), runs)
    told: list[str] = []

    def other() -> None:
        try:
            go_on(*opened(sweep.store.url))
        except PermanentError as error:
            told.append(str(error))

    with writing(sweep):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(told) == 1
    go_on(sweep, plan)


@pytest.mark.parametrize("store", ["folder", "memory"])
def test_a_sweep_whose_creation_was_interrupted_is_made_again(
    demo: str, tmp_path: Path, store: str
) -> None:
    runs = str(tmp_path) if store == "folder" else f"memory://{tmp_path.name}/runs"
    half, plan = create(SweepSpec(traces=demo, seeds="0-1"), runs, "half")
    half.store.delete("run.json")
    other = f"{'0' * 64}.sktrace"
    half.add_input(other, b"of another sweep")
    with pytest.raises(ResultsError, match=r"creation was interrupted.*make it again"):
        opened(half.store.url)
    made, _ = create(SweepSpec(traces=demo), runs, "half")
    assert f"inputs/{other}" not in made.store.list("inputs")
    go_on(*opened(made.store.url))
    with pytest.raises(ResultsError, match="exists already"):
        create(plan.asked, runs, "half")


def test_a_store_that_is_no_folder_gets_the_same(demo: str, tmp_path: Path) -> None:
    asked = SweepSpec(traces=demo, seeds="0-1", chunk=4)
    here, plan = create(asked, tmp_path, "same")
    go_on(here, plan)
    there, plan = create(asked, f"memory://{tmp_path.name}-x/runs", "same")
    go_on(there, plan)
    assert timeless(steps_of(there)) == timeless(steps_of(here))
    assert timeless(episodes_of(there)) == timeless(episodes_of(here))


def test_real_clusters_go_through_the_verbs(
    demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is registered: here the embedded cluster under another name."""
    monkeypatch.setitem(clusters.REGISTRY, "other", "sim_arena.clusters.embedded")
    asked = SweepSpec(traces=demo, clusters=("embedded", "other"), policies="heuristic")
    sweep, plan = create(asked, tmp_path)
    reached: list[str] = []

    class Watched:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            reached.append(name)
            return getattr(verbs, name)  # type: ignore[no-any-return] # a verb

    go_on(sweep, plan, verbs=Watched())  # type: ignore[arg-type] # it has all of them
    assert {"simulate", "wait", "observe", "record"} <= set(reached)
    rows = steps_of(sweep)
    half = [row for row in rows if row["cluster"] == "embedded"]
    other = [row for row in rows if row["cluster"] == "other"]
    without = ("cluster", "episode", "trace_in", "trace_out")
    assert timeless(other, *without) == timeless(half, *without)
    kept = [row["trace_in"] for row in other if row["step"]]
    assert kept
    assert all(Path(path).exists() for path in kept)


def test_what_a_cluster_cannot_show_is_null_and_in_no_rate(
    demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(clusters.REGISTRY, "other", "sim_arena.clusters.embedded")
    asked = SweepSpec(traces=demo, clusters=("other",), targets=3, sample=2)
    sweep, plan = create(asked, tmp_path)

    class Blind:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            return getattr(verbs, name)  # type: ignore[no-any-return] # a verb

        def observe(self, simulation: Any) -> Observation:
            seen = verbs.observe(simulation)
            pods = {"ready": 3, "pending": 0, "total": 3}
            return cast("Observation", {**seen, **pods, "unassessable": ["memory"]})

    figures = go_on(sweep, plan, verbs=Blind())  # type: ignore[arg-type] # it has all of them
    assert (figures["unassessable"], figures["success_rate"]) == (2, None)
    assert {row["success"] for row in episodes_of(sweep)} == {None}
    assert {row["reward"] for row in steps_of(sweep)} == {None}
    assert load_episodes(sweep, form="arrow")["success"].null_count == 2


def test_rows_are_described_alike(demo: str, tmp_path: Path) -> None:
    sweep, plan = create(SweepSpec(traces=demo), tmp_path)
    go_on(sweep, plan)
    schema = load_steps(sweep, form="arrow").schema
    metadata: Mapping[bytes, bytes] = schema.field("obs_requested_cpu").metadata
    assert metadata[b"unit"] == b"mCPU"
    assert load_steps(sweep)["obs_containers"].notna().all()


def test_a_sweep_that_has_ended_stays_as_it_is_when_it_is_resumed(
    demo: str, tmp_path: Path
) -> None:
    sweep, plan = create(
        SweepSpec(traces=demo, policies=("nobody",), max_failed=1), str(tmp_path), "ended"
    )
    first = go_on(sweep, plan)
    written = (tmp_path / "ended" / "summary.json").read_bytes()
    assert go_on(sweep, plan) == first
    assert (tmp_path / "ended" / "summary.json").read_bytes() == written
    with writing(sweep) as writer:
        progress, missing = begin(sweep, plan, writer)
    assert (progress.failed, progress.done, missing) == (len(plan), len(plan), [])
