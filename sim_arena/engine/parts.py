"""Compiling the engine in one piece.

Numba makes a library of each compiled function: it takes in everything that the function calls,
optimises all of that, and makes machine code of it. In an engine of some three hundred
functions, inlined into each other many levels deep, the same code is optimised again at each
level, only to be thrown away: nothing but the entry is ever called. So here a function of the
loop stays as it was written (`Part`), and the entry (`Whole`) takes in all parts that it needs,
directly or not, is optimised once, and becomes the only machine code.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numba.core.cgutils
import numba.core.codegen
import numba.core.compiler
import numba.core.lowering
import numba.np.arrayobj

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PartCompiler", "WholeCompiler"]

# Numba has no type information for its compiler.
_codegen: Any = numba.core.codegen
_Library: Any = _codegen.JITCodeLibrary
_Compiler: Any = numba.core.compiler.Compiler
_Lower: Any = numba.core.lowering.Lower
_arrayobj: Any = numba.np.arrayobj
_cgutils: Any = numba.core.cgutils
_config: Any = numba.config
_Linkage: Any = _codegen.ll.Linkage

# What a whole was given by its parts.
_TAKEN_IN = (_Linkage.linkonce_odr, _Linkage.weak_odr)


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

    def _get_module_for_linking(self) -> Any:
        """Return the code, to be taken in even before what calls it is."""
        module = super()._get_module_for_linking()
        for function in module.functions:
            if function.linkage == _Linkage.linkonce_odr and not function.is_declaration:
                function.linkage = _Linkage.weak_odr
        return module

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

    def _optimize_final_module(self) -> None:
        """Optimise, knowing that nobody else calls what was taken in."""
        for function in self._final_module.functions:
            if function.linkage in _TAKEN_IN and not function.is_declaration:
                function.linkage = _Linkage.internal
        super()._optimize_final_module()


class _Pieces(_Compiler):  # type: ignore[misc]
    _library: type[Any]

    def compile_extra(self, func: Any) -> Any:
        codegen = self.state.targetctx.codegen()
        self.state.library = self._library(codegen, func.__qualname__)
        self.state.library.enable_object_caching()
        with _plain_indices():
            return super().compile_extra(func)


@contextmanager
def _plain_indices() -> Iterator[None]:
    """Compile without Python's meaning of negative indices, which the engine never uses.

    Each access to an array would compare and select: a tenth of the loop's time. Numba compiles
    one function at a time, under a lock, so that other people's functions keep theirs.

    With `NUMBA_BOUNDSCHECK=1` each index is checked instead, negative ones too.
    """
    before = _arrayobj.fix_integer_index
    _arrayobj.fix_integer_index = _plain_index
    try:
        yield
    finally:
        _arrayobj.fix_integer_index = before


def _plain_index(context: Any, builder: Any, kind: Any, index: Any, size: Any) -> Any:
    found = context.cast(builder, index, kind, numba.intp)
    if _config.BOUNDSCHECK:
        outside = builder.icmp_unsigned(">=", found, size)
        with _cgutils.if_unlikely(builder, outside):
            context.call_conv.return_user_exc(builder, IndexError, (_place(),))
    return found


def _place() -> str:
    """Return the line that is being compiled, which Numba tells nobody."""
    frame = inspect.currentframe()
    while frame is not None:
        lowering = frame.f_locals.get("self")
        if isinstance(lowering, _Lower):
            return f"an index outside of its array in {lowering.loc}"
        frame = frame.f_back
    return "an index outside of its array"


class PartCompiler(_Pieces):
    """Compiles a function of the loop."""

    _library = Part


class WholeCompiler(_Pieces):
    """Compiles an entry."""

    _library = Whole
