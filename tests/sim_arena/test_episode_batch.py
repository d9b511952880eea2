"""`play` and `play_batch` give equal records."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim_arena import policies
from sim_arena.actions import Action
from sim_arena.episode import EpisodeResult, EpisodeSpec, Hook, play, play_batch
from sim_arena.observation import Observation
from sim_arena.policies.loading import REGISTRY
from sim_arena.records import same
from traces import ManifestEntry
from traces.generator import write_demo

MakeSpec = Callable[..., EpisodeSpec]


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, ManifestEntry]]:
    out = tmp_path_factory.mktemp("traces")
    return [(out / entry.file, entry) for entry in write_demo(out, seed=4, count=11)]


def assert_equal(one: EpisodeResult, other: EpisodeResult) -> None:
    assert len(one.records) == len(other.records)
    for left, right in zip(one.records, other.records, strict=True):
        assert same(left, right)
    names = ("run_id", "episode", "folder", "success", "terminated", "truncated", "trace")
    for name in (*names, "last_trace", "checks", "error"):
        assert getattr(one, name) == getattr(other, name), name


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_batch_gives_what_its_episodes_give_one_by_one(
    data: st.DataObject, entries: list[tuple[Path, ManifestEntry]], tmp_path_factory: Any
) -> None:
    runs = tmp_path_factory.mktemp("runs")
    specs = [
        EpisodeSpec(
            trace=str(path),
            namespace=entry.namespace,
            deploy=entry.name,
            target=data.draw(st.sampled_from([entry.target, entry.target + 1])),
            duration=entry.duration,
            nodes=data.draw(st.sampled_from([entry.nodes, "1x4cpu,8Gi"])),
            policy=data.draw(st.sampled_from(["heuristic", "random", "scale_replicas"])),
            reward=data.draw(st.sampled_from(["binary", "progress", "waste", "shaped"])),
            seed=data.draw(st.integers(0, 2**63 - 1)),
            max_steps=data.draw(st.integers(1, 6)),
            replay=data.draw(st.sampled_from(["simkube", "plain"])),
            runs_dir=str(runs / "single"),
            run_id=f"r{number}",
        )
        for number, (path, entry) in enumerate(
            data.draw(st.lists(st.sampled_from(entries), min_size=1, max_size=5))
        )
    ]
    together = play_batch(specs)
    for spec, result in zip(specs, together, strict=True):
        assert_equal(result, play(spec))


def test_what_goes_wrong_in_one_episode_does_not_touch_the_others(make_spec: MakeSpec) -> None:
    bad = [make_spec(deploy="nobody"), make_spec(policy="nobody"), make_spec(cluster="moon")]
    bad += [make_spec(pre_start=(Hook(command=("true",)),))]
    *failed, good = play_batch([*bad, make_spec(policy="noop", max_steps=2)])
    assert [result.error is not None for result in failed] == [True] * 4
    assert [len(result.records) for result in failed] == [0] * 4
    assert (good.error, len(good.records), good.truncated) == (None, 2, True)


class Together:
    """Answers many at once."""

    def get_action(self, _obs: Observation, deploy: str) -> Action:
        return Action(type="reduce_cpu_small", deploy=deploy, step="1")

    def decide_batch(self, observations: list[Observation], deploys: list[str]) -> list[Action]:
        sizes.append(len(observations))
        return [
            self.get_action(obs, deploy) for obs, deploy in zip(observations, deploys, strict=True)
        ]


sizes: list[int] = []


def test_a_policy_may_answer_many_at_once(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REGISTRY, "together", Together)
    sizes.clear()
    specs = [make_spec(policy="together", run_id=f"r{n}", max_steps=n) for n in (1, 2, 3)]
    results = play_batch(specs)
    assert sizes == [3, 2]  # success ends what is left after two rounds
    for spec, result in zip(specs, results, strict=True):
        assert_equal(result, play(spec))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda _obs, deploys: [{"type": "noop", "deploy": deploys[0]}], "expected 2 actions"),
        (lambda _obs, _deploys: 1 / 0, "ZeroDivisionError"),
        (lambda _obs, deploys: [{"type": "fly", "deploy": name} for name in deploys], "'fly'"),
    ],
)
def test_a_policy_s_fault_is_told_in_the_episodes_that_it_concerns(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, answer: Any, told: str
) -> None:
    monkeypatch.setitem(REGISTRY, "together", Together)
    monkeypatch.setattr(Together, "decide_batch", staticmethod(answer))
    specs = [make_spec(policy="together"), make_spec(policy="together"), make_spec(policy="noop")]
    *failed, other = play_batch(specs)
    assert other.error is None
    for result in failed:
        assert result.error is not None
        assert result.error.startswith("PolicyError")
        assert told in result.error
        assert result.records[-1]["error"] == result.error
    assert policies.load("together")


def test_traces_are_written_only_if_they_are_wanted(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(max_steps=2)
    [result] = play_batch([spec], save_traces=False)
    assert result.records[0]["changed"]
    assert not (tmp_path / "runs").exists()
