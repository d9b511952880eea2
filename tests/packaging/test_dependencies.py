"""Dependencies: each named once, one library a job, and a lock in step with them."""

import re
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

# Libraries that do the same job: more than one of a line is a duplicate.
JOBS = {
    "arguments of a command line": {"argparse-dataclass", "click", "cyclopts", "docopt", "typer"},
    "data frames": {"dask", "modin", "pandas", "polars"},
    "HTTP requests": {"aiohttp", "httpx", "niquests", "requests", "urllib3"},
    "Kubernetes": {"kr8s", "kubernetes", "kubernetes-asyncio", "lightkube", "pykube-ng"},
    "lint and format": {"autopep8", "black", "flake8", "isort", "pylint", "ruff"},
    "MessagePack": {"msgpack", "msgspec", "ormsgpack", "u-msgpack-python"},
    "Parquet": {"fastparquet", "pyarrow"},
    "places of a user's files": {"appdirs", "platformdirs", "xdg"},
    "retries": {"backoff", "stamina", "tenacity"},
    "terminal output": {"colorama", "rich", "tabulate", "termcolor"},
    "type check": {"mypy", "pyre-check", "pyright", "pytype"},
    "validation": {"attrs", "marshmallow", "pydantic", "voluptuous"},
    "YAML": {"oyaml", "pyyaml", "ruamel-yaml", "strictyaml"},
}


ENVIRONMENTS = [
    (python, platform, machine)
    for python in ("3.11", "3.12", "3.13", "3.14")
    for platform, machine in (
        ("linux", "x86_64"),
        ("linux", "aarch64"),
        ("darwin", "arm64"),
        ("darwin", "x86_64"),
    )
]


def requirements() -> dict[str, list[Requirement]]:
    project = PROJECT["project"]
    extras = project.get("optional-dependencies", {}).values()
    groups = PROJECT.get("dependency-groups", {}).values()
    found = {"runtime": project["dependencies"]}
    found |= {"extras": [line for group in extras for line in group]}
    found |= {"development": [line for group in groups for line in group]}
    return {where: [Requirement(line) for line in lines] for where, lines in found.items()}


def every_requirement() -> list[Requirement]:
    return [requirement for group in requirements().values() for requirement in group]


def lock_entries() -> list[Requirement]:
    text = (ROOT / "requirements.lock").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return [Requirement(line.split("--hash")[0]) for line in lines]


def applies(requirement: Requirement, environment: tuple[str, str, str]) -> bool:
    python, platform, machine = environment
    values = {"python_version": python, "python_full_version": f"{python}.0"}
    values |= {"sys_platform": platform, "platform_machine": machine}
    return requirement.marker is None or requirement.marker.evaluate(values)


def test_a_requirement_stands_once_or_says_the_same() -> None:
    spellings: dict[str, set[str]] = defaultdict(set)
    for requirement in every_requirement():
        key = f"{canonicalize_name(requirement.name)} ; {requirement.marker}"
        spellings[key].add(str(requirement.specifier))
    assert {key: found for key, found in spellings.items() if len(found) > 1} == {}
    for where, group in requirements().items():
        twice = Counter((canonicalize_name(one.name), str(one.marker)) for one in group)
        assert [key for key, count in twice.items() if count > 1] == [], where


def test_a_runtime_requirement_is_not_repeated_for_development() -> None:
    names = {
        where: {canonicalize_name(requirement.name) for requirement in group}
        for where, group in requirements().items()
    }
    assert names["runtime"] & (names["extras"] | names["development"]) == set()


# The documentation shows how to read the results with these too; nothing here uses them.
SHOWN = {"polars"}


@pytest.mark.parametrize("job", JOBS)
def test_one_library_does_one_job(job: str) -> None:
    names = {canonicalize_name(requirement.name) for requirement in every_requirement()} - SHOWN
    assert len(names & JOBS[job]) <= 1, f"two libraries for {job}: {sorted(names & JOBS[job])}"


def test_what_is_only_shown_is_only_for_the_tests_of_the_documentation() -> None:
    for where, group in requirements().items():
        names = {canonicalize_name(requirement.name) for requirement in group}
        assert where == "development" or not names & SHOWN


# Too large for what is installed by default; the tests that need it install it (see the Makefile).
UNLOCKED = {"prefect-ray", "ray"}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=" ".join)
def test_the_lock_is_in_step_everywhere(environment: tuple[str, str, str]) -> None:
    pins = defaultdict(list)
    for entry in lock_entries():
        if applies(entry, environment):
            pins[canonicalize_name(entry.name)].append(next(iter(entry.specifier)).version)
    assert {name: found for name, found in pins.items() if len(found) > 1} == {}
    for requirement in every_requirement():
        if applies(requirement, environment) and requirement.name not in UNLOCKED:
            found = pins[canonicalize_name(requirement.name)]
            assert [version for version in found if version in requirement.specifier], (
                f"{requirement} is not in requirements.lock (found {found}); run make lock"
            )


def test_every_pin_is_exact_and_hashed() -> None:
    text = (ROOT / "requirements.lock").read_text("utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.lstrip().startswith("#"):
            assert re.match(r"[A-Za-z0-9._-]+==[^ ]+ ", line), f"not pinned: {line[:80]}"
            assert "--hash=sha256:" in line, f"not hashed: {line[:80]}"
