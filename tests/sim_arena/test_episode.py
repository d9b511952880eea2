"""The loop, over a cluster that answers from a script, and over the embedded one."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from results import Run, list_runs
from sim_arena import verbs
from sim_arena.actions import Action
from sim_arena.episode import EpisodeSpec, Hook, play, resume
from sim_arena.errors import (
    HookError,
    PermanentError,
    PolicyError,
    SimArenaError,
    TransientError,
)
from sim_arena.locks import locked
from sim_arena.observation import Observation
from sim_arena.records import same
from traces import find_workload, load_trace

MakeSpec = Callable[..., EpisodeSpec]
VERBS = [
    "preflight",
    "simulate",
    "wait",
    "observe",
    "decide",
    "mutate",
    "reward",
    "record",
    "clean_up",
]
SICK = Observation(ready=1, pending=2, total=3)
WELL = Observation(ready=3, pending=0, total=3)


class Counting:
    """Lowers the CPU, and remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[Observation] = []

    def get_action(self, obs: Observation, deploy: str) -> Action:
        self.seen.append(obs)
        return Action(type="reduce_cpu_small", deploy=deploy, step=f"{len(self.seen)}")


def cpu_of(path: str) -> str:
    trace = load_trace(path)
    ref = find_workload(trace, "web")
    [found] = [
        applied
        for event in trace["events"]
        for applied in event["applied_objs"]
        if applied["metadata"]["name"] == ref.name
    ]
    [container] = found["spec"]["template"]["spec"]["containers"]
    return str(container["resources"]["requests"]["cpu"])


def recording(calls: list[str]) -> Any:
    """The plain verbs, which say their names as they are used."""

    def said(name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            calls.append(name)
            return getattr(verbs, name)(*arguments)

        return call

    return SimpleNamespace(**{name: said(name) for name in VERBS})


def test_the_order_of_the_verbs(make_spec: MakeSpec, fake_cluster: Any) -> None:
    fake_cluster.script = [SICK, WELL]
    calls: list[str] = []
    play(make_spec(cluster="fake"), recording(calls))
    assert calls[:2] == ["preflight", "clean_up"]  # and what an interruption may have left
    assert calls[2:10] == VERBS[1:]
    assert calls[10:] == ["simulate", "wait", "observe", "reward", "record", "clean_up"]


def test_an_episode_ends_at_success_without_an_action(
    make_spec: MakeSpec, fake_cluster: Any
) -> None:
    fake_cluster.script = [SICK, WELL]
    result = play(make_spec(cluster="fake"), policy=Counting())
    first, last = result.records
    assert (first["success"], first["terminated"], first["truncated"]) == (False, False, False)
    assert (last["success"], last["terminated"], last["truncated"]) == (True, True, False)
    assert last["action"] is None
    assert last["trace_in"] == last["trace_out"] == first["trace_out"] == result.trace
    assert first["trace_in"] == first["trace"]
    assert (result.success, result.terminated, result.truncated) == (True, True, False)
    assert [record["reward"] for record in result.records] == [0.0, 1.0]
    assert result.warnings == ["HorizontalPodAutoscaler"]
    assert cpu_of(str(result.trace)) == "16"


def test_an_episode_is_truncated_at_its_limit(make_spec: MakeSpec, fake_cluster: Any) -> None:
    fake_cluster.script = [SICK]
    result = play(make_spec(cluster="fake", max_steps=3), policy=Counting())
    assert [record["truncated"] for record in result.records] == [False, False, True]
    assert not any(record["terminated"] for record in result.records)
    assert result.trace is None
    assert result.records[-1]["action"] is not None
    assert cpu_of(str(result.last_trace)) == "11"  # 17 - 1 - 2 - 3


def test_success_at_the_limit_is_no_truncation(make_spec: MakeSpec, fake_cluster: Any) -> None:
    fake_cluster.script = [SICK, WELL]
    result = play(make_spec(cluster="fake", max_steps=2))
    assert (result.terminated, result.truncated) == (True, False)


def test_success_is_the_same_with_every_reward(make_spec: MakeSpec, fake_cluster: Any) -> None:
    fake_cluster.script = [WELL | {"ready": 4, "total": 4}, WELL]  # type: ignore[list-item] # a copy
    result = play(make_spec(cluster="fake", reward="progress"))
    assert [record["reward"] for record in result.records] == [1.0, 1.0]
    assert [record["success"] for record in result.records] == [False, True]


def test_a_trace_that_did_not_change_goes_out_as_it_came_in(
    make_spec: MakeSpec, fake_cluster: Any
) -> None:
    fake_cluster.script = [SICK]
    spec = make_spec(cluster="fake", policy="noop", max_steps=2)
    result = play(spec)
    assert {record["trace_out"] for record in result.records} == {spec.trace}
    assert not any(record["changed"] for record in result.records)


@pytest.mark.parametrize("fault", [TransientError("a glitch"), PermanentError("no such pod")])
def test_a_policy_never_acts_on_an_observation_that_failed(
    make_spec: MakeSpec, fake_cluster: Any, fault: Exception
) -> None:
    fake_cluster.script = [SICK, fault]
    policy, told = Counting(), []
    with pytest.raises(type(fault)):
        play(make_spec(cluster="fake", run_id="r"), policy=policy, on_step=told.append)
    assert len(policy.seen) == 1
    assert not fake_cluster.live
    assert fake_cluster.calls[-1] == "clean_up"
    assert told[-1]["error"] == f"{type(fault).__name__}: {fault}"
    assert told[-1]["observation"] is told[-1]["reward"] is told[-1]["action"] is None


def test_an_observation_without_what_is_always_known_is_refused(
    make_spec: MakeSpec, fake_cluster: Any
) -> None:
    fake_cluster.script = [{"ready": 0, "total": 0}]
    policy = Counting()
    with pytest.raises(PermanentError, match=r"to know pending of web, found nothing"):
        play(make_spec(cluster="fake"), policy=policy)
    assert policy.seen == []


def test_an_error_ends_the_run_and_is_told_in_its_summary(
    make_spec: MakeSpec, fake_cluster: Any, tmp_path: Path
) -> None:
    fake_cluster.script = [SICK, PermanentError("gone")]
    with pytest.raises(PermanentError):
        play(make_spec(cluster="fake", run_id="r"))
    summary = json.loads((tmp_path / "runs/r/summary.json").read_text())
    assert summary["errors"] == 1
    assert summary["error_list"] == [{"episode": 0, "step": 1, "error": "PermanentError: gone"}]


def test_an_error_of_the_clean_up_does_not_hide_the_first_one(
    make_spec: MakeSpec, fake_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_cluster.script = [PermanentError("first")]

    def broken(_run_id: str) -> None:
        if fake_cluster.live:
            raise PermanentError("second")

    monkeypatch.setattr(fake_cluster, "clean_up", broken)
    with pytest.raises(PermanentError, match="first") as caught:
        play(make_spec(cluster="fake"))
    assert "PermanentError: second" in caught.value.__notes__[0]


def test_a_policy_that_answers_nonsense_fails_the_step(
    make_spec: MakeSpec, fake_cluster: Any
) -> None:
    fake_cluster.script = [SICK]
    with pytest.raises(PolicyError):
        play(make_spec(cluster="fake"), policy=lambda _obs, _deploy: {"type": "fly"})
    assert not fake_cluster.live


def test_the_record_names_the_policy_that_decided(make_spec: MakeSpec, fake_cluster: Any) -> None:
    fake_cluster.script = [WELL]
    assert play(make_spec(cluster="fake"), policy=Counting()).records[0]["policy"] == "Counting"


# Hooks


def test_hooks_run_around_each_step_s_simulation(make_spec: MakeSpec, fake_cluster: Any) -> None:
    fake_cluster.script = [SICK, WELL]
    before = Hook(call=lambda about: fake_cluster.calls.append(f"before {about['step']}"))
    after = Hook(call=lambda about: fake_cluster.calls.append(f"after {about['step']}"))
    play(make_spec(cluster="fake", pre_start=(before,), post_end=(after,)))
    step = ["create", "wait", "observe"]
    assert fake_cluster.calls == [
        *["clean_up", "before 0", *step, "after 0", "clean_up"],
        *["before 1", *step, "after 1", "clean_up"],
    ]


@pytest.mark.parametrize("where", ["pre_start", "post_end"])
def test_a_hook_that_fails_is_an_error_of_the_step(
    make_spec: MakeSpec, fake_cluster: Any, where: str
) -> None:
    fake_cluster.script = [SICK]
    policy, told = Counting(), []
    spec = make_spec(cluster="fake", **{where: (Hook(command=("false",)),)})
    with pytest.raises(HookError, match=f"{where} hook 'false' ended with exit code 1"):
        play(spec, policy=policy, on_step=told.append)
    assert [record["error"][:9] for record in told] == ["HookError"]
    assert policy.seen == []
    assert not fake_cluster.live
    assert fake_cluster.calls[-1] == "clean_up"


def test_post_end_runs_after_a_failure_too_and_does_not_hide_it(
    make_spec: MakeSpec, fake_cluster: Any
) -> None:
    fake_cluster.script = [PermanentError("first")]
    spec = make_spec(cluster="fake", post_end=(Hook(command=("false",)),))
    with pytest.raises(PermanentError, match="first") as caught:
        play(spec)
    assert "HookError" in caught.value.__notes__[0]


# Resuming


def test_an_interrupted_episode_is_cleaned_up_and_goes_on_where_it_was(
    make_spec: MakeSpec, fake_cluster: Any, tmp_path: Path
) -> None:
    fake_cluster.script = [SICK, SICK, KeyboardInterrupt()]
    spec = make_spec(cluster="fake", run_id="r")
    with pytest.raises(KeyboardInterrupt):
        play(spec, policy=Counting())
    assert not fake_cluster.live
    [info] = list_runs(tmp_path / "runs")
    assert info.state == "unfinished"

    fake_cluster.script = [SICK, WELL]
    policy = Counting()
    result = resume(tmp_path / "runs/r", policy=policy)
    assert [record["step"] for record in result.records] == [0, 1, 2, 3]
    assert len(policy.seen) == 3  # shown again what it saw, then asked once
    assert cpu_of(str(result.trace)) == "11"
    [info] = list_runs(tmp_path / "runs")
    assert info.state == "ended"


def test_a_failed_step_is_taken_again(
    make_spec: MakeSpec, fake_cluster: Any, tmp_path: Path
) -> None:
    spec = make_spec(cluster="fake", run_id="r")
    fake_cluster.script = [SICK, TransientError("a glitch")]
    with pytest.raises(TransientError):
        play(spec)
    fake_cluster.script = [WELL]
    result = play(spec)
    assert [record["step"] for record in result.records] == [0, 1]
    rows = Run.open(tmp_path / "runs/r").read_table().to_pylist()
    assert [(row["step"], row["error"] is None) for row in rows] == [
        (0, True),
        (1, False),
        (1, True),
    ]


def test_an_episode_may_fail_and_be_interrupted_by_turns(
    make_spec: MakeSpec, fake_cluster: Any
) -> None:
    spec = make_spec(cluster="fake", run_id="r")
    for script in (
        [SICK, TransientError("a glitch")],
        [SICK, SICK, KeyboardInterrupt()],
        [PermanentError("gone")],
    ):
        error = script[-1]
        fake_cluster.script = script
        with pytest.raises(type(error)):
            play(spec)
    fake_cluster.script = [WELL]
    assert [record["step"] for record in play(spec).records] == [0, 1, 2, 3]


def test_an_ended_episode_is_not_played_again(make_spec: MakeSpec, fake_cluster: Any) -> None:
    fake_cluster.script = [SICK, WELL]
    spec = make_spec(cluster="fake", run_id="r")
    first = play(spec)
    fake_cluster.calls.clear()
    assert play(spec).records == first.records
    assert fake_cluster.calls == []


def test_the_runs_may_be_moved_before_a_resume(
    make_spec: MakeSpec, fake_cluster: Any, tmp_path: Path
) -> None:
    fake_cluster.script = [SICK, KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        play(make_spec(cluster="fake", run_id="r", policy="scale_replicas"))
    (tmp_path / "runs").rename(tmp_path / "moved")
    fake_cluster.script = [WELL]
    result = resume(tmp_path / "moved/r")
    assert str(result.trace).startswith(str(tmp_path / "moved"))


@pytest.mark.parametrize("policy", ["heuristic", "random"])
def test_a_resumed_episode_equals_one_that_was_not_interrupted(
    make_spec: MakeSpec, policy: str
) -> None:
    spec = make_spec(policy=policy, seed=3, max_steps=6, target=4)
    whole = play(spec.model_copy(update={"run_id": "whole"}))

    def interrupt(_record: Any) -> None:
        raise KeyboardInterrupt

    parts = spec.model_copy(update={"run_id": "parts"})
    for _ in range(len(whole.records)):
        with pytest.raises(KeyboardInterrupt):
            play(parts, on_step=interrupt)
    resumed = play(parts)
    assert len(resumed.records) == len(whole.records)
    for one, other in zip(resumed.records, whole.records, strict=True):
        renamed: Any = json.loads(json.dumps(other).replace("/whole/", "/parts/"))
        assert same(one, renamed | {"run_id": "parts"})


@pytest.mark.parametrize(
    ("values", "told"),
    [({"seed": 1}, "seed 0"), ({"policy": "noop", "target": 2}, "policy 'heuristic', target 3")],
)
def test_a_run_goes_on_only_with_what_it_was_asked_for(
    make_spec: MakeSpec, fake_cluster: Any, values: dict[str, Any], told: str
) -> None:
    fake_cluster.script = [WELL]
    spec = make_spec(cluster="fake", run_id="r")
    play(spec)
    with pytest.raises(PermanentError, match=f"run r was started with {told}; expected the same"):
        play(spec.model_copy(update=values))


def test_a_run_goes_on_with_its_trace_wherever_that_is_now(
    make_spec: MakeSpec, fake_cluster: Any, tmp_path: Path
) -> None:
    fake_cluster.script = [WELL]
    spec = make_spec(cluster="fake", run_id="r")
    play(spec)
    moved = tmp_path / "moved.sktrace"
    moved.write_bytes(Path(spec.trace).read_bytes())
    assert play(spec.model_copy(update={"trace": str(moved)})).success
    moved.write_bytes(Path(spec.trace).read_bytes().replace(b"early", b"later"))
    with pytest.raises(PermanentError, match="run r was started with trace_sha256"):
        play(spec.model_copy(update={"trace": str(moved)}))


def test_a_run_has_one_player(make_spec: MakeSpec, fake_cluster: Any, tmp_path: Path) -> None:
    fake_cluster.script = [WELL]
    spec = make_spec(cluster="fake", run_id="r")
    play(spec)
    with (
        locked(tmp_path / "runs/r"),
        pytest.raises(PermanentError, match="played by somebody else"),
    ):
        play(spec)


# Preflight


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"trace": "missing.sktrace"}, "missing.sktrace"),
        ({"deploy": "wep"}, r"named wep.*the trace has .*shop/web"),
        ({"namespace": "other"}, r"in namespace other.*shop/web"),
        ({"duration": 5}, r"web appears after 5 s, .*of 5 s ends before; .*shop/early: .*than 5 s"),
        ({"nodes": "a lot"}, "a lot"),
        ({"reward": "gold"}, r"expected a reward, one of .*found 'gold'"),
    ],
)
def test_an_episode_that_cannot_be_played_is_refused(
    make_spec: MakeSpec, tmp_path: Path, values: dict[str, Any], told: str
) -> None:
    with pytest.raises(PermanentError, match=told):
        play(make_spec(**values))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("policy", ["nobody", "no_such_module:policy"])
def test_an_unknown_policy_is_refused(make_spec: MakeSpec, policy: str, tmp_path: Path) -> None:
    with pytest.raises(PolicyError):
        play(make_spec(policy=policy))
    assert not (tmp_path / "runs").exists()


def test_an_unknown_cluster_is_refused(make_spec: MakeSpec) -> None:
    with pytest.raises(SimArenaError, match="expected a cluster"):
        play(make_spec(cluster="moon"))


def test_what_an_interrupted_run_left_is_told(
    make_spec: MakeSpec, fake_cluster: Any, tmp_path: Path
) -> None:
    fake_cluster.script = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        play(make_spec(cluster="fake", run_id="left"))
    checks = {check.name: check for check in verbs.preflight(make_spec())}
    assert (checks["leftovers"].ok, checks["leftovers"].required) == (False, False)
    assert "left" in checks["leftovers"].found
    with locked(tmp_path / "runs/left"):  # one that is under way is none
        checks = {check.name: check for check in verbs.preflight(make_spec())}
    assert checks["leftovers"].ok


# On the embedded cluster


def test_a_broken_deployment_is_repaired(make_spec: MakeSpec) -> None:
    result = play(make_spec(), policy=Counting())
    assert [record["success"] for record in result.records] == [False, False, True]
    first = result.records[0]
    assert first["namespace"] == "shop"
    assert first["observation"] is not None
    assert first["observation"]["cluster"] == "embedded"
    [change] = first["changes"]
    assert (change["field"], change["before"], change["after"]) == ("requests.cpu", "17", "16")


def test_what_is_recorded_is_what_was_returned(make_spec: MakeSpec) -> None:
    result = play(make_spec(max_steps=3, target=5))
    again = play(make_spec(max_steps=3, target=5, run_id=result.run_id))
    assert again.records == result.records
    assert len(Run.open(result.folder).read_table()) == len(result.records)
