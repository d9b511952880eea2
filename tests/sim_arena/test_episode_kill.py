"""A kill in the middle of an episode loses at most the step under way."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from results import Run
from sim_arena import verbs
from sim_arena.episode import EpisodeSpec, play, resume
from sim_arena.records import same

ROOT = Path(__file__).parents[2]
STEPS = 5

# Plays with verbs of which one tells when it is reached in the second step, and then blocks for
# good: whoever started the process knows where it is, and kills it there.
PLAYER = """
import os, signal, sys
from types import SimpleNamespace
from sim_arena import verbs
from sim_arena.episode import EpisodeSpec, play

verb, spec = sys.argv[1], EpisodeSpec.model_validate_json(sys.argv[2])
reached = []

def stopping(*arguments):
    reached.append(verb)
    if len(reached) == 2:
        os.write(1, b"!")
        signal.pause()
    return getattr(verbs, verb)(*arguments)

names = {name: getattr(verbs, name) for name in verbs.__all__}
play(spec, SimpleNamespace(**names | {verb: stopping}))
"""


def killed_in(verb: str, spec: EpisodeSpec) -> None:
    command = [sys.executable, "-c", PLAYER, verb, spec.model_dump_json()]
    path = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=path) as player:
        assert player.stdout is not None
        assert player.stdout.read(1) == b"!"
        player.kill()


@pytest.fixture
def spec(make_spec: Callable[..., EpisodeSpec]) -> EpisodeSpec:
    return make_spec(policy="random", seed=11, max_steps=STEPS, target=9, run_id="killed")


@pytest.mark.parametrize("verb", ["observe", "mutate", "record"])
def test_a_killed_episode_goes_on_without_repeating_or_skipping(
    spec: EpisodeSpec, verb: str, tmp_path: Path
) -> None:
    killed_in(verb, spec)
    folder = tmp_path / "runs/killed"
    before = [row["step"] for row in Run.open(folder).read_steps()]
    assert before == [0]
    checks = {
        check.name: check for check in verbs.preflight(spec.model_copy(update={"run_id": None}))
    }
    assert "killed" in checks["leftovers"].found

    result = resume(folder)
    journal = (folder / "step.jsonl").read_text().splitlines()
    assert len(journal) == len(result.records) == STEPS
    assert [record["step"] for record in result.records] == list(range(STEPS))

    whole = play(spec.model_copy(update={"run_id": "whole"}))
    for one, other in zip(result.records, whole.records, strict=True):
        assert same(one, renamed(other))


def test_a_torn_line_is_a_step_that_was_not_taken(spec: EpisodeSpec, tmp_path: Path) -> None:
    killed_in("observe", spec)
    journal = tmp_path / "runs/killed/step.jsonl"
    line = journal.read_bytes()
    journal.write_bytes(line + line[: len(line) // 2])
    with pytest.warns(UserWarning, match="stopped while it wrote that step"):
        result = resume(tmp_path / "runs/killed")
    assert [record["step"] for record in result.records] == list(range(STEPS))


def renamed(record: Any) -> Any:
    paths = {
        name: str(record[name]).replace("/whole/", "/killed/") for name in ("trace_in", "trace_out")
    }
    return record | paths | {"run_id": "killed"}
