"""A window seen from within ends as the step saw it, whatever else is done with the record."""

from pathlib import Path
from typing import Any

import pytest

from results import open_result
from sim_arena.episode import play
from sim_arena.errors import PermanentError
from sim_arena.spec import EpisodeSpec
from sim_arena.sweeps.replay import recorded_episode
from sim_arena.timeline import STATES, Timeline, timelines
from traces import load_manifest

DEMO = Path(__file__).parents[2] / "traces" / "demo"


def demo(number: int, runs: Path, **values: Any) -> EpisodeSpec:
    entry = load_manifest(DEMO)[number]
    return EpisodeSpec(
        trace=str(DEMO / entry.file),
        deploy=entry.name,
        namespace=entry.namespace,
        target=entry.target,
        duration=entry.duration,
        nodes=entry.nodes,
        runs_dir=str(runs),
        run_id="r",
        **values,
    )


def recorded(runs: Path) -> list[Timeline]:
    return timelines(recorded_episode(open_result(runs / "r"), 0))


@pytest.mark.parametrize("number", [0, 21, 22])
def test_every_window_ends_as_its_step_saw_it(number: int, tmp_path: Path) -> None:
    result = play(demo(number, tmp_path))
    windows = recorded(tmp_path)
    assert result.success
    changed = [at for at, record in enumerate(result.records) if record["changed"]]
    assert [one["step"] for one in windows] == [0, *(at + 1 for at in changed)]
    assert windows[-1]["step"] == len(result.records) - 1
    for window in windows:
        record = result.records[window["step"]]
        seen = record["observation"]
        assert seen is not None
        last = {name: values[-1] for name, values in window["workload"].items()}
        assert last["ready"] == seen["ready"]
        assert last["pending"] == seen["pending"]
        assert sum(last.values()) == seen["total"]
        assert window["times"][-1] == seen["simulated_seconds"]
        for resource in ("cpu", "memory", "pods"):
            asked = sum(node[f"requested_{resource}"] for node in window["nodes"])  # type: ignore[literal-required]
            assert asked == seen[f"requested_{resource}"]  # type: ignore[literal-required]
        on_nodes = sum(node["states"][name][-1] for node in window["nodes"] for name in STATES)
        assert on_nodes == seen["requested_pods"]


def test_nothing_that_a_record_names_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs.py").write_text(
        "def policy(obs, deploy):\n    return {'type': 'noop', 'deploy': deploy}\n", "utf-8"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    play(demo(0, tmp_path, policy="theirs:policy", max_steps=2))
    (tmp_path / "theirs.py").write_text("raise SystemExit('was run')\n", "utf-8")
    monkeypatch.delitem(__import__("sys").modules, "theirs")
    assert [one["step"] for one in recorded(tmp_path)] == [0]  # nothing changed after it


def test_a_trace_that_is_another_one_is_not_drawn(tmp_path: Path) -> None:
    spec = demo(0, tmp_path)
    trace = tmp_path / "mine.sktrace"
    trace.write_bytes(Path(spec.trace).read_bytes())
    play(spec.model_copy(update={"trace": str(trace), "max_steps": 1}))
    trace.write_bytes((DEMO / load_manifest(DEMO)[1].file).read_bytes())
    with pytest.raises(PermanentError, match="found another file"):
        recorded(tmp_path)
