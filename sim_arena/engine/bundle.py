"""Passing all arrays of a run in one word.

The loop's functions pass a run's arrays to each other: some fifty, which Numba would spell out as
some three hundred and fifty words at each call, so that each function had to be inlined wherever
it is called. A bundle is a pointer to them instead. Code uses it like the tuple of arrays that it
was made of, and without compilation it is that tuple.

The whole engine is compiled for bundles, in half the time. Its core is compiled for the tuples
themselves: it is small, and a fifth faster when the arrays' places are known.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import numba.core
import numba.core.typing.templates
import numba.extending

__all__ = ["bundle"]

# Numba has no type information for what extends it.
_cgutils: Any = numba.core.cgutils
_ir: Any = _cgutils.ir
_extending: Any = numba.extending
_Type: Any = numba.core.types.Type
_Attributes: Any = numba.core.typing.templates.AttributeTemplate


class Bundle(_Type):  # type: ignore[misc]
    """A pointer to arrays that have names."""

    def __init__(self, arrays: Any) -> None:
        self.fields = tuple(arrays.fields)
        self.types = tuple(arrays.types)
        digest = sha256(repr((self.fields, self.types)).encode()).hexdigest()[:16]
        super().__init__(name=f"Bundle({digest})")  # the name goes into every symbol


_extending.register_model(Bundle)(_extending.models.OpaqueModel)


@_extending.infer_getattr
class BundleAttributes(_Attributes):  # type: ignore[misc]
    """Finds the type of an array by its name."""

    key = Bundle

    def generic_resolve(self, kind: Any, name: str) -> Any:
        """Return the type of the array, or None if there is none of that name."""
        return dict(zip(kind.fields, kind.types, strict=True)).get(name)


def _struct(context: Any, kinds: Any) -> Any:
    return _ir.LiteralStructType([context.get_value_type(kind) for kind in kinds])


@_extending.lower_getattr_generic(Bundle)  # type: ignore[untyped-decorator]
def _load(context: Any, builder: Any, kind: Any, value: Any, name: str) -> Any:
    place = builder.bitcast(value, _struct(context, kind.types).as_pointer())
    return builder.load(_cgutils.gep_inbounds(builder, place, 0, kind.fields.index(name)))


@_extending.intrinsic  # type: ignore[untyped-decorator]
def _stored(_: Any, arrays: Any) -> Any:
    kind = Bundle(arrays)

    def store(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        place = _cgutils.alloca_once(builder, _struct(context, kind.types))
        for i in range(len(kind.types)):
            array = builder.extract_value(values[0], i)
            builder.store(array, _cgutils.gep_inbounds(builder, place, 0, i))
        return builder.bitcast(place, _ir.IntType(8).as_pointer())

    return kind(arrays), store


def bundle(arrays: Any) -> Any:
    """Return a named tuple of arrays as one word, for the functions that the caller calls.

    It lives as long as the caller runs, in one place: a second call in the same place of the
    program, in a loop say, changes what the first one returned.
    """
    return arrays


@_extending.overload(bundle, inline="always", strict=False)  # type: ignore[untyped-decorator]
def _compiled_bundle(arrays: Any) -> Any:  # noqa: ARG001
    return lambda arrays: _stored(arrays)  # noqa: PLW0108 - Numba wants a function of Python
