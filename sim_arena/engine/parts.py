"""Compiling the engine in one piece.

Numba makes a library of each compiled function: it takes in everything that the function calls,
optimises all of that, and makes machine code of it. In an engine of some three hundred
functions, inlined into each other many levels deep, the same code is optimised again at each
level, only to be thrown away: nothing but the entry is ever called. So here a function of the
loop stays as it was written (`Part`), and the entry (`Whole`) takes in all parts that it needs,
directly or not, is optimised once, and becomes the only machine code.
"""

from __future__ import annotations

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

__all__ = ["PartCompiler", "WholeCompiler"]

# Numba has no type information for its compiler.
_Library: Any = JITCodeLibrary
_Compiler: Any = Compiler


class Part(_Library):  # type: ignore[misc]
    """A function that is only there to go into a whole."""

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)
        self.called: list[Any] = []

    def add_linking_library(self, library: Any) -> None:
        """Note what this function calls, for the whole to take in."""
        super().add_linking_library(library)
        self.called.append(library)

    def finalize(self) -> None:
        """Leave the code as it is."""
        self._raise_if_finalized()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:  # noqa: ARG002
        """Return the null pointer, as Numba does for a function that has no machine code."""
        self._ensure_finalized()
        return 0

    @property
    def codegen(self) -> Any:
        """Stand in for the code generator, of which Numba asks `set_env` and nothing else."""
        return self

    def set_env(self, name: str, environment: Any) -> None:
        """Drop the environment of Python objects: it is for machine code, and there is none."""


class Whole(_Library):  # type: ignore[misc]
    """An entry with everything that it calls."""

    def add_linking_library(self, library: Any) -> None:
        """Take in a library, and what a part has left to be taken in."""
        if library in self._linking_libraries:
            return
        super().add_linking_library(library)
        if isinstance(library, Part):
            for called in library.called:
                self.add_linking_library(called)


class _Pieces(_Compiler):  # type: ignore[misc]
    _library: type[Any]

    def compile_extra(self, func: Any) -> Any:
        codegen = self.state.targetctx.codegen()
        self.state.library = self._library(codegen, func.__qualname__)
        self.state.library.enable_object_caching()
        return super().compile_extra(func)


class PartCompiler(_Pieces):
    """Compiles a function of the loop."""

    _library = Part


class WholeCompiler(_Pieces):
    """Compiles an entry."""

    _library = Whole
