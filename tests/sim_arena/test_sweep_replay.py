"""Any row of a sweep, or of a run, can be played again."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from results import ResultsError, ResultsNotice, Run, Sweep, load_steps, rows_of, table_of
from sim_arena.episode import EpisodeSpec, play
from sim_arena.errors import PermanentError
from sim_arena.sweeps import SweepSpec, create, go_on
from sim_arena.sweeps.replay import replay
from traces.generator import write_demo


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    folder = tmp_path / "traces"
    write_demo(folder, seed=4, count=4)
    (tmp_path / "nodes.yaml").write_text(
        "kind: Node\nmetadata: {name: n}\nstatus: {allocatable: {cpu: 9, memory: 20Gi, pods: 9}}\n"
    )
    asked = SweepSpec(
        traces=str(folder),
        policies=("heuristic", "random", "nobody"),
        nodes=("3x16cpu,32Gi", str(tmp_path / "nodes.yaml")),
        seeds="3-4",
        max_failed=1,
    )
    made, plan = create(asked, tmp_path / "runs")
    go_on(made, plan)
    for path in folder.iterdir():  # all that is needed is in the sweep's folder
        path.unlink()
    (tmp_path / "nodes.yaml").unlink()
    return made


def test_every_row_is_played_again_and_is_the_same(sweep: Sweep, tmp_path: Path) -> None:
    steps = 0
    for episode in range(0, 48, 3):
        again = replay(sweep, episode, tmp_path / f"again-{episode}")
        assert again.differences == []
        assert len(again.played) == len(again.recorded)
        steps += len(again.played)
    assert steps > 16


def test_a_row_that_was_tampered_with_is_told(sweep: Sweep, tmp_path: Path) -> None:
    [name, *_] = sweep.parts("steps")
    rows = rows_of(load_steps(sweep, form="arrow"))
    rows[0]["obs_ready"] = 99
    sweep.write_part("steps", 0, table_of(rows, sweep.columns))
    assert name == sweep.parts("steps")[0]
    again = replay(sweep, rows[0]["episode"], tmp_path / "again")
    assert again.differences == [f"step 1, obs_ready: 99, now {again.played[0]['obs_ready']}"]
    [trace] = {row["trace"] for row in rows if row["episode"] == 0}
    digest = {Path(path).name for path in sweep.store.list("inputs") if path.endswith("sktrace")}
    assert trace
    for path in digest:
        sweep.add_input(path, b"other")
    with pytest.raises(ResultsError, match="damaged"):
        replay(sweep, 0, tmp_path / "once-more")


def test_what_is_not_there_is_told(sweep: Sweep, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="from 0 to 47"):
        replay(sweep, 48, tmp_path)
    sweep.store.delete("episodes/chunk=0")
    with (
        pytest.warns(ResultsNotice, match=r"1 chunk \(0\) lost"),
        pytest.raises(ResultsError, match="has not been played"),
    ):
        replay(sweep, 1, tmp_path)


def test_a_run_is_played_again(make_spec: Callable[..., EpisodeSpec], tmp_path: Path) -> None:
    result = play(make_spec(policy="random", seed=5, max_steps=3))
    run = Run.open(result.folder)
    again = replay(run, 0, tmp_path / "again")
    assert (again.differences, len(again.played)) == ([], 3)
    with pytest.raises(ResultsError, match="no episode 1"):
        replay(run, 1, tmp_path / "again")


@pytest.mark.parametrize(
    "named", [{"policy": "evil:policy"}, {"pre_start": [{"command": ["touch", "evil"]}]}]
)
def test_code_that_a_record_names_is_not_run_unasked(
    make_spec: Callable[..., EpisodeSpec],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: dict[str, Any],
) -> None:
    (tmp_path / "evil.py").write_text(
        "from pathlib import Path\n"
        "Path('evil').touch()\n"
        "def policy(obs, deploy): return {'type': 'noop', 'deploy': deploy}\n"
    )
    monkeypatch.chdir(tmp_path)
    run = Run.open(play(make_spec(**named, max_steps=1)).folder)
    (tmp_path / "evil").unlink()
    sys.modules.pop("evil", None)
    with pytest.raises(PermanentError, match=r"no code, found (policy|pre_start).*--allow-code"):
        replay(run, 0, tmp_path / "again")
    assert not (tmp_path / "evil").exists()
    assert replay(run, 0, tmp_path / "again", allow_code=True).differences == []
    assert (tmp_path / "evil").exists()
