"""Where compiled code is kept on disk.

Numba's own cache looks at one file only: it does not notice that a function called from another
file has changed; and it keeps the code of each copy of that file apart. Here the folder is named
after a digest of all that goes into the code: a changed engine never runs stale code, and a second
checkout of the same engine compiles nothing.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numba.core.caching
import platformdirs

from traces import arithmetic

__all__ = ["cache_folder", "kept"]

# Numba has no type information for its cache.
_caching: Any = numba.core.caching
_Locator: Any = _caching._CacheLocator  # noqa: SLF001
_Implementation: Any = _caching.CompileResultCacheImpl
_Cache: Any = _caching.FunctionCache
_config: Any = numba.config


@cache
def cache_folder(*beside: Path) -> Path:
    """Return the folder of the compiled engine, keyed by its sources and Numba's version.

    Args:
        beside: files outside of the engine whose functions are compiled with it.
    """
    digest = hashlib.sha256(f"{numba.__version__} {_config.BOUNDSCHECK}".encode())
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    for source in [*sources, Path(arithmetic.__file__), *beside]:
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    root = Path(platformdirs.user_cache_dir("sim-arena"))
    return root / "engine" / digest.hexdigest()[:16]


def kept(compiled: Any, folder: Path) -> Any:
    """Keep the code of a compiled function in a folder, and take it from there.

    Args:
        compiled: what Numba's decorator returned.
        folder: as `cache_folder` returns it. A folder that cannot be written is not used: Numba
            then chooses one, as it does for any function.

    Returns:
        The same compiled function.
    """

    class ByContent(_Locator):  # type: ignore[misc]
        """The folder's name says already of which sources the code is."""

        def __init__(self, function: Any, path: str) -> None:
            self._folder = folder / Path(path).parent.name
            self._line = function.__code__.co_firstlineno

        def get_cache_path(self) -> str:
            return str(self._folder)

        def get_source_stamp(self) -> str:
            return folder.name

        def get_disambiguator(self) -> str:
            return str(self._line)

        @classmethod
        def from_function(cls, function: Any, path: str) -> Any:
            locator = cls(function, path)
            try:
                locator.ensure_cache_path()
            except OSError:
                return None
            return locator

    class Implementation(_Implementation):  # type: ignore[misc]
        _locator_classes = (ByContent, *_Implementation._locator_classes)  # noqa: SLF001

    class Cache(_Cache):  # type: ignore[misc]
        _impl_class = Implementation

    compiled._cache = Cache(compiled.py_func)  # noqa: SLF001
    return compiled
