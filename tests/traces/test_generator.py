import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import traces
from traces.document import gvk, object_name
from traces.generator.dice import Dice
from traces.generator.faults import FAMILIES

DEMO = Path(traces.__file__).parent / "demo"
DEMO_SEED = 1


def test_the_demo_is_what_the_generator_makes(tmp_path: Path) -> None:
    entries = traces.write_demo(tmp_path, DEMO_SEED, 100)
    assert traces.load_manifest(DEMO) == entries
    names = {entry.file for entry in entries} | {"manifest.json"}
    assert {path.name for path in DEMO.iterdir()} == names
    assert {path.name for path in tmp_path.iterdir()} == names
    for name in names:
        assert (DEMO / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_choices_are_the_same_everywhere() -> None:
    dice = Dice(1, 2)
    assert [dice.below(1000) for _ in range(5)] == [66, 795, 418, 89, 618]
    assert [dice.between(5, 20, 5) in {5, 10, 15, 20} for _ in range(9)] == [True] * 9
    assert sorted(dice.some("abc", 3)) == ["a", "b", "c"]


def test_a_longer_series_begins_with_the_shorter() -> None:
    assert traces.generate(3, 15)[:11] == traces.generate(3, 11)
    assert traces.generate(3, 1) != traces.generate(4, 1)


def test_the_families_take_turns() -> None:
    causes = Counter(entry.cause for _, _, entry in traces.generate(DEMO_SEED, 100))
    assert set(causes) == set(FAMILIES)
    assert set(causes.values()) == {9, 10}


@given(st.integers(-(2**70), 2**70))
def test_every_trace_is_complete(seed: int) -> None:
    for name, trace, entry in traces.generate(seed, len(FAMILIES)):
        data = traces.dumps(trace)
        assert traces.loads(data) == trace
        assert 1000 <= len(data) <= 5000
        assert name == entry.file
        assert traces.find_workload(trace, entry.name, entry.namespace).kind == entry.kind
        assert entry.container in traces.containers(
            trace, traces.find_workload(trace, entry.name, entry.namespace)
        )
        last = trace["events"][-1]["ts"] - trace["events"][0]["ts"]
        assert last + 30 <= entry.duration <= 180
        assert 1 <= len(trace["events"]) <= 5
        assert 10 <= entry.max_steps <= 20
        for event in trace["events"]:
            for obj in event["applied_objs"]:
                assert object_name(obj) in trace["index"][gvk(obj)]


def test_the_index_has_the_right_hashes(generated: Any) -> None:
    for _, trace, _ in generated:
        hashes: dict[str, dict[str, int]] = {}
        for event in trace["events"]:
            for obj in event["applied_objs"]:
                hashes.setdefault(gvk(obj), {})[object_name(obj)] = traces.object_hash(obj["spec"])
        assert trace["index"] == hashes


def test_each_fix_changes_the_broken_workload_only(generated: Any) -> None:
    for _, trace, entry in generated:
        before = traces.loads(traces.dumps(trace))
        for action in entry.fix:
            edit = getattr(traces, action["type"])
            place = {"container": action["container"]} if "container" in action else {}
            assert edit(trace, action["deploy"], action["step"], **place), entry
        workloads = {change.workload for change in traces.diff(before, trace)}
        assert workloads == {(entry.kind, entry.namespace, entry.name)}


@pytest.mark.parametrize("count", [0, -1, True, 1.5])
def test_a_wrong_count_is_refused(count: Any, tmp_path: Path) -> None:
    with pytest.raises(traces.TraceError, match="count"):
        traces.write_demo(tmp_path, 1, count)


def test_a_folder_that_cannot_be_written_to_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(traces.TraceError, match="cannot write the traces"):
        traces.write_demo(tmp_path / "file", 1, 1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "no JSON"),
        ("[]", "expected a manifest"),
        ('{"version": 9, "traces": []}', "expected a manifest"),
        ('{"version": 1, "traces": [{}]}', r"traces\[0\]: expected the fields file, nodes"),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(traces.TraceError, match=problem):
        traces.load_manifest(tmp_path)


@pytest.mark.parametrize(("field", "value"), [("target", True), ("nodes", 3), ("fix", "noop")])
def test_a_wrong_field_of_a_manifest_is_named(tmp_path: Path, field: str, value: Any) -> None:
    traces.write_demo(tmp_path, 1, 1)
    path = tmp_path / "manifest.json"
    document = json.loads(path.read_text())
    document["traces"][0][field] = value
    path.write_text(json.dumps(document))
    with pytest.raises(traces.TraceError, match=rf"traces\[0\]\.{field}: expected"):
        traces.load_manifest(tmp_path)


def test_a_missing_manifest_says_so(tmp_path: Path) -> None:
    with pytest.raises(traces.TraceError, match="cannot read the manifest"):
        traces.load_manifest(tmp_path)
