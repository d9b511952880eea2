from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_arena.actions import REGISTRY
from sim_arena.envs.choices import Mask, choices
from sim_arena.guardrails import Guardrails
from sim_arena.observation import ContainerObservation, Observation


def observed(*containers: dict[str, Any], desired: int | None = 3) -> Observation:
    unknown = dict.fromkeys(ContainerObservation.__annotations__)
    listed = [
        ContainerObservation(**{**unknown, "name": f"c{slot}", **values})
        for slot, values in enumerate(containers)
    ]
    return Observation(ready=0, pending=3, total=3, desired=desired, containers=listed)


def allowed(obs: Observation, slots: int = 2) -> set[str]:
    table = choices(slots)
    found = Mask(table, Guardrails(), {}).of(obs)
    return {str(choice) for choice, one in zip(table, found, strict=True) if one}


@pytest.mark.parametrize("slots", [1, 4, 7])
def test_each_action_once_and_those_on_a_container_once_for_each_slot(slots: int) -> None:
    table = choices(slots)
    on_containers = sum(kind.takes_container for kind in REGISTRY.values())
    assert len(table) == len(set(table)) == len(REGISTRY) + on_containers * (slots - 1)
    assert str(table[0]) == "noop"
    assert str(table[1]) == "bump_cpu_small of container 0"


def test_an_empty_slot_is_masked_out() -> None:
    obs = observed({"cpu_request": 1000, "cpu_limit": 2000})
    assert not any(name.endswith("of container 1") for name in allowed(obs))
    empty = choices(2)[2]
    assert str(empty) == "bump_cpu_small of container 1"
    assert empty.action("web", obs, {}) == {"type": "noop", "deploy": "web"}


def test_what_would_change_nothing_is_masked_out() -> None:
    found = allowed(observed({"cpu_request": 16_000}, desired=1))
    assert "noop" in found
    assert "scale_up_replicas" in found
    assert "scale_down_replicas" not in found
    assert "bump_cpu_small of container 0" not in found
    assert "reduce_cpu_small of container 0" in found
    assert "bump_cpu_limit of container 0" not in found
    assert "set_cpu_limit of container 0" in found


def test_unknown_replicas_cannot_be_moved() -> None:
    assert "scale_up_replicas" not in allowed(observed(desired=None))


@given(st.integers(0, 3), st.sampled_from(["250m", "1"]))
def test_actions_name_the_slot_s_container(slot: int, step: str) -> None:
    obs = observed({}, {}, {}, {})
    table = choices(4)
    choice = next(one for one in table if one.type == "bump_cpu_small" and one.slot == slot)
    action = choice.action("web", obs, {"bump_cpu_small": step})
    assert action == {
        "type": "bump_cpu_small",
        "deploy": "web",
        "container": f"c{slot}",
        "step": step,
    }
