"""What workers keep of sweeps in object stores is what was put there, and nobody else's."""

import tempfile
from pathlib import Path
from uuid import uuid4

import pytest

from results import ResultsError, Sweep, load_steps
from results.store import place_in
from sim_arena.errors import PermanentError
from sim_arena.sweeps import SweepSpec, create, go_on
from sim_arena.sweeps.fetched import input_file, played_folder
from traces.generator import write_demo


@pytest.fixture
def traces(tmp_path: Path) -> str:
    write_demo(tmp_path / "traces", seed=4, count=1)
    return str(tmp_path / "traces")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of its own."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def nodes_of(cpu: int) -> str:
    return (
        "kind: Node\nmetadata: {name: n}\n"
        f"status: {{allocatable: {{cpu: {cpu}, memory: 20Gi, pods: 9}}}}\n"
    )


def test_a_new_sweep_of_an_old_name_is_played_from_its_own_files(
    s3: str, traces: str, tmp_path: Path
) -> None:
    """The same URL, the same name of the nodes' file, another file: in one process."""
    runs = place_in(s3, uuid4().hex)
    nodes = tmp_path / "nodes.yaml"
    found = []
    for cpu in (1, 64):
        nodes.write_text(nodes_of(cpu))
        sweep, plan = create(SweepSpec(traces=traces, nodes=(str(nodes),)), runs, "same")
        go_on(sweep, plan)
        found.append(load_steps(sweep)["obs_allocatable_cpu"].iloc[0])
        (name,) = [one for one in sweep.store.list("inputs") if one.endswith("nodes.yaml")]
        kept = Path(input_file(sweep, Path(name).name))
        assert kept.read_text() == nodes_of(cpu)
        sweep.store.delete("")
    assert found == [1_000, 64_000]


def test_two_sweeps_of_one_name_have_folders_of_their_own(s3: str, traces: str) -> None:
    asked = SweepSpec(traces=traces)
    folders = {played_folder(create(asked, place_in(s3, uuid4().hex), "same")[0]) for _ in range(2)}
    assert len(folders) == 2


def test_a_trace_that_is_another_is_told(s3: str, traces: str) -> None:
    sweep, name = made(s3, traces)
    sweep.add_input(name, b"other")
    with pytest.raises(ResultsError, match="not the trace that was planned"):
        input_file(sweep, name)


def test_what_was_tidied_up_is_fetched_again(s3: str, traces: str) -> None:
    sweep, name = made(s3, traces)
    kept = Path(input_file(sweep, name))
    data = kept.read_bytes()
    kept.unlink()
    assert Path(input_file(sweep, name)).read_bytes() == data


@pytest.mark.parametrize("how", ["writable", "link"])
def test_a_place_that_others_can_write_to_is_refused(
    s3: str, traces: str, temporary: Path, how: str
) -> None:
    sweep, name = made(s3, traces)
    kept = Path(input_file(sweep, name)).parents[1]
    assert kept.parent == temporary
    assert kept.stat().st_mode & 0o777 == 0o700
    if how == "writable":
        kept.chmod(0o777)
    else:
        kept.rename(temporary / "elsewhere")
        kept.symlink_to(temporary / "elsewhere")
    with pytest.raises(PermanentError, match="only the user"):
        played_folder(sweep)


def made(s3: str, traces: str) -> tuple[Sweep, str]:
    sweep, plan = create(SweepSpec(traces=traces), place_in(s3, uuid4().hex), "s")
    return sweep, f"{plan.case(0).sha256}.sktrace"
