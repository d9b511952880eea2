"""The names this distribution installs must be nobody else's."""

import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
# File systems of macOS do not tell upper from lower case.
OWNERS = {name.lower(): owners for name, owners in packages_distributions().items()}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_dependency_installs_a_package_of_the_same_name(package: str) -> None:
    others = set(OWNERS.get(package.lower(), [])) - {"sim-arena"}
    assert others == set(), f"{package} would overwrite files of {sorted(others)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_standard_module_has_the_name(package: str) -> None:
    assert package not in sys.stdlib_module_names


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
