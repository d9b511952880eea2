import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from sim_arena import policies
from sim_arena.errors import PolicyError
from sim_arena.observation import Observation
from sim_arena.policies import loading

OBS = Observation(ready=0, pending=3, total=3)
NAMES = ["bump_cpu", "bump_mem", "heuristic", "noop", "random", "scale_replicas"]

MODULE = '''
"""Policies of a user."""

def decide(obs, deploy):
    return {"type": "noop", "deploy": deploy}

class Stateful:
    seed = None

    def reset(self, seed):
        self.seed = seed

    def get_action(self, obs, deploy):
        return {"type": "noop", "deploy": deploy}

class Demanding:
    def __init__(self, needed):
        pass

ready_made = Stateful()
number = 3
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_policies.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "my_policies", raising=False)
    return "my_policies"


def offer(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    entry = EntryPoint("theirs", value, policies.ENTRY_POINTS)
    monkeypatch.setattr(loading, "_entries", lambda: {"theirs": entry})


def test_names() -> None:
    assert sorted(policies.REGISTRY) == NAMES
    listed = policies.available()
    assert set(NAMES) <= set(listed)
    assert all(listed[name] for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_policy_answers_with_an_action(name: str) -> None:
    policy = policies.load(name, seed=7)
    assert policies.decide(policy, OBS, "web")["deploy"] == "web"


def test_an_unknown_name_lists_those_that_there_are() -> None:
    with pytest.raises(
        PolicyError, match=r"one of bump_cpu, .*'heuristik'; did you mean 'heuristic'"
    ):
        policies.load("heuristik")


def test_importing_needs_permission(module: str) -> None:
    with pytest.raises(PolicyError, match=r"importing code is not allowed here.*allow_import=True"):
        policies.load(f"{module}:decide")
    assert module not in sys.modules


@pytest.mark.parametrize("attribute", ["decide", "Stateful", "ready_made"])
def test_functions_classes_and_objects_are_imported(module: str, attribute: str) -> None:
    policy = policies.load(f"{module}:{attribute}", allow_import=True, seed=11)
    assert policies.decide(policy, OBS, "web") == {"type": "noop", "deploy": "web"}
    if attribute != "decide":
        assert policy.seed == 11


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("my_policies:missing", "no attribute 'missing'"),
        ("no_such_module:decide", "No module named 'no_such_module'"),
        ("my_policies:", "expected module:attribute"),
        (":decide", "expected module:attribute"),
        ("my_policies:number", "found int"),
        ("my_policies:Demanding", "called without arguments"),
    ],
)
def test_what_cannot_be_imported(module: str, spec: str, message: str) -> None:
    assert module
    with pytest.raises(PolicyError, match=message):
        policies.load(spec, allow_import=True)


def test_entry_points_need_no_permission(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, f"{module}:decide")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    assert policies.available()["theirs"] == f"from {module}:decide"
    policy = policies.load("theirs")
    assert policies.decide(policy, OBS, "web")["type"] == "noop"


def test_a_broken_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, "nowhere_to_be_found:decide")
    with pytest.raises(PolicyError, match=r"entry point .* could not be loaded"):
        policies.load("theirs")


def test_the_arena_s_own_names_win(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("noop", "nowhere:decide", policies.ENTRY_POINTS)
    monkeypatch.setattr(loading, "_entries", lambda: {"noop": entry})
    assert policies.decide(policies.load("noop"), OBS, "web")["type"] == "noop"
