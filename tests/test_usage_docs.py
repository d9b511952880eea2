"""What docs/usage.md says is tried: its notation, its Python, and its two examples."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sim_arena.engine.compiler.usage import usage_of
from sim_arena.episode import EpisodeResult, EpisodeSpec, play_batch
from traces import load_trace

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "usage.md").read_text("utf-8")
EXAMPLES = ROOT / "docs" / "examples"


def test_every_profile_in_the_text_can_be_read() -> None:
    found = re.findall(r"^    ((?:cpu|memory)=.*)$", TEXT, re.MULTILINE)
    assert len(found) == 4
    for text in found:
        usage = usage_of({"usage.sim-arena.io/app": text}, "app", regular=True)
        assert usage.cpu.terms or usage.memory.terms


def test_the_python_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(block, "docs/usage.md", "exec"), {})  # noqa: S102 # it is ours
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["0", "3", "0", "80"]
    assert lines[1].split() == ["20", "3", "0", "180"]
    assert lines[-1].split()[1:] == ["0", "15", "None"]


@pytest.mark.parametrize("name", ["memory-ramp", "eviction"])
def test_the_traces_hold_the_manifests_beside_them(name: str) -> None:
    (event,) = load_trace(EXAMPLES / f"{name}.sktrace")["events"]
    manifest = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text("utf-8"))
    assert event["applied_objs"] == [manifest]


def played(command: str) -> EpisodeResult:
    """Play the episode of a command in the text."""
    text = re.search(
        rf"sim-arena episode (--trace docs/examples/{command}.*?)\n\n", TEXT, re.DOTALL
    )
    assert text is not None
    words = text[1].replace("\\\n", " ").split()
    options: dict[str, Any] = dict(zip(words[::2], words[1::2], strict=True))
    spec = EpisodeSpec(
        trace=str(ROOT / options["--trace"]),
        namespace=options["--ns"],
        deploy=options["--deploy"],
        target=int(options["--target"]),
        duration=int(options["--duration"]),
        nodes=options["--nodes"],
        policy=options["--policy"],
    )
    (result,) = play_batch([spec], save_traces=False)
    return result


def test_the_heuristic_repairs_a_memory_that_ramps_up() -> None:
    result = played("memory-ramp")
    first, *_, last = [record["observation"] for record in result.records]
    assert (first["ready"], first["containers"][0]["memory_usage"]) == (0, None)
    assert (result.success, last["oom_killed"], last["ready"]) == (True, 0, 3)
    assert last["containers"][0]["memory_limit"] == 1 << 30


def test_the_heuristic_repairs_evictions() -> None:
    result = played("eviction")
    first, *_, last = [record["observation"] for record in result.records]
    assert (first["pending"], first["evicted"]) == (2, 2)
    assert any("untolerated taint" in reason for reason in first["reasons"])
    assert (result.success, last["evicted"], last["ready"], last["total"]) == (True, 0, 4, 4)
