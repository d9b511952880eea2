"""The flows' parameters: their bounds reach the form, and they agree with the registries."""

from inspect import signature
from typing import Any, get_args

import pytest
from prefect import Flow

from flows import parameters
from flows.episode import episode
from flows.fidelity import fidelity
from flows.step import step
from flows.sweep import sweep
from sim_arena import clusters, rewards, spec
from sim_arena.policies import available
from sim_arena.spec import EpisodeSpec

FLOWS = [episode, step]


def form(flow: Flow[..., Any]) -> dict[str, Any]:
    return flow.parameters.model_dump()["properties"]  # type: ignore[no-any-return] # JSON


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("target", {"minimum": 1, "maximum": 100_000}),
        ("duration", {"minimum": 1, "maximum": 1_000_000_000}),
        ("seed", {"minimum": 0, "exclusiveMaximum": 2**63}),
        ("timeout", {"exclusiveMinimum": 0, "maximum": 86_400}),
        ("trace", {"minLength": 1}),
        ("reward", {"enum": list(rewards.REGISTRY)}),
        ("replay", {"enum": ["simkube", "plain"]}),
        ("policy", {"enum": list(available())}),
    ],
)
def test_the_form_shows_bounds_and_choices(
    flow: Flow[..., Any], name: str, bounds: dict[str, Any]
) -> None:
    shown = form(flow)[name]
    assert shown.items() >= bounds.items()
    assert shown["description"]


@pytest.mark.parametrize("flow", [*FLOWS, sweep, fidelity], ids=lambda flow: flow.name)
def test_each_parameter_is_described(flow: Flow[..., Any]) -> None:
    assert all(shown.get("description") for shown in form(flow).values())


def test_the_forms_of_the_others_have_bounds_too() -> None:
    assert form(sweep)["chunk"].items() >= {"minimum": 1, "maximum": 10_000}.items()
    assert form(sweep)["runner"]["enum"] == ["threads", "dask", "ray"]
    assert form(fidelity)["seeds"].items() >= {"minimum": 1, "maximum": 100_000}.items()
    assert form(fidelity)["traces"]["minItems"] == 1


def test_the_steps_have_a_limit_in_an_episode_only() -> None:
    assert form(episode)["max_steps"]["maximum"] == 10_000
    assert "max_steps" not in form(step)


def test_the_choices_are_those_of_the_registries() -> None:
    assert get_args(parameters.RewardName) == tuple(rewards.REGISTRY)
    assert get_args(parameters.ClusterName) == tuple(clusters.REGISTRY)
    assert get_args(spec.Replay) == get_args(EpisodeSpec.model_fields["replay"].annotation)


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_defaults_and_names_are_those_of_the_specification(flow: Flow[..., Any]) -> None:
    fields = EpisodeSpec.model_fields
    for name, parameter in signature(flow.fn).parameters.items():
        if parameter.default not in (parameter.empty, None):
            assert parameter.default == fields[name].default, name
    missing = fields.keys() - signature(flow.fn).parameters.keys()
    assert missing == ({"episode"} if flow is episode else {"episode", "max_steps"})


def test_a_specification_becomes_arguments() -> None:
    asked = EpisodeSpec(trace="t", deploy="web", target=1, duration=5, seed=4)
    given = parameters.arguments(step, asked)
    assert given.keys() == signature(step.fn).parameters.keys()
    assert given["seed"] == 4
