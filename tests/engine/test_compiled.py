"""Compiled code is found by what it was made of, not by where that lies."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numba

from sim_arena.engine.compiled import kept

if TYPE_CHECKING:
    from pathlib import Path


def compiled_from(checkout: Path, source: str, cache: Path) -> Any:
    """Return the function `double` of a checkout's file, compiled and called once."""
    file = checkout / "engine" / "functions.py"
    file.parent.mkdir(parents=True)
    file.write_text(source)
    spec = importlib.util.spec_from_file_location(checkout.name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = kept(numba.njit(module.double), cache)
    function(2)
    return function


def hits(function: Any) -> int:
    """Return how often the code of a function came from disk."""
    return sum(function.stats.cache_hits.values())


DOUBLE = "def double(number):\n    return 2 * number\n"


def test_a_second_checkout_of_the_same_sources_compiles_nothing(tmp_path: Path) -> None:
    first = compiled_from(tmp_path / "first", DOUBLE, tmp_path / "cache")
    second = compiled_from(tmp_path / "second", DOUBLE, tmp_path / "cache")
    assert (hits(first), hits(second)) == (0, 1)
    assert second(4) == 8


def test_other_sources_are_compiled_anew(tmp_path: Path) -> None:
    compiled_from(tmp_path / "first", DOUBLE, tmp_path / "cache")
    other = compiled_from(tmp_path / "second", DOUBLE.replace("2", "3"), tmp_path / "changed")
    assert hits(other) == 0
    assert other(4) == 12


def test_a_folder_that_cannot_be_written_does_not_stop_the_work(tmp_path: Path) -> None:
    taken = tmp_path / "cache"
    taken.write_text("a file where the folder should be")
    assert compiled_from(tmp_path / "first", DOUBLE, taken)(4) == 8
