"""The command line as a user meets it: words in; an exit code, stdout and stderr out."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.cli import run
from traces import load_manifest, write_demo


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line that an error is; no traceback, no usage, nothing on stdout."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("sim-arena: error: ")
        return lines[0].removeprefix("sim-arena: error: ")


Cli = Callable[..., Answer]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def answer(*words: object) -> Answer:
        capsys.readouterr()
        code = run([str(word) for word in words])
        return Answer(code, *capsys.readouterr())

    return answer


@pytest.fixture(autouse=True)
def _elsewhere(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Run in an empty folder, so that runs/ is a new one; leave the process as it was."""
    folder = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SIM_ARENA_RUNS_DIR", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)  # workers of pytest-xdist have it set to 80
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
    before = dict(os.environ)
    yield folder
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with some generated traces: the first asks for more CPU than any node has."""
    folder = tmp_path_factory.mktemp("demo")
    write_demo(folder, seed=1, count=3)
    return folder


@dataclass(frozen=True)
class Broken:
    """A broken workload: its trace, and the options that name it."""

    path: Path
    name: str
    namespace: str
    target: int
    nodes: str
    duration: int

    @property
    def options(self) -> list[str]:
        return [
            *("--trace", str(self.path), "--ns", self.namespace, "--deploy", self.name),
            *("--target", str(self.target), "--duration", str(self.duration)),
            *("--nodes", self.nodes),
        ]


@pytest.fixture(scope="session")
def broken(demo: Path) -> Broken:
    entry = load_manifest(demo)[0]
    assert entry.cause == "cpu-over-node"
    return Broken(
        demo / entry.file, entry.name, entry.namespace, entry.target, entry.nodes, entry.duration
    )
