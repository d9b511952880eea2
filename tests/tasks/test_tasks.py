"""The verbs as tasks: what is retried, what is never cached, what people read."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from prefect import Task, flow
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed

import tasks
from sim_arena import verbs
from sim_arena.episode import EpisodeSpec, play
from sim_arena.errors import PermanentError, TransientError
from sim_arena.observation import Observation
from sim_arena.records import same
from tasks.options import RETRIES, is_transient

pytestmark = pytest.mark.xdist_group("prefect")

MakeSpec = Callable[..., EpisodeSpec]
ALL = [getattr(tasks, name) for name in tasks.__all__ if name != "clean_up"]
ON_CLUSTERS = [tasks.preflight, tasks.simulate, tasks.wait, tasks.observe]
WELL = Observation(ready=3, pending=0, total=3)


def test_each_verb_has_its_task() -> None:
    assert {task.name for task in ALL} == {
        "preflight",
        "simulate",
        "wait",
        "observe",
        "decide",
        "mutate",
        "reward",
        "record",
    }


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_nothing_is_cached(task: Task[..., Any]) -> None:
    assert task.cache_policy is NO_CACHE
    assert task.persist_result is False


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_only_what_touches_a_cluster_is_tried_again(task: Task[..., Any]) -> None:
    if task not in ON_CLUSTERS:
        assert task.retries == 0
        return
    assert task.retries == RETRIES
    assert task.retry_delay_seconds == [1.0, 2.0, 4.0, 8.0]
    assert task.retry_jitter_factor == 0.5
    assert task.retry_condition_fn is is_transient


@pytest.mark.parametrize(
    ("error", "again"),
    [(TransientError("x"), True), (PermanentError("x"), False), (ValueError("x"), False)],
)
def test_only_transient_errors_are_tried_again(error: Exception, *, again: bool) -> None:
    task: Any = tasks.observe
    assert is_transient(task, None, Failed(data=error)) is again  # type: ignore[arg-type] # not looked at


def patient() -> Any:
    """The tasks, without the pauses between tries."""
    quick = {
        name: getattr(tasks, name).with_options(retry_delay_seconds=0)
        for name in ("preflight", "simulate", "wait", "observe")
    }
    return SimpleNamespace(**{name: getattr(tasks, name) for name in tasks.__all__} | quick)


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("glitches", [0, 1, RETRIES])
def test_an_episode_survives_glitches(
    make_spec: MakeSpec, fake_cluster: Any, glitches: int
) -> None:
    fake_cluster.script = [*[TransientError("a glitch")] * glitches, WELL]

    @flow
    def playing() -> bool:
        return play(make_spec(cluster="fake"), patient()).success

    assert playing()
    assert fake_cluster.calls.count("observe") == glitches + 1


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(
    ("error", "tries"),
    [(TransientError("a glitch"), RETRIES + 1), (PermanentError("gone"), 1)],
)
def test_what_does_not_pass_fails_the_flow_and_is_cleaned_up(
    make_spec: MakeSpec, fake_cluster: Any, error: Exception, tries: int
) -> None:
    fake_cluster.script = [error]

    @flow
    def playing() -> None:
        play(make_spec(cluster="fake"), patient())

    with pytest.raises(type(error), match=str(error)):
        playing()
    assert fake_cluster.calls.count("observe") == tries
    assert not fake_cluster.live


@pytest.mark.usefixtures("prefect_server")
def test_the_tasks_give_the_records_of_the_plain_verbs_and_have_names_for_people(
    make_spec: MakeSpec, caplog: pytest.LogCaptureFixture
) -> None:
    spec = make_spec(max_steps=2, policy="scale_replicas", run_id="same")

    @flow
    def playing() -> Any:
        return play(spec, tasks).records

    by_tasks = playing()
    elsewhere = play(spec.model_copy(update={"runs_dir": spec.runs_dir + "-plain"}), verbs)
    for one, other in zip(by_tasks, elsewhere.records, strict=True):
        assert same(one, json.loads(json.dumps(other).replace("runs-plain", "runs")))
    names = {getattr(line, "task_run_name", None) for line in caplog.records} - {None}
    assert names == {
        "check web",
        "simulate web, step 1",
        "wait for web, step 1",
        "observe web, step 1",
        "scale_replicas decides",
        "scale_up_replicas on web",
        "binary reward",
        "record step 1",
        "simulate web, step 2",
        "wait for web, step 2",
        "observe web, step 2",
        "record step 2",
    }
