from typing import Any

import pytest

from sim_arena import policies
from sim_arena.errors import PolicyError
from sim_arena.observation import Observation


def answering(answer: Any) -> policies.Policy:
    def mine(obs: Observation, deploy: str) -> Any:
        del obs, deploy
        return answer

    return policies.adapt(mine, "mine")


OBS = Observation(ready=0, pending=3, total=3, reasons={"why": 3})


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "mine gave a wrong answer: .*found NoneType"),
        ("noop", "found str"),
        ({"type": "fly", "deploy": "web"}, "found 'fly'"),
        ({"type": "noop", "deploy": "db"}, "expected an action on 'web', found one on 'db'"),
        ({"type": "noop"}, "deploy"),
        ({"type": "bump_cpu_small", "deploy": "web", "step": "-1"}, "between 1m and 256"),
    ],
)
def test_a_wrong_answer(answer: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        policies.decide(answering(answer), OBS, "web")


def test_the_step_is_filled_in() -> None:
    policy = answering({"type": "bump_cpu_small", "deploy": "web"})
    assert policies.decide(policy, OBS, "web")["step"] == "500m"
    assert policies.decide(policy, OBS, "web", steps={"bump_cpu_small": "1"})["step"] == "1"


def test_a_policy_that_fails() -> None:
    def broken(obs: Observation, deploy: str) -> Any:
        return obs[deploy]  # there is no such field

    with pytest.raises(PolicyError, match="policy broken failed: KeyError: 'web'"):
        policies.decide(policies.adapt(broken, "broken"), OBS, "web")


def test_a_policy_that_ends_the_process() -> None:
    def leaving(obs: Observation, deploy: str) -> Any:  # noqa: ARG001 # a policy's arguments
        raise SystemExit(3)

    with pytest.raises(PolicyError, match="policy leaving failed: SystemExit: 3"):
        policies.decide(policies.adapt(leaving, "leaving"), OBS, "web")


def test_a_policy_cannot_change_what_is_recorded() -> None:
    def vandal(obs: Observation, deploy: str) -> Any:
        obs["ready"] = 99
        (obs["reasons"] or {}).clear()
        return {"type": "noop", "deploy": deploy}

    policies.decide(policies.adapt(vandal, "vandal"), OBS, "web")
    assert OBS == {"ready": 0, "pending": 3, "total": 3, "reasons": {"why": 3}}


def test_a_reset_that_fails() -> None:
    class Broken:
        def reset(self, seed: int) -> None:
            raise ValueError(seed)

        def get_action(self, obs: Observation, deploy: str) -> Any: ...

    with pytest.raises(PolicyError, match=r"Broken: reset\(3\) failed: ValueError: 3"):
        policies.reset(policies.adapt(Broken, "Broken"), 3)
