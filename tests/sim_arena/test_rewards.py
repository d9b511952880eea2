import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_arena import rewards
from sim_arena.errors import SimArenaError
from sim_arena.observation import ContainerObservation, Observation, is_success

pods = st.integers(0, 200)
targets = st.integers(1, 100)


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    obs = Observation(ready=draw(pods), pending=draw(pods), total=draw(pods))
    if draw(st.booleans()):
        obs["failed"] = draw(st.none() | pods)
        obs["oom_killed"] = draw(st.none() | pods)
    if draw(st.booleans()):
        obs["containers"] = draw(st.lists(containers(), max_size=3))
    return obs


@st.composite
def containers(draw: st.DrawFn) -> ContainerObservation:
    amount = st.none() | st.integers(0, 2**40)
    return ContainerObservation(
        name="app",
        cpu_request=draw(amount),
        memory_request=draw(amount),
        cpu_limit=draw(amount),
        memory_limit=draw(amount),
        cpu_usage=draw(amount),
        memory_usage=draw(amount),
        restarts=None,
        oom_killed=None,
        throttled=None,
    )


@given(observations(), targets, st.integers(1, 3600))
def test_every_reward_is_a_number_between_its_bounds(
    obs: Observation, target: int, duration: int
) -> None:
    for name, reward in rewards.REGISTRY.items():
        value = reward(obs, target, duration)
        assert isinstance(value, float)
        assert (-1.0 if name == "shaped" else 0.0) <= value <= 1.0, name


@given(observations(), targets)
def test_binary_is_success(obs: Observation, target: int) -> None:
    assert rewards.binary(obs, target, 60) == float(is_success(obs, target))


@given(observations(), targets)
def test_shaped_is_negative_until_success(obs: Observation, target: int) -> None:
    value = rewards.shaped(obs, target, 60)
    assert value == 1.0 if is_success(obs, target) else -1.0 <= value <= -0.1


@given(observations(), targets)
def test_waste_is_progress_without_success(obs: Observation, target: int) -> None:
    value = rewards.waste(obs, target, 60)
    if is_success(obs, target):
        assert value == 1.0 - 0.5 * (rewards.unused_share(obs) or 0.0)
    else:
        assert value == rewards.progress(obs, target, 60)


@pytest.mark.parametrize(
    ("ready", "pending", "expected"), [(0, 4, 0.0), (2, 2, 0.5), (4, 0, 1.0), (6, 0, 1.0)]
)
def test_progress_is_the_share_of_ready_pods(ready: int, pending: int, expected: float) -> None:
    obs = Observation(ready=ready, pending=pending, total=ready + pending)
    assert rewards.progress(obs, 4, 60) == expected


def healthy(**container: int | None) -> Observation:
    unknown = dict.fromkeys(ContainerObservation.__annotations__)
    full = ContainerObservation(**{**unknown, "name": "app", **container})
    return Observation(ready=3, pending=0, total=3, containers=[full])


def test_waste_takes_half_of_the_unused_share() -> None:
    obs = healthy(cpu_request=1000, cpu_usage=250, memory_request=400, memory_usage=300)
    assert rewards.waste(obs, 3, 60) == pytest.approx(1 - 0.5 * (0.75 + 0.25) / 2)


def test_waste_counts_the_limit_where_no_request_is_set() -> None:
    obs = healthy(cpu_limit=1000, cpu_usage=500)
    assert rewards.unused_share(obs) == 0.5


def test_waste_does_not_punish_what_is_unknown() -> None:
    assert rewards.unused_share(healthy(cpu_request=1000)) is None
    assert rewards.waste(healthy(cpu_request=1000), 3, 60) == 1.0


def test_usage_above_the_request_is_no_negative_waste() -> None:
    assert rewards.unused_share(healthy(cpu_request=100, cpu_usage=900)) == 0.0


def test_names() -> None:
    assert set(rewards.REGISTRY) == {"binary", "progress", "waste", "shaped"}
    assert rewards.get("shaped") is rewards.shaped
    with pytest.raises(SimArenaError, match="binary, progress, shaped, waste; found 'winning'"):
        rewards.get("winning")


@pytest.mark.parametrize("name", rewards.REGISTRY)
@pytest.mark.parametrize("target", [0, -1])
def test_a_target_below_one_is_an_error(name: str, target: int) -> None:
    obs = Observation(ready=0, pending=0, total=0)
    with pytest.raises(SimArenaError, match="at least 1"):
        rewards.get(name)(obs, target, 60)


@pytest.mark.parametrize("name", rewards.REGISTRY)
def test_every_docstring_states_its_equation(name: str) -> None:
    doc = rewards.REGISTRY[name].__doc__ or ""
    assert "`" in doc
    assert "ready" in doc or "progress" in doc
