"""A sweep's rows are those of `play`; what fails is a row; a sweep is played by one at a time."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from results import ResultsError, Sweep, load_episodes, load_steps, rows_of
from sim_arena import verbs
from sim_arena.actions import Action
from sim_arena.episode import EpisodeResult, play
from sim_arena.errors import PermanentError
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
    writing,
)
from sim_arena.sweeps.playing import local
from sim_arena.sweeps.rows import episode_row, of_this_sweep
from traces.generator import write_demo

CLOCK = {"started_at", "wall_seconds"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("traces")
    write_demo(out, seed=4, count=6)
    return str(out)


def timeless(rows: list[dict[str, Any]], *more: str) -> list[dict[str, Any]]:
    without = CLOCK | set(more)
    return [{key: value for key, value in row.items() if key not in without} for row in rows]


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


def test_chunks_that_are_there_are_not_played_again(demo: str, tmp_path: Path) -> None:
    sweep, plan = create(SweepSpec(traces=demo, chunk=2), tmp_path)
    play_chunk(sweep, plan, 1)
    before = (tmp_path / sweep.id / "steps/chunk=1/steps.parquet").stat().st_mtime_ns
    seen: list[int] = []
    go_on(*opened(tmp_path / sweep.id), on_chunk=lambda progress: seen.append(progress.done))
    assert seen == [4, 6]
    assert (tmp_path / sweep.id / "steps/chunk=1/steps.parquet").stat().st_mtime_ns == before
    go_on(*opened(tmp_path / sweep.id), on_chunk=lambda _: pytest.fail("nothing is missing"))


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


def test_a_sweep_whose_creation_was_interrupted_says_so(tmp_path: Path) -> None:
    Sweep.create(tmp_path, "half")
    with pytest.raises(ResultsError, match="creation was interrupted"):
        opened(tmp_path / "half")


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
    from sim_arena import clusters  # noqa: PLC0415 # patched here alone

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


def test_rows_are_described_alike(demo: str, tmp_path: Path) -> None:
    sweep, plan = create(SweepSpec(traces=demo), tmp_path)
    go_on(sweep, plan)
    schema = load_steps(sweep, form="arrow").schema
    metadata: Mapping[bytes, bytes] = schema.field("obs_requested_cpu").metadata
    assert metadata[b"unit"] == b"mCPU"
    assert load_steps(sweep)["obs_containers"].notna().all()
