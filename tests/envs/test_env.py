import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import traces
from sim_arena import policies, rewards
from sim_arena.actions import Action
from sim_arena.envs import Problem, SimArenaEnv
from sim_arena.envs.problems import problems
from sim_arena.episode import EpisodeSpec, play
from sim_arena.errors import ActionError, SimArenaError
from sim_arena.observation import Observation, is_success


@pytest.fixture
def env(folder: Path) -> SimArenaEnv:
    return SimArenaEnv(folder)


def number(env: SimArenaEnv, action: Action) -> int:
    """Return the discrete action that is nearest: its type, on the container that it names."""
    names = [one["name"] for one in env._obs.get("containers") or []]
    slot = names.index(action["container"]) if "container" in action else None
    for i, choice in enumerate(env.choices):
        if choice.type == action["type"] and choice.slot in {slot, slot or 0}:
            return i
    raise AssertionError(action)


def test_both_ways_to_make_it() -> None:
    assert isinstance(gymnasium.make("SimArena-v0").unwrapped, SimArenaEnv)
    assert isinstance(gymnasium.make("sim_arena.envs:SimArena-v0").unwrapped, SimArenaEnv)


@pytest.mark.parametrize("reward", rewards.REGISTRY)
def test_check_env_has_nothing_to_say(reward: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make("SimArena-v0", reward=reward).unwrapped)


def test_the_demo_traces_are_the_default() -> None:
    env = SimArenaEnv()
    assert len(env.problems) == 100
    _, info = env.reset(seed=1)
    assert not info["is_success"]


def test_a_seed_decides_everything(env: SimArenaEnv) -> None:
    def played() -> list[Any]:
        first, info = env.reset(seed=3)
        seen = [first.tolist(), info["trace"], info["seed"]]
        again, info = env.reset()
        return [*seen, again.tolist(), info["trace"], info["seed"], env.step(1)[0].tolist()]

    assert played() == played()
    names = {env.reset(seed=seed)[1]["trace"] for seed in range(40)}
    assert len(names) > 5


def test_a_trace_can_be_asked_for(env: SimArenaEnv) -> None:
    problem = env.problems[4]
    for wanted in (problem, problem.name, problem.trace, Path(problem.name).stem):
        assert env.reset(options={"trace": wanted})[1]["trace"] == problem.name
    with pytest.raises(SimArenaError, match=r"one of the environment's 11 .* found 'other'"):
        env.reset(options={"trace": "other"})


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 10), st.integers(0, 2**20), st.lists(st.integers(0, 45), max_size=5))
def test_m_steps_equal_m_plus_1_steps_of_the_loop(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, which: int, seed: int, chosen: list[int]
) -> None:
    env = SimArenaEnv(folder, reward="shaped", max_steps=len(chosen) + 2)
    problem = env.problems[which]
    _, info = env.reset(seed=seed, options={"trace": problem})
    seen, taken, paid, done = [env._obs], [], [], False
    for action in chosen:
        if done:
            break
        _, reward, terminated, truncated, after = env.step(action % len(env.choices))
        seen.append(env._obs)
        taken.append(env._actions[-1])
        paid.append(reward)
        assert after["action"] == {key: str(value) for key, value in taken[-1].items()}
        assert not truncated
        done = terminated
    records = looped(env, problem, info["seed"], taken, tmp_path_factory.mktemp("runs"))
    assert [record["observation"] for record in records] == seen
    assert [record["reward"] for record in records[1:]] == paid
    assert records[-1]["success"] == is_success(seen[-1], problem.target)
    if len(taken) == len(records) - 1 and not done:
        assert env.trace() == traces.load_trace(trace_in(records[-1], tmp_path_factory))


def trace_in(record: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(record["trace_in"])
    if path.is_absolute():
        return path
    return next(tmp_path_factory.getbasetemp().rglob(str(path)))


def looped(
    env: SimArenaEnv, problem: Problem, seed: int, actions: list[Action], runs: Path
) -> list[Any]:
    answers = iter(actions)

    def replay(obs: Observation, deploy: str) -> Action:
        del obs
        return next(answers, Action(type="noop", deploy=deploy))

    spec = EpisodeSpec(
        trace=problem.trace,
        deploy=problem.deploy,
        namespace=problem.namespace,
        target=problem.target,
        duration=problem.duration,
        nodes=problem.nodes,
        reward="shaped",
        seed=seed,
        max_steps=len(actions) + 1,
        runs_dir=str(runs),
        guardrails=env.guardrails,
    )
    return play(spec, policy=replay).records


def test_success_terminates_and_the_limit_truncates(env: SimArenaEnv) -> None:
    problem = env.problems[0]
    _, info = env.reset(options={"trace": problem})
    steps, truncated = 0, False
    while not truncated:
        _, reward, terminated, truncated, info = env.step(0)
        steps += 1
        assert (reward, terminated) == (0.0, False)
        assert info["step"] == steps
    assert steps == problem.max_steps - 1
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        env.step(0)


def test_the_manifest_s_fix_terminates(folder: Path) -> None:
    for entry in traces.load_manifest(folder):
        steps = {action["type"]: action["step"] for action in entry.fix}
        env = SimArenaEnv(folder, steps=steps)
        env.reset(options={"trace": entry.file})
        results = [env.step(number(env, action)) for action in entry.fix]
        assert results[-1][1:4] == (1.0, True, False), entry.file


def test_before_the_first_reset(env: SimArenaEnv) -> None:
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


@pytest.mark.parametrize("action", [-1, 10_000, 1.5, None, "noop"])
def test_an_action_outside_the_space(env: SimArenaEnv, action: Any) -> None:
    env.reset()
    with pytest.raises(ActionError, match="expected an action from 0 to"):
        env.step(action)


def test_the_mask_says_what_changes_the_workload(env: SimArenaEnv) -> None:
    for problem in env.problems:
        for action in range(1, len(env.choices)):
            mask = env.reset(seed=0, options={"trace": problem})[1]["action_mask"]
            assert mask.dtype == np.int8
            assert mask.shape == (len(env.choices),)
            assert mask[0] == 1
            assert env.step(action)[4]["changed"] == bool(mask[action])


def test_the_mask_fits_sampling(env: SimArenaEnv) -> None:
    _, info = env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(20):
        assert info["action_mask"][env.action_space.sample(info["action_mask"])] == 1


def test_a_policy_can_play_from_the_information(folder: Path) -> None:
    policy = policies.load("heuristic")
    env = SimArenaEnv(folder)
    for problem in env.problems:
        _, info = env.reset(options={"trace": problem})
        action = policies.decide(policy, info["observation"], info["deploy"])
        assert action["type"] != "noop"


def test_the_environment_does_not_touch_the_files(env: SimArenaEnv) -> None:
    problem = env.problems[0]
    before = Path(problem.trace).read_bytes()
    env.reset(options={"trace": problem})
    env.step(1)
    assert traces.dumps(env.trace()) != before
    assert Path(problem.trace).read_bytes() == before


def test_vector_environments(folder: Path) -> None:
    for mode in ("sync", "async"):
        vector = gymnasium.make_vec(
            "SimArena-v0", num_envs=3, vectorization_mode=mode, traces=str(folder)
        )
        obs, info = vector.reset(seed=1)
        assert obs.shape == (3, *vector.single_observation_space.shape)
        assert info["action_mask"].shape == (3, vector.single_action_space.n)
        for _ in range(12):
            vector.step(vector.action_space.sample())
        vector.close()


def test_render(folder: Path) -> None:
    env = SimArenaEnv(folder, render_mode="ansi")
    env.reset(options={"trace": env.problems[0]})
    text = env.render() or ""
    assert "step 0" in text
    assert "Insufficient cpu" in text
    env.step(1)
    assert "bump_cpu_small" in (env.render() or "")
    assert SimArenaEnv(folder).render() is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"traces": []}, "at least one problem"),
        ({"traces": "/nowhere"}, "manifest"),
        ({"reward": "fame"}, "expected a reward"),
        ({"max_steps": 1}, "max_steps of at least 2"),
        ({"containers": 0}, "at least 1 container slot"),
        ({"render_mode": "human"}, "render_mode"),
        ({"steps": {"bump_cpu_small": "much"}}, "bump_cpu_small"),
        ({"steps": {"jump": "1"}}, "jump"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((SimArenaError, traces.TraceError), match=message):
        SimArenaEnv(**arguments)


@pytest.mark.parametrize("field", ["target", "duration", "max_steps"])
def test_a_problem_out_of_bounds(field: str) -> None:
    with pytest.raises(SimArenaError, match=field):
        Problem(**{"trace": "a", "deploy": "web", "target": 1, field: 0})


def test_a_problem_that_is_not_there(folder: Path) -> None:
    known = problems(folder)[0]
    with pytest.raises(SimArenaError, match="nowhere"):
        SimArenaEnv(Problem("/nowhere.sktrace", "web", 1)).reset()
    with pytest.raises(traces.TraceError, match=f"{known.deploy}"):
        SimArenaEnv(Problem(known.trace, "not-there", 1)).reset()


def test_it_needs_no_prefect_and_starts_without_the_compiler() -> None:
    code = (
        "import sys, gymnasium; env = gymnasium.make('sim_arena.envs:SimArena-v0'); "
        "assert not {'numba', 'prefect', 'pandas'} & set(sys.modules), 'loaded to begin with'; "
        "env.reset(seed=0); env.step(0); "
        "assert not {'prefect', 'pandas'} & set(sys.modules), 'loaded'"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, timeout=120)


def test_a_real_trace() -> None:
    trace = Path(__file__).parents[3] / "shared" / "traces" / "dsb-scaling.sktrace"
    if not trace.exists():
        pytest.skip("the recorded traces are not beside this checkout")
    ref = traces.find_deployments(traces.load_trace(trace))[0]
    problem = Problem(str(trace), ref.name, 1, duration=300, namespace=ref.namespace)
    env = SimArenaEnv(problem, reward="progress")
    obs, info = env.reset(seed=0)
    assert obs in env.observation_space
    assert info["observation"]["cluster"] == "embedded"
    for action in np.flatnonzero(info["action_mask"])[:5]:
        env.reset(seed=0)
        assert env.step(action)[4]["changed"] == (action != 0)
