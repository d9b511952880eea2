"""How the engine's functions are compiled.

`NUMBA_DISABLE_JIT=1` runs the same functions as plain Python.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba

from sim_arena.engine.compiled import cache_folder, kept
from sim_arena.engine.parts import PartCompiler, WholeCompiler
from traces import arithmetic

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["entry", "interpreted", "jit", "jit_arithmetic", "jit_plain", "rare"]

# Numba's type stubs know neither its configuration nor all of njit's options.
_config: Any = numba.config
_njit: Any = numba.njit

Function = TypeVar("Function", bound=Callable[..., Any])


def jit(function: Function) -> Function:
    """Compile a function of the event loop into those that call it.

    The loop's functions pass all arrays of a run to each other. Inlined, that costs nothing;
    called, each call copies some three hundred and fifty words, unless the arrays are in a
    bundle: see `bundle.py`. Division follows NumPy's rules (no
    exception in compiled code): the engine never divides by a number that it has not checked.
    """
    return _compile_inner(function, forceinline=True)


def rare(function: Function) -> Function:
    """Compile a function that is called seldom or from many places: not inlined, to save time.

    The first compilation of the engine takes as long as the code is large.
    """
    return _compile_inner(function, forceinline=False)


def _compile_inner(function: Function, *, forceinline: bool) -> Function:
    if _config.DISABLE_JIT:
        return function
    # Only compiled code calls these, so they need no wrappers for Python; and no function of
    # the loop makes or keeps an array, so the arrays' reference counts need not be kept
    # (`_nrt`), whose atomic operations cost four fifths of the time.
    compiled: Function = _njit(
        error_model="numpy",
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        forceinline=forceinline,
        _nrt=False,
        pipeline_class=PartCompiler,
    )(function)
    return compiled


def entry(function: Function, beside: tuple[Path, ...] = ()) -> Function:
    """Compile a function that Python calls: without the interpreter's lock, kept on disk.

    Args:
        function: what to compile.
        beside: the files outside of the engine whose functions are compiled into it.
    """
    if _config.DISABLE_JIT:
        return function
    compiled = _njit(
        nogil=True,
        error_model="numpy",
        no_cfunc_wrapper=True,
        _nrt=False,
        pipeline_class=WholeCompiler,
    )(function)
    return cast("Function", kept(compiled, cache_folder(*beside)))


def jit_arithmetic(name: str) -> Callable[..., Any]:
    """Compile a function of `traces.arithmetic`, with those that it calls."""
    return jit_plain(getattr(arithmetic, name))


def jit_plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a copy of a function that is used as plain Python too, with those that it calls."""
    plain = cast("types.FunctionType", function)
    scope = dict(plain.__globals__)
    for name in plain.__code__.co_names:
        called = scope.get(name)
        if isinstance(called, types.FunctionType) and called is not plain:
            scope[name] = jit_plain(called)
    copied = types.FunctionType(plain.__code__, scope, plain.__name__, plain.__defaults__)
    copied.__module__ = plain.__module__
    return jit(copied)


def interpreted(function: Function) -> Function:
    """Return a compiled function as plain Python, with those that it calls.

    For what runs once in a while, and is not worth a compilation. Without compilation it is the
    function itself.
    """
    if _config.DISABLE_JIT:
        return function
    return cast("Function", _interpreted(function))


_plain: dict[Any, Any] = {}


def _interpreted(function: Any) -> Any:
    if function not in _plain:
        plain = getattr(function, "py_func", function)
        scope = dict(plain.__globals__)
        copied = types.FunctionType(plain.__code__, scope, plain.__name__, plain.__defaults__)
        _plain[function] = copied  # before the names are looked at: one may be its own
        for name in plain.__code__.co_names:
            if name in scope:
                scope[name] = _as_interpreted(scope[name])
    return _plain[function]


def _as_interpreted(value: Any) -> Any:
    """Return what a name means to interpreted code: modules' functions are interpreted too."""
    if hasattr(value, "py_func"):
        return _interpreted(value)
    if isinstance(value, types.ModuleType) and value.__name__.startswith("sim_arena.engine"):
        return _InterpretedModule(value)
    return value


class _InterpretedModule:
    """A module of the engine whose functions are plain Python."""

    def __init__(self, module: types.ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = _as_interpreted(getattr(self._module, name))
        setattr(self, name, found)
        return found
