from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import traces
from sim_arena import rewards
from sim_arena.envs import Problem, SimArenaEnv, drawing, encoding, problems, vector
from sim_arena.envs.kernels import tables
from sim_arena.envs.vector import SimArenaVectorEnv
from sim_arena.errors import ActionError, PermanentError, SimArenaError
from sim_arena.observation import FIELDS, Field
from tests.engine.strategies import Case, cases, fixed

ENVIRONMENTS = 3


class Singles:
    """As many single environments, which begin again as a vector environment's do."""

    def __init__(self, count: int, *arguments: Any, **options: Any) -> None:
        self.envs = [SimArenaEnv(*arguments, **options) for _ in range(count)]
        self.over = [False] * count

    def reset(self, seeds: Sequence[int | None], **options: Any) -> list[Any]:
        self.over = [False] * len(self.envs)
        pairs = zip(self.envs, seeds, strict=True)
        return [env.reset(seed=seed, **options) for env, seed in pairs]

    def step(self, actions: Sequence[int]) -> list[Any]:
        results = []
        for i, (env, action) in enumerate(zip(self.envs, actions, strict=True)):
            if self.over[i]:
                obs, info = env.reset()
                results.append((obs, 0.0, False, False, info))
            else:
                results.append(env.step(action))
            self.over[i] = results[-1][2] or results[-1][3]
        return results


def assert_infos(env: SimArenaVectorEnv, infos: dict[str, Any], expected: list[Any]) -> None:
    for i, info in enumerate(expected):
        for key in ("action_mask", "is_success", "step", "target", "seed"):
            np.testing.assert_array_equal(infos[key][i], info[key])
            assert infos[f"_{key}"][i]
        assert env.problems[infos["problem"][i]].name == info["trace"]
        if "_changed" in infos:
            assert infos["_changed"][i] == ("changed" in info)
            assert infos["changed"][i] == info.get("changed", False)


def assert_played_alike(
    env: SimArenaVectorEnv, singles: Singles, seed: int, steps: Sequence[Sequence[int]]
) -> None:
    observations, infos = env.reset(seed=seed)
    expected = singles.reset([seed + i for i in range(env.num_envs)])
    np.testing.assert_array_equal(observations, [one[0] for one in expected])
    assert_infos(env, infos, [one[1] for one in expected])
    for actions in steps:
        found = env.step(np.array(actions))
        alone = singles.step(actions)
        for k in range(4):
            np.testing.assert_array_equal(found[k], [one[k] for one in alone])
        assert_infos(env, found[4], [one[4] for one in alone])


# Actions that change a workload much, so that its pods' number and fate change.
STEPS = {"bump_cpu_small": "3", "bump_mem_small": "6Gi", "scale_up_replicas": 7}


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data(), st.sampled_from(sorted(rewards.REGISTRY)), st.integers(0, 2**31), st.booleans())
def test_it_equals_as_many_single_environments(
    folder: Path, data: st.DataObject, reward: str, seed: int, copy: bool
) -> None:
    options: dict[str, Any] = {"reward": reward, "max_steps": 5, "containers": 3}
    if data.draw(st.booleans()):
        options["steps"] = STEPS
    env = SimArenaVectorEnv(ENVIRONMENTS, folder, copy=copy, threads=1, **options)
    action = st.integers(0, len(env.choices) - 1) | st.integers(1, 8)
    actions = st.lists(action, min_size=ENVIRONMENTS, max_size=ENVIRONMENTS)
    steps = data.draw(st.lists(actions, min_size=1, max_size=7))
    singles = Singles(ENVIRONMENTS, folder, **options)
    assert_played_alike(env, singles, seed, steps)
    env.close()


@settings(fixed, max_examples=25)
@given(cases(), st.data())
def test_random_traces_of_every_kind(case: Case, data: st.DataObject) -> None:
    """Sidecars, rollouts, refused pods, preemption: whatever the engine models."""
    program = case.program
    assume(program.workloads)
    ref = data.draw(st.sampled_from(program.workloads))
    problem = Problem("drawn", ref.name, data.draw(st.integers(1, 4)), max_steps=4)
    actions = data.draw(st.lists(st.integers(0, 62), min_size=1, max_size=4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(problems, "compiled", lambda _: (program, ref))
        options: dict[str, Any] = {"reward": "waste", "containers": 6, "steps": STEPS}
        env = SimArenaVectorEnv(1, problem, **options)
        assert_played_alike(env, Singles(1, problem, **options), 3, [[one] for one in actions])
    env.close()


def test_every_problem_and_action_as_in_a_single_environment(folder: Path) -> None:
    for problem in SimArenaEnv(folder).problems:
        singles = Singles(1, folder, reward="waste", max_steps=50)
        env = SimArenaVectorEnv(1, folder, reward="waste", max_steps=50)
        env.reset(seed=0, options={"trace": problem.name})
        singles.reset([0], options={"trace": problem.name})
        for action in range(len(env.choices)):
            found, alone = env.step(np.array([action])), singles.step([action])
            np.testing.assert_array_equal(found[0][0], alone[0][0], strict=True)
            assert found[1][0] == alone[0][1]
            assert_infos(env, found[4], [alone[0][4]])
        assert env.observation(0) == singles.envs[0]._obs
        env.close()


def test_threads_and_batches_change_nothing(folder: Path) -> None:
    rng = np.random.default_rng(0)
    actions = rng.integers(0, 43, (12, 64))

    def played(threads: int) -> list[Any]:
        env = SimArenaVectorEnv(64, folder, reward="shaped", threads=threads)
        seen = [env.reset(seed=5)[0]]
        for row in actions:
            seen += env.step(row)[:4]
        env.close()
        return seen

    for one, two in zip(played(1), played(3), strict=True):
        np.testing.assert_array_equal(one, two)


def test_more_pods_than_there_was_room_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"steps": {"scale_up_replicas": 60}}
    env = SimArenaVectorEnv(3, folder, **options)
    up = next(i for i, one in enumerate(env.choices) if one.type == "scale_up_replicas")
    assert_played_alike(env, Singles(3, folder, **options), 1, [[0, up, 0], [up, 0, up], [0] * 3])
    assert env._states[0].pods.shape[1] > 64
    env.close()
    monkeypatch.setattr(vector, "_MOST_ROOM", 64)
    full = SimArenaVectorEnv(3, folder, **options)
    full.reset(seed=1)
    with pytest.raises(PermanentError, match="at most 64 pods"):
        full.step(np.full(3, up))
    full.close()


def test_make_vec_and_the_wrappers(folder: Path) -> None:
    for mode in (None, "vector_entry_point"):
        env = gymnasium.make_vec(
            "sim_arena.envs:SimArena-v0", 3, vectorization_mode=mode, traces=str(folder)
        )
        assert isinstance(env.unwrapped, SimArenaVectorEnv)
        env.close()
    single = SimArenaEnv(folder)
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert env.single_observation_space == single.observation_space
    assert env.single_action_space == single.action_space
    wrapped = gymnasium.wrappers.vector.RecordEpisodeStatistics(
        gymnasium.make_vec("SimArena-v0", 3, traces=str(folder), reward="shaped", max_steps=4)
    )
    plain = Singles(3, folder, reward="shaped", max_steps=4)
    wrapped.reset(seed=2)
    plain.reset([2, 3, 4])
    returns = np.zeros(3)
    for _ in range(3):
        _, _, _, truncated, infos = wrapped.step(np.zeros(3, np.int64))
        returns += [one[1] for one in plain.step([0, 0, 0])]
    assert truncated.all()
    np.testing.assert_allclose(infos["episode"]["r"], returns)
    assert infos["episode"]["l"].tolist() == [3, 3, 3]
    wrapped.close()


def test_gymnasium_s_own_vector_environment_agrees(folder: Path) -> None:
    options: dict[str, Any] = {"traces": str(folder), "reward": "progress", "max_steps": 3}
    sync = gymnasium.make_vec("SimArena-v0", 4, vectorization_mode="sync", **options)
    mine = gymnasium.make_vec("SimArena-v0", 4, **options)
    assert sync.observation_space == mine.observation_space
    assert sync.action_space == mine.action_space
    mine.action_space.seed(3)
    found, expected = mine.reset(seed=9), sync.reset(seed=9)
    np.testing.assert_array_equal(found[0], expected[0], strict=True)
    for _ in range(8):
        actions = mine.action_space.sample()
        found, expected = mine.step(actions), sync.step(actions)
        for k in range(4):
            np.testing.assert_array_equal(found[k], expected[k], strict=True)
        np.testing.assert_array_equal(found[4]["action_mask"], expected[4]["action_mask"])
    sync.close()
    mine.close()


def test_some_are_reset(folder: Path) -> None:
    env = SimArenaVectorEnv(4, folder)
    env.reset(seed=0)
    env.step(np.full(4, 1))
    before, infos = env.step(np.full(4, 2))[::4]
    mask = np.array([False, True, False, True])
    after, info = env.reset(seed=7, options={"reset_mask": mask})
    assert info["step"].tolist() == [2, 0, 2, 0]
    np.testing.assert_array_equal(after[~mask], before[~mask])
    np.testing.assert_array_equal(after[1], SimArenaEnv(folder).reset(seed=8)[0])
    assert infos["step"].tolist() == [2] * 4
    env.close()


def test_without_copies_the_arrays_are_used_again(folder: Path) -> None:
    env = SimArenaVectorEnv(2, folder, copy=False)
    first, infos = env.reset(seed=0)
    second = env.step(np.array([1, 1]))
    assert second[0] is first
    assert second[4]["action_mask"] is infos["action_mask"]
    other = SimArenaVectorEnv(2, folder)
    kept, _ = other.reset(seed=0)
    seen = kept.copy()
    other.step(np.array([1, 1]))
    np.testing.assert_array_equal(kept, seen)
    env.close()
    other.close()


def test_episodes_of_two_seeds_differ_and_go_on(folder: Path) -> None:
    env = SimArenaVectorEnv(8, folder)
    one = env.reset(seed=0)[1]["seed"].tolist()
    assert len(set(one)) == 8
    two = env.reset()[1]["seed"].tolist()
    assert one != two
    assert env.reset(seed=0)[1]["seed"].tolist() == one
    assert env.reset()[1]["seed"].tolist() == two
    assert env.reset(seed=list(range(8)))[1]["seed"].tolist() == one
    env.close()


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**31), st.integers(1, 2**20))
def test_what_is_drawn_is_within_bounds(base: int, episode: int, problems: int) -> None:
    which, seed = drawing.drawn(base, episode, problems)
    assert 0 <= which < problems
    assert 0 <= seed < 2**31


def test_each_problem_is_drawn_about_equally_often() -> None:
    counts = np.bincount([drawing.drawn(99, n, 10)[0] for n in range(10_000)])
    assert len(counts) == 10
    assert counts.min() > 900


def test_render(folder: Path) -> None:
    env = SimArenaVectorEnv(2, folder, render_mode="ansi")
    env.reset(seed=0)
    assert all("last action: none" in one for one in env.render() or ())
    env.step(np.array([1, 1]))
    assert all("bump_cpu_small" in one for one in env.render() or ())
    assert SimArenaVectorEnv(1, folder).render() is None
    env.close()


def test_a_new_field_of_the_observation_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables.columns(4)
    monkeypatch.setattr(encoding, "FIELDS", (*FIELDS, Field("heat", "float", "s", "how hot")))
    encoding.layout.cache_clear()
    try:
        with pytest.raises(SimArenaError, match="'heat known'"):
            tables.columns(4)
    finally:
        monkeypatch.undo()
        encoding.layout.cache_clear()


@pytest.mark.parametrize(
    "actions", [[0], [0, 0, 0], [0, -1], [0, 43], [0.0, 0.0], [[0, 0]], ["noop", "noop"]]
)
def test_actions_outside_the_space(folder: Path, actions: Any) -> None:
    env = SimArenaVectorEnv(2, folder)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.array([0, 0]))
    env.reset(seed=0)
    with pytest.raises(ActionError, match="expected"):
        env.step(np.array(actions))
    env.close()


def test_what_reset_does_not_take(folder: Path) -> None:
    env = SimArenaVectorEnv(2, folder)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.reset(options={"reset_mask": np.array([True, False])})
    for mask in (np.zeros(2, np.bool_), np.ones(3, np.bool_), [True, True]):
        with pytest.raises(SimArenaError, match="reset_mask"):
            env.reset(options={"reset_mask": mask})
    with pytest.raises(SimArenaError, match="a seed for each of 2"):
        env.reset(seed=[1])
    with pytest.raises(SimArenaError, match="name it in `traces`"):
        env.reset(options={"trace": Problem("elsewhere.sktrace", "web", 1)})
    env.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_envs": 0}, "num_envs to be at least 1"),
        ({"threads": -1}, "threads to be at least 1"),
        ({"reward": "fame"}, "expected a reward"),
        ({"max_steps": 1}, "max_steps of at least 2"),
        ({"traces": "/nowhere"}, "manifest"),
        ({"steps": {"jump": "1"}}, "jump"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((SimArenaError, traces.TraceError), match=message):
        SimArenaVectorEnv(**{"num_envs": 1, **arguments})


def test_a_workload_with_more_containers_than_slots(folder: Path) -> None:
    with pytest.raises(SimArenaError, match="at most 1 containers"):
        SimArenaVectorEnv(1, folder, containers=1)
