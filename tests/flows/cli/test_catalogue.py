import pytest

from sim_arena.actions import REGISTRY as ACTIONS
from sim_arena.policies import available
from sim_arena.rewards import REGISTRY as REWARDS

REGISTRIES = {"policies": available, "actions": lambda: ACTIONS, "rewards": lambda: REWARDS}


@pytest.mark.parametrize("command", REGISTRIES)
def test_everything_registered_is_listed_and_described(cli, command):
    entries = cli(command, "--json").json
    assert [entry["name"] for entry in entries] == list(REGISTRIES[command]())
    assert all(entry["description"] for entry in entries)
    shown = cli(command).out
    assert all(entry["name"] in shown for entry in entries)


def test_the_original_names_are_there(cli):
    policies = {entry["name"] for entry in cli("policies", "--json").json}
    assert policies >= {"noop", "heuristic", "random", "bump_cpu", "bump_mem", "scale_replicas"}
    actions = {entry["name"] for entry in cli("actions", "--json").json}
    assert actions >= {"noop", "bump_cpu_small", "bump_mem_small", "scale_up_replicas"}


def test_actions_tell_their_steps(cli):
    entries = {entry["name"]: entry for entry in cli("actions", "--json").json}
    assert entries["noop"]["default_step"] is None
    assert entries["bump_cpu_small"]["default_step"] == "500m"
    assert len(entries["bump_cpu_small"]["step_bounds"]) == 2


def test_rewards_tell_their_equations(cli):
    entries = {entry["name"]: entry for entry in cli("rewards", "--json").json}
    assert entries["binary"]["equation"] == "1 if ready == target and pending == 0, else 0"
