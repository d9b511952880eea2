"""The flows, called from Python like any function, against a Prefect server."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ParameterTypeError

from flows.episode import episode
from flows.parameters import ROOTS, SIMKUBE, arguments, check_source, check_sweep_source
from flows.playing import clean_up_run
from flows.step import step
from results import Run
from sim_arena import verbs
from sim_arena.episode import EpisodeResult, EpisodeSpec, Hook, StepSizes
from sim_arena.errors import HookError, PermanentError
from sim_arena.hooks import ALLOW_CODE
from sim_arena.locks import locked
from tests.flows.server import last_run

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_server")]

MakeSpec = Callable[..., EpisodeSpec]


def test_an_episode_is_a_function_that_repairs(
    make_spec: MakeSpec, client: Any, artifacts: Callable[..., dict[str, str]]
) -> None:
    spec = make_spec(steps=StepSizes(cpu="1500m"))
    result = episode(**arguments(episode, spec))
    assert isinstance(result, EpisodeResult)
    assert (result.success, result.truncated) == (True, False)

    run = last_run(client, "episode web by heuristic, web")
    assert run.state.is_completed()
    assert run.state.message == (
        f"web is healthy, seen in step {len(result.records)}: {result.trace}"
    )
    assert result.run_id == str(run.id)

    shown = artifacts(run.id)
    assert "# web is healthy" in shown["episode"]
    assert "-    requests.cpu: 17\n+    requests.cpu: " in shown["episode"]
    assert "kubectl patch deployment web -n shop" in shown["episode"]
    assert "Parquet" in shown["episode"]
    rows = json.loads(shown["episode-steps"])
    assert [row["step"] for row in rows] == [str(n + 1) for n in range(len(result.records))]
    assert "3 Insufficient cpu" in rows[0]["observation"]
    assert "reduce_cpu_small" in rows[0]["action"]

    written = Run.open(result.folder)
    assert len(written.read_table()) == len(result.records)
    summary = written.read_summary()
    assert summary is not None
    assert summary["successes"] == 1


def test_a_step_plays_once(make_spec: MakeSpec, client: Any) -> None:
    result = step(**arguments(step, make_spec()))
    [record] = result.records
    assert record["action"] is not None
    assert record["trace_out"] != record["trace_in"]
    state = last_run(client, "step web").state
    assert (state.is_completed(), state.name) == (True, "Truncated")
    assert state.message == "web is not healthy after 1 step, which is the limit"


def test_an_error_fails_the_flow_and_is_shown(
    make_spec: MakeSpec, client: Any, artifacts: Callable[..., dict[str, str]]
) -> None:
    spec = make_spec(post_end=(Hook(command=("false",)),))
    with pytest.raises(HookError, match="post_end hook 'false' ended with exit code 1"):
        episode(**arguments(episode, spec))
    run = last_run(client, "episode web")
    assert run.state.is_failed()
    assert "HookError: post_end hook 'false'" in run.state.message
    shown = artifacts(run.id)
    assert "# The episode of web failed" in shown["episode"]
    assert "HookError" in json.loads(shown["episode-steps"])[0]["action"]


def test_what_cannot_be_played_fails_before_anything_is_made(
    make_spec: MakeSpec, tmp_path: Any, client: Any
) -> None:
    with pytest.raises(PermanentError, match="named wep"):
        episode(**arguments(episode, make_spec(deploy="wep")))
    assert last_run(client, "episode wep").state.is_failed()
    assert not (tmp_path / "runs").exists()


def test_a_run_id_goes_on_with_a_run(make_spec: MakeSpec) -> None:
    given = arguments(episode, make_spec(run_id="mine", max_steps=2, policy="noop"))
    first = episode(**given)
    assert first.run_id == "mine"
    assert episode(**given).records == first.records


@pytest.mark.parametrize(
    "values",
    [{"target": 0}, {"duration": 0}, {"reward": "gold"}, {"max_steps": 0}, {"seed": -1}],
)
def test_a_parameter_out_of_bounds_is_refused(make_spec: MakeSpec, values: dict[str, Any]) -> None:
    with pytest.raises(ParameterTypeError):
        episode(**arguments(episode, make_spec()) | values)


@pytest.mark.parametrize(
    "values",
    [{"policy": "os:getcwd"}, {"pre_start": (Hook(command=("ls",)),)}],
)
def test_code_is_refused_from_a_deployment_unless_it_is_allowed(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]
) -> None:
    monkeypatch.delenv(ALLOW_CODE, raising=False)
    spec = make_spec(**values)
    check_source(spec)  # called from Python
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "some-deployment")
    monkeypatch.setenv(ROOTS, str(Path(spec.trace).parent))
    with pytest.raises(PermanentError, match=f"name no code, found .*{ALLOW_CODE}=1"):
        check_source(spec)
    check_source(make_spec())
    monkeypatch.setenv(ALLOW_CODE, "1")
    check_source(spec)


@pytest.mark.parametrize("name", ["PREFECT__RUNTIME__DEPLOYMENT__ID", "PREFECT__FLOW_RUN_ID"])
@pytest.mark.parametrize("field", ["trace", "runs_dir", "nodes"])
def test_a_run_from_elsewhere_keeps_to_the_worker_s_places(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, field: str
) -> None:
    inside = make_spec()
    outside = inside.model_copy(update={field: str(tmp_path.parent / "elsewhere")})
    around = inside.model_copy(update={field: str(tmp_path / ".." / "elsewhere")})
    link = tmp_path / "link"
    link.symlink_to(tmp_path.parent)
    linked = inside.model_copy(update={field: str(link / "elsewhere")})
    for spec in (outside, around, linked):
        check_source(spec)  # called from Python
    monkeypatch.setenv(name, str(uuid4()))
    monkeypatch.setenv(ROOTS, f"s3://other, {tmp_path}")
    check_source(inside)
    for spec in (outside, around, linked):
        with pytest.raises(PermanentError, match=f"expected a place in s3://other.*{ROOTS}"):
            check_source(spec)
    monkeypatch.delenv(ROOTS)
    with pytest.raises(PermanentError, match="expected a place in"):
        check_source(inside)
    monkeypatch.chdir(tmp_path)
    check_source(inside)


def test_a_sweep_from_elsewhere_keeps_to_the_worker_s_places(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = {"policies": ["noop"], "traces": [str(tmp_path / "a" / "*.sktrace")], "nodes": None}
    given |= {"runs_dir": "s3://bucket/runs/x?scheme=http", "address": None, "simkube": SIMKUBE}
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(uuid4()))
    monkeypatch.delenv(ALLOW_CODE, raising=False)
    monkeypatch.setenv(ROOTS, f"{tmp_path},s3://bucket/runs")
    check_sweep_source(given)
    for wrong in (
        {"policies": ["os:system"]},
        {"traces": ["/etc/*"]},
        {"nodes": ["/etc/nodes.yaml"]},
        {"runs_dir": "s3://bucket/runs-of-others"},
        {"runs_dir": "s3://bucket/runs/../other"},
        {"address": "tcp://10.0.0.1:8786"},
        {"simkube": SIMKUBE.model_copy(update={"trace_store": "/etc"})},
    ):
        with pytest.raises(PermanentError, match="expected"):
            check_sweep_source({**given, **wrong})


def test_artifacts_that_cannot_be_written_change_nothing(
    make_spec: MakeSpec, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*_arguments: Any) -> None:
        raise RuntimeError("no artifacts today")

    monkeypatch.setattr("flows.playing.publish", unable)
    assert episode(**arguments(episode, make_spec(steps=StepSizes(cpu="1500m")))).success
    assert last_run(client, "episode web").state.is_completed()
    spec = make_spec(post_end=(Hook(command=("false",)),))
    with pytest.raises(HookError, match="post_end hook 'false' ended with exit code 1") as told:
        episode(**arguments(episode, spec))
    assert any("no artifacts today" in note for note in told.value.__notes__)


def test_the_hook_leaves_a_run_alone_that_somebody_else_plays(
    make_spec: MakeSpec, fake_cluster: Any
) -> None:
    spec = make_spec(cluster="fake", run_id="theirs")
    verbs.simulate(spec, spec.trace, 0)
    folder = Path(spec.runs_dir) / "theirs"
    folder.mkdir(parents=True)
    given = {"cluster": "fake", "run_id": "theirs", "runs_dir": spec.runs_dir}
    flow_run = FlowRun(flow_id=uuid4(), parameters=given)
    state: Any = SimpleNamespace(name="Cancelling")
    with locked(folder):
        clean_up_run(flow=episode, flow_run=flow_run, state=state)
        assert len(fake_cluster.live) == 1
    clean_up_run(flow=episode, flow_run=flow_run, state=state)
    assert not fake_cluster.live


@pytest.mark.parametrize("given", [{"run_id": "mine"}, {}])
def test_the_hook_of_a_cancelled_run_cleans_up_by_the_run_s_id(
    make_spec: MakeSpec, fake_cluster: Any, given: dict[str, str]
) -> None:
    flow_run = FlowRun(flow_id=uuid4(), parameters={"cluster": "fake", **given})
    spec = make_spec(cluster="fake", run_id=given.get("run_id", str(flow_run.id)))
    verbs.simulate(spec, spec.trace, 0)
    other = spec.model_copy(update={"run_id": "other"})
    verbs.simulate(other, spec.trace, 0)
    state: Any = SimpleNamespace(name="Cancelling")
    for _ in range(2):
        clean_up_run(flow=episode, flow_run=flow_run, state=state)
    assert [one["run_id"] for one in fake_cluster.live.values()] == ["other"]
