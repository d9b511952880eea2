"""A plan numbers every combination once, and its chunks are a partition."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_arena.errors import PermanentError, SimArenaError
from sim_arena.sweeps import Case, Plan, SweepSpec
from sim_arena.sweeps.asked import checked, read_file
from sim_arena.sweeps.cases import found
from traces import TraceError
from traces.generator import write_demo

CASES = [
    Case(f"t{i}.sktrace", f"{i:064x}", "ns", "web", 3, 60, "3x16cpu,32Gi", 10) for i in range(5)
]


@st.composite
def specs(draw: st.DrawFn) -> SweepSpec:
    def some(values: list[Any], least: int = 1) -> list[Any]:
        return draw(st.lists(st.sampled_from(values), min_size=least, max_size=3, unique_by=str))

    return SweepSpec(
        traces="given",
        policies=some(["noop", "heuristic", "random"]),
        rewards=some(["binary", "shaped"]),
        targets=some([1, 2, 3], least=0),
        nodes=some(["1x1cpu,1Gi", "2x2cpu,2Gi"], least=0),
        step_sizes=some([{"cpu": "250m"}, {"cpu": "1"}]),
        seeds=draw(st.sampled_from([{"count": 4, "first": 7}, [3, 1, 2], 5, "10-12"])),
        sample=draw(st.none() | st.integers(1, 40)),
        sample_seed=draw(st.integers(0, 5)),
        chunk=draw(st.integers(1, 50)),
    )


@settings(deadline=None)
@given(asked=specs(), count=st.integers(1, 5))
def test_every_combination_is_there_once(asked: SweepSpec, count: int) -> None:
    plan = Plan.of(asked, CASES[:count])
    episodes = [plan.episode(number) for number in range(len(plan))]
    whole = 1
    for size in plan.axes.values():
        whole *= size
    assert len(plan) == (min(asked.sample, whole) if asked.sample else whole)
    assert [one.episode for one in episodes] == list(range(len(plan)))
    different = {one.model_dump_json(exclude={"episode"}) for one in episodes}
    assert len(different) == len(plan)
    assert [number for chunk in plan.chunks for number in chunk] == list(range(len(plan)))
    assert all(len(chunk) <= asked.chunk for chunk in plan.chunks)
    assert {one.trace for one in episodes} <= {case.trace for case in CASES[:count]}
    assert all(plan.case(one.episode).trace == one.trace for one in episodes)


@settings(deadline=None)
@given(asked=specs())
def test_a_plan_is_stored_and_read(asked: SweepSpec) -> None:
    plan = Plan.of(asked, CASES)
    again = Plan.from_document(plan.document())
    assert [again.episode(n) for n in range(len(again))] == [
        plan.episode(n) for n in range(len(plan))
    ]
    with pytest.raises(PermanentError, match="version"):
        Plan.from_document({"version": 99})


def test_real_clusters_get_an_episode_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        __import__("sim_arena.clusters", fromlist=["x"]).REGISTRY, "real", "nowhere"
    )
    monkeypatch.setattr("sim_arena.clusters.get", lambda name: name)
    asked = SweepSpec(traces="x", clusters=("embedded", "real"), seeds="0-3", chunk=10)
    plan = Plan.of(asked, CASES[:1])
    assert [len(chunk) for chunk in plan.chunks] == [4, 1, 1, 1, 1]
    assert plan.by_cluster == {"embedded": 4, "real": 4}


def test_traces_are_found(tmp_path: Path) -> None:
    entries = write_demo(tmp_path / "demo", seed=1, count=3)
    folder = [case for case, _ in found(SweepSpec(traces=str(tmp_path / "demo")))]
    assert [case.cause for case in folder] == [entry.cause for entry in entries]
    assert [case.target for case in folder] == [entry.target for entry in entries]
    pattern = SweepSpec(traces=str(tmp_path / "*" / f"{entries[1].file[:6]}*"))
    assert [case.trace for case, _ in found(pattern)] == [str(tmp_path / "demo" / entries[1].file)]
    made = [case for case, _ in found(SweepSpec(generate={"count": 3, "seed": 1}))]
    assert [case.sha256 for case in made] == [case.sha256 for case in folder]
    (tmp_path / "demo" / "manifest.json").unlink()
    with pytest.raises(PermanentError, match="deploy"):
        list(found(SweepSpec(traces=str(tmp_path / "demo"))))
    alone = SweepSpec(traces=folder[0].trace, deploy=entries[0].name)
    [(case, _)] = found(alone)
    assert (case.deploy, case.cause, case.nodes) == (entries[0].name, None, "3x16cpu,32Gi")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"traces": "t", "policy": "noop"}, "policy: unknown, expected one of traces"),
        ({"traces": "t", "seeds": "9-3"}, "ascending"),
        ({"traces": "t", "seeds": []}, "at least one seed"),
        ({"traces": "t", "seeds": "0-99999999999"}, "at most 10,000,000 seeds"),
        ({"traces": "t", "seeds": {"count": "many"}}, "expected 7, 0-99, a list"),
        ({"traces": "t", "rewards": ["gold"]}, "expected a reward"),
        ({"traces": "t", "clusters": ["moon"]}, "expected a cluster"),
        ({"traces": "t", "chunk": 0}, "chunk"),
        ({"traces": "t", "sample": True}, "sample: expected a number, found True"),
        ({"traces": "t", "targets": [True]}, "targets: expected a number, found True"),
        ({"traces": "t", "policies": []}, "policies: expected at least one, found an empty list"),
    ],
)
def test_slips_are_told_in_a_sentence(given: dict[str, Any], told: str) -> None:
    with pytest.raises(SimArenaError, match=told):
        checked(given)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("traces: [demo]\nseeds: 0-9\nstep_sizes: [{cpu: 250m}, {cpu: '1'}]\n")
    asked = checked(read_file(path))
    assert (asked.seeds.count, len(asked.step_sizes)) == (10, 2)  # type: ignore[union-attr] # a range
    for text in ("a: [", "- a", "\x00"):
        path.write_text(text)
        with pytest.raises(SimArenaError, match=r"sweep\.yaml"):
            read_file(path)
    with pytest.raises(SimArenaError, match="cannot read"):
        read_file(tmp_path / "none.yaml")


def test_nothing_to_play_is_told() -> None:
    with pytest.raises(PermanentError, match="found none"):
        Plan.of(SweepSpec(), [])
    with pytest.raises(PermanentError, match="found nothing at"):
        list(found(SweepSpec(traces="nowhere/*.sktrace")))
    with pytest.raises((PermanentError, TraceError)):
        list(found(SweepSpec(traces=__file__)))


def test_a_trace_without_the_workload_is_named(tmp_path: Path) -> None:
    write_demo(tmp_path, seed=4, count=2)
    first, _ = sorted(tmp_path.glob("*.sktrace"))
    with pytest.raises(TraceError, match=rf"{first.name}: .*nobody"):
        list(found(SweepSpec(traces=str(tmp_path), deploy="nobody")))
