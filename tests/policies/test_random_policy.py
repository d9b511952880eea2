from hypothesis import given
from hypothesis import strategies as st

from sim_arena.actions import REGISTRY, Action
from sim_arena.observation import ContainerObservation, Observation
from sim_arena.policies.random_policy import RandomPolicy


def container(name: str) -> ContainerObservation:
    unknown = dict.fromkeys(ContainerObservation.__annotations__)
    return ContainerObservation(**{**unknown, "name": name})


OBS = Observation(ready=0, pending=3, total=3, containers=[container("app"), container("sidecar")])


def played(policy: RandomPolicy, count: int = 200) -> list[Action]:
    return [policy.get_action(OBS, "web") for _ in range(count)]


@given(st.integers(0, 2**63 - 1))
def test_the_same_seed_gives_the_same_choices(seed: int) -> None:
    policy = RandomPolicy(seed)
    first = played(policy, 20)
    policy.reset(seed)
    assert played(policy, 20) == first == played(RandomPolicy(seed), 20)


def test_another_seed_gives_others() -> None:
    assert played(RandomPolicy(1)) != played(RandomPolicy(2))


def test_every_action_and_container_comes_up() -> None:
    actions = played(RandomPolicy(0))
    assert {action["type"] for action in actions} == set(REGISTRY)
    assert {action.get("container") for action in actions} == {None, "app", "sidecar"}


def test_without_containers_none_is_named() -> None:
    policy = RandomPolicy(0)
    obs = Observation(ready=0, pending=0, total=0)
    assert all("container" not in policy.get_action(obs, "web") for _ in range(50))
