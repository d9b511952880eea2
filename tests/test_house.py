"""The house as a whole: its rooms, what may know what, and what an import costs."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
ROOMS = ["flows", "tasks", "sim_arena", "traces", "results"]
# Each takes from a tenth of a second to a second to load.
HEAVY = {"duckdb", "kubernetes", "numba", "pandas", "prefect", "pyarrow"}


def loaded_by(code: str) -> set[str]:
    """The top-level packages that a new interpreter has loaded after running the code."""
    report = "\nimport json, sys\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code + report], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize("tool", ["hatch", "importlinter", "mypy"])
def test_every_tool_knows_every_room(tool: str) -> None:
    rooms = {
        "hatch": lambda: TOOLS["hatch"]["build"]["targets"]["wheel"]["packages"],
        "importlinter": lambda: TOOLS["importlinter"]["root_packages"],
        "mypy": lambda: TOOLS["mypy"]["packages"],
    }[tool]()
    assert sorted(rooms) == sorted(ROOMS)


@pytest.mark.parametrize(
    ("room", "strangers"),
    [
        ("traces", {"results", "sim_arena", "tasks", "flows"}),
        ("results", {"traces", "sim_arena", "tasks", "flows"}),
        ("sim_arena", {"tasks", "flows"}),
    ],
)
def test_a_room_loads_nothing_above_it_and_nothing_heavy(room: str, strangers: set[str]) -> None:
    assert loaded_by(f"import {room}") & (strangers | HEAVY) == set()


@pytest.mark.parametrize(
    "module",
    [
        "sim_arena.actions",
        "sim_arena.engine",
        "sim_arena.episode",
        "sim_arena.errors",
        "sim_arena.nodes",
        "sim_arena.observation",
        "sim_arena.policies",
        "sim_arena.rewards",
        "sim_arena.verbs",
    ],
)
def test_the_arena_loads_nothing_heavy_before_it_is_used(module: str) -> None:
    assert loaded_by(f"import {module}") & HEAVY == set()


def test_the_environment_needs_no_prefect() -> None:
    assert loaded_by("import sim_arena.envs") & {"prefect", "tasks", "flows"} == set()


@pytest.mark.parametrize("words", ["--help", "--version", "episode --help", "trace --help"])
def test_help_loads_nothing_heavy(words: str) -> None:
    code = f"""
import sys
sys.argv = ["sim-arena", *{words.split()!r}]
from flows.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""
    assert loaded_by(code) & (HEAVY | {"gymnasium", "numpy"}) == set()


def test_every_target_of_the_makefile_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = next(line for line in makefile.splitlines() if line.startswith(".PHONY:"))
    lines = makefile.splitlines()
    for target in set(phony.split()[1:]) - {"FORCE"}:
        described = [line for line in lines if line.startswith(f"{target}:") and "## " in line]
        assert described, f"make {target} has no description"


def test_what_the_architecture_names_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rooms = "|".join([*ROOMS, "tests", "benchmarks", r"\.ci"])
    named = set(re.findall(rf"`((?:{rooms})/[^`]*|prefect\.yaml)`", text))
    assert len(named) > 30
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
